"""A result in rows of text, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Sequence

from clusterctl.load.percentiles import percentile
from clusterctl.load.plan import CANARY
from clusterctl.load.result import LoadResult
from clusterctl.load.verdict import PARTS, Summary, duration

Table = tuple[Sequence[str], list[Sequence[str]]]
_ENDED = {
    "complete": "complete",
    "limit": "its time was up",
    "interrupted": "interrupted",
}


def facts(result: LoadResult, summary: Summary) -> list[Sequence[str]]:
    """What the test was and what it took, a name and a text each."""
    driver = result.driver
    refused = sum(each.refused for each in result.frameworks)
    reconnects = sum(each.reconnects for each in result.frameworks)
    rows = [
        ("began", result.began),
        ("ended", f"{_ENDED[result.ended]}, after {result.end_s:.0f} s"),
        ("builds", f"{summary.builds}, of them {summary.unfinished} not finished, {summary.failed} failed"),
        ("leading masters", ", ".join(result.leaders)),
        ("calls refused, reconnections", f"{refused}, {reconnects}"),
        (
            "driver",
            f"{driver.cpu_s / max(driver.seconds, 0.001):.0%} of a CPU, {driver.rss_mib:.0f} MiB at most, "
            f"{driver.latest_s:.2f} s late at most",
        ),
    ]
    runs = [sample.allocation_ms for sample in result.samples if sample.allocation_ms is not None]
    if runs:
        rows.append(("a run of the allocator", f"{max(runs):.3g} ms at most (medians of the masters)"))
    return list(rows)


def percentile_rows(summary: Summary) -> Table:
    """Waits by their name."""
    header = ["wait", *("longest" if part == 1 else f"p{part * 100:g}" for part in PARTS)]
    return header, [[name, *(duration(value) for value in values)] for name, values in summary.waits.items()]


def group_rows(result: LoadResult) -> Table:
    """Groups of frameworks."""
    header = ["group", "kind", "role", "frameworks", "builds", "offers (min, median, max)", "longest wait", "hoarded"]
    rows: list[Sequence[str]] = []
    for group in dict.fromkeys(each.group for each in result.frameworks):
        mine = [each for each in result.frameworks if each.group == group]
        offers = [float(each.offers) for each in mine]
        builds = sum(result.frameworks[build.framework].group == group for build in result.builds)
        rows.append(
            [
                group if group != CANARY else "Marathon's canary",
                mine[0].kind,
                mine[0].role,
                str(len(mine)),
                str(builds),
                ", ".join(f"{percentile(offers, part) or 0:.0f}" for part in (0, 0.5, 1)),
                duration(max(each.longest_wait_s for each in mine)),
                str(sum(each.hoarded for each in mine)),
            ]
        )
    return header, rows
