"""What a result comes to: percentiles, starved frameworks, and pass or fail against thresholds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clusterctl.load.percentiles import NEVER, percentile
from clusterctl.load.plan import CANARY
from clusterctl.load.result import BuildResult, FrameworkResult, LoadResult

PARTS = (0.5, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class Thresholds:
    """Upper bounds; None leaves one out.

    Attributes:
        starved: frameworks that once waited longer than ``starved_after_s`` for an offer while they wanted something;
            real masters: for an agent, while builds waited.
        first_offer_p99_s: from the queueing of a build to the first offer; asked of simulated frameworks.
        agent_p99_s: from the queueing of a build to its agent; asked of real masters.
        canary_s: the longest wait of Marathon's canary for an offer.
    """

    starved: int | None = 0
    starved_after_s: float = 60.0
    first_offer_p99_s: float | None = 5.0
    agent_p99_s: float | None = 30.0
    canary_s: float | None = 10.0


@dataclass(frozen=True)
class Bound:
    """One threshold; ``seen`` is None where nothing was measured, which fails."""

    name: str
    limit: float
    seen: float | None
    unit: str

    @property
    def ok(self) -> bool:
        return self.seen is not None and self.seen <= self.limit

    @property
    def line(self) -> str:
        """For people."""
        seen = "nothing measured" if self.seen is None else duration(self.seen, self.unit)
        return f"{self.name}: {seen}, allowed {duration(self.limit, self.unit)}"


@dataclass(frozen=True)
class Summary:
    """What a result comes to.

    Attributes:
        waits: by name, percentiles in the order of ``PARTS`` in seconds; None without builds.
        starved: names of frameworks.
        unfinished: builds that had no end when the test ended.
        failed: builds that ended otherwise than well.
    """

    ended: str
    waits: Mapping[str, tuple[float | None, ...]]
    starved: tuple[str, ...]
    builds: int
    unfinished: int
    failed: int
    canary_s: float | None
    checks: tuple[Bound, ...]

    @property
    def ok(self) -> bool:
        """Whether every threshold is kept and the test was not broken off."""
        return self.ended != "interrupted" and all(check.ok for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """For ``--json``; a wait that never ended is the text ``never``."""
        found = {**asdict(self), "checks": [{**asdict(check), "ok": check.ok} for check in self.checks], "ok": self.ok}
        cleaned: dict[str, Any] = _without_infinity(found)
        return cleaned


def waits(result: LoadResult) -> dict[str, list[float]]:
    """The waits of all builds but the canary's, in seconds by name; one that did not end by the test's end is NEVER.

    ``run`` has only builds that ended. With real masters there are ``agent`` and ``run`` alone.
    """
    builds = [build for build in result.builds if result.frameworks[build.framework].group != CANARY]

    real = result.mode == "masters"  # whose offers nobody sees

    def since_queued(moment: Callable[[BuildResult], float | None]) -> list[float]:
        found = [(build.queued_s, moment(build)) for build in builds]
        return [NEVER if then is None else then - queued for queued, then in found]

    found = {}
    if not real:
        found["first offer"] = since_queued(lambda build: build.offered_s)
        found["in the queue"] = since_queued(lambda build: build.launched_s)
    return found | {
        "agent": since_queued(lambda build: build.agent_s),
        "run": [
            build.finished_s - build.agent_s
            for build in builds
            if build.finished_s is not None and build.agent_s is not None
        ],
    }


def starved(result: LoadResult, after_s: float) -> list[FrameworkResult]:
    """Frameworks that once waited longer than that for an offer, but for the canary, which has a bound of its own."""
    return [each for each in result.frameworks if each.group != CANARY and each.longest_wait_s > after_s]


def summarise(result: LoadResult, thresholds: Thresholds) -> Summary:
    """Percentiles and checks."""
    measured = waits(result)
    hungry = starved(result, thresholds.starved_after_s)
    builds = [build for build in result.builds if result.frameworks[build.framework].group != CANARY]
    canary = max((NEVER if turn.wait_s is None else turn.wait_s for turn in result.canary), default=None)
    checks: list[Bound] = []
    if thresholds.starved is not None:
        who, what = ("masters", "an agent") if result.mode == "masters" else ("frameworks", "an offer")
        name = f"{who} that waited over {thresholds.starved_after_s:g} s for {what}"
        checks.append(Bound(name, thresholds.starved, len(hungry), ""))
    if thresholds.first_offer_p99_s is not None and result.mode == "frameworks":
        seen = percentile(measured["first offer"], 0.99)
        checks.append(Bound("p99 time to first offer", thresholds.first_offer_p99_s, seen, "s"))
    if thresholds.agent_p99_s is not None and result.mode == "masters":
        checks.append(Bound("p99 time to agent", thresholds.agent_p99_s, percentile(measured["agent"], 0.99), "s"))
    if thresholds.canary_s is not None and result.plan.canary is not None:
        checks.append(Bound("Marathon's longest wait for an offer", thresholds.canary_s, canary, "s"))
    return Summary(
        ended=result.ended,
        waits={name: tuple(percentile(values, part) for part in PARTS) for name, values in measured.items()},
        starved=tuple(each.name for each in hungry),
        builds=len(builds),
        unfinished=sum(build.finished_s is None for build in builds),
        failed=sum(build.finished_s is not None and build.state not in _WELL for build in builds),
        canary_s=canary,
        checks=tuple(checks),
    )


_WELL = ("TASK_FINISHED", "SUCCESS")


def duration(value: float | None, unit: str = "s") -> str:
    """``1.25 s``, ``never`` or ``-``."""
    if value is None:
        return "-"
    if value == NEVER:
        return "never"
    return f"{value:.4g} {unit}".strip()


def _without_infinity(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_infinity(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinity(each) for each in value]
    return "never" if value == NEVER else value
