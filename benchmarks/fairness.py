"""Who gets Mesos' offers: idle and busy Jenkins frameworks beside Marathon, on real masters.

usage: fairness.py [--only NAME...] [--out DIRECTORY] [--table]

Simulated frameworks (``clusterctl loadtest run --frameworks-only``) on three ZooKeepers, three masters and five agents
of Apache Mesos on loopback addresses, in a network namespace of its own. One agent is reserved for the role marathon;
each says that it has 100 CPUs, as tasks only sleep. The scenarios are those of docs/fairness.md:

a: Marathon in role *, beside N idle frameworks that are always registered and decline for 5 s or 600 s; steady: for a
   longer time beside 40 of them that decline for 20 s, 60 s or 120 s;
b: the same at 5 s with Marathon in a role of its own, with a small and with a large share, and with a reserved agent;
c: the same with on-demand registration, at half a build a second and at four;  d: with frameworks that suppress;
e: a framework that takes offers and never answers, without and with --offer_timeout;
f: newcomers against frameworks that have been registered for long;
g: three frameworks with 100 builds each beside 50 that start one;
mass: 500 frameworks with three builds each, on demand and suppressing, and 200 of them.

Runs as root (Debian 12). Writes each result to DIRECTORY/NAME.json and prints Markdown; ``--table`` prints it from what
is there, without a run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fairness_scenarios import SWEEP, Scenario, edges, mass, others, side_by_side
from measure import markdown, say

from clusterctl.load.percentiles import NEVER, percentile
from clusterctl.load.result import LoadResult, from_json, to_json
from clusterctl.load.verdict import Thresholds, duration, summarise
from clusterctl.ops.loadtest.driver import run_frameworks
from clusterctl.ops.loadtest.masters import MasterMap
from tests.contract.load.field import AgentGroup, Field
from tests.contract.loopback import unpacked_mesos
from tests.contract.mesos.netns import private_network

ROOT = Path(__file__).resolve().parent.parent
AGENTS = (AgentGroup(4), AgentGroup(1, reserve_for="marathon"))
# Column of the table, name, and role of Marathon
COLUMNS = {
    "a-5s": "(a) decline 5 s",
    "a-600s": "(a) decline 600 s",
    "b-small": "(b) own role",
    "b-large": "(b) own role, large share",
    "b-reserved": "(b) own role, reserved agent",
    "c": "(c) on demand",
    "d": "(d) suppress",
}


@dataclass(frozen=True)
class Ran:
    """A scenario's result, the machine's load after it, and the most memory that a master held until then."""

    scenario: Scenario
    result: LoadResult
    load: float
    master_mib: float

    def write(self, out: Path) -> None:
        """For ``read``."""
        (out / f"{self.scenario.name}.json").write_text(to_json(self.result))
        machine = {"load": self.load, "master_mib": self.master_mib}
        (out / f"{self.scenario.name}.machine").write_text(json.dumps(machine))


def read(scenario: Scenario, out: Path) -> Ran | None:
    """A run of before, if it was of this plan."""
    path = out / f"{scenario.name}.json"
    if not path.exists():
        return None
    result = from_json(path.read_bytes(), str(path))
    machine = json.loads(path.with_suffix(".machine").read_text())
    return Ran(scenario, result, machine["load"], machine["master_mib"]) if result.plan == scenario.plan else None


def run_all(scenarios: Sequence[Scenario], out: Path) -> list[Ran]:
    """Runs them one after the other, those with the same master flags on the same masters."""
    done: list[Ran] = []
    out.mkdir(parents=True, exist_ok=True)
    for flags in dict.fromkeys(scenario.master_flags for scenario in scenarios):
        with tempfile.TemporaryDirectory() as work:
            mesos = unpacked_mesos(Path(work))
            with private_network(), Field(mesos, Path(work), AGENTS, flags) as field:
                for scenario in scenarios:
                    if scenario.master_flags == flags:
                        done.append(_run(scenario, field, out))
    return done


def _run(scenario: Scenario, field: Field, out: Path) -> Ran:
    say(f"{scenario.name}: {scenario.what}")
    result = run_frameworks(scenario.plan, MasterMap(field.endpoints), "loopback")
    ran = Ran(scenario, result, os.getloadavg()[0], max(field.most_memory_mib().values()))
    ran.write(out)
    say(f"  {result.ended} after {result.end_s:.0f} s, load {ran.load:.1f}; {_seen(ran)}")
    return ran


def _seen(ran: Ran) -> str:
    groups = [
        f"{group.name} {duration(_worst(ran, group.name, 1.0))}" for group in ran.scenario.plan.groups if group.builds
    ]
    return ", ".join([*groups, f"Marathon {_marathon(ran)}"])


def _marathon(ran: Ran) -> str:
    """The longest of its waits; of one that did not end, how long it had lasted."""
    if not ran.result.canary:
        return "-"
    open_turns = [ran.result.end_s - turn.at_s for turn in ran.result.canary if turn.wait_s is None]
    if open_turns:
        return f"**none in {max(open_turns):.0f} s**"
    return f"{max(turn.wait_s or 0.0 for turn in ran.result.canary):.2f} s"


def _waits(ran: Ran, group: str) -> list[float]:
    builds = [build for build in ran.result.builds if ran.result.frameworks[build.framework].group == group]
    return [NEVER if build.offered_s is None else build.offered_s - build.queued_s for build in builds]


def _worst(ran: Ran, group: str, part: float) -> float | None:
    return percentile(_waits(ran, group), part)


def tables(done: Sequence[Ran]) -> str:
    """All tables."""
    ran = {each.scenario.name: each for each in done}
    parts = []
    complete = [count for count in SWEEP if all(f"{column}-{count}" in ran for column in COLUMNS)]
    rows: list[list[object]] = [[n, *(_marathon(ran[f"{column}-{n}"]) for column in COLUMNS)] for n in complete]
    if rows:
        loads = [ran[f"{column}-{n}"].load for column in COLUMNS for n in complete]
        table = markdown(["frameworks", *COLUMNS.values()], rows)
        parts.append(f"{table}\n\nLoad of the machine: {min(loads):.1f} to {max(loads):.1f}.")
    rows = []
    for each in done:
        if each.scenario.name.startswith(("edge", "steady", "busy")):
            turns = [NEVER if turn.wait_s is None else turn.wait_s for turn in each.result.canary]
            quick = sum(turn <= 1 for turn in turns)
            waits = [duration(percentile(turns, 0.5)), _marathon(each)]
            rows.append([each.scenario.what, len(turns), quick, *waits, f"{each.load:.1f}"])
    if rows:
        parts.append(markdown(["scenario", "Marathon asks", "served within 1 s", "p50", "longest", "load"], rows))
    rows = []
    for each in done:
        for group in each.scenario.plan.groups:
            if each.scenario.name[0] in "efg" and group.builds:
                waits = [duration(_worst(each, group.name, part)) for part in (0.5, 0.99, 1.0)]
                never = sum(wait == NEVER for wait in _waits(each, group.name))
                rows.append(
                    [each.scenario.what, group.name, len(_waits(each, group.name)), *waits, never, f"{each.load:.1f}"]
                )
    if rows:
        header = ["scenario", "whose builds", "builds", "first offer p50", "p99", "longest", "never", "load"]
        parts.append(markdown(header, rows))
    masses = [each for each in done if each.scenario.name.startswith("mass")]
    if masses:
        parts.append(_masses(masses))
    return "\n\n".join(parts)


def _masses(masses: Sequence[Ran]) -> str:
    """A column a run."""
    rows: list[list[str]] = []
    summaries = [summarise(each.result, Thresholds()) for each in masses]
    for name in ("first offer", "agent"):
        for part, place in (("p50", 0), ("p90", 1), ("p99", 2), ("longest", 3)):
            rows.append([f"{name}, {part}", *(duration(summary.waits[name][place]) for summary in summaries)])
    results = [each.result for each in masses]
    rows += [
        ["frameworks that waited over 60 s for an offer", *(str(len(summary.starved)) for summary in summaries)],
        ["builds, not finished, failed", *(f"{s.builds}, {s.unfinished}, {s.failed}" for s in summaries)],
        ["registrations", *(str(sum(each.registrations for each in result.frameworks)) for result in results)],
        ["offers", *(str(sum(each.offers for each in result.frameworks)) for result in results)],
        ["Marathon's longest wait for an offer", *(_marathon(each) for each in masses)],
        ["driver: most memory", *(f"{result.driver.rss_mib:.0f} MiB" for result in results)],
        ["driver: share of a core", *(f"{r.driver.cpu_s / r.driver.seconds:.1%}" for r in results)],
        ["masters: most memory of one", *(f"{each.master_mib:.0f} MiB" for each in masses)],
        ["a run of the allocator (medians), at most", *(_allocator(result) for result in results)],
        ["load of the machine", *(f"{each.load:.1f}" for each in masses)],
    ]
    return markdown(["", *(each.scenario.what for each in masses)], rows)


def _allocator(result: LoadResult) -> str:
    return f"{max(sample.allocation_ms or 0.0 for sample in result.samples):.2f} ms"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="those whose name begins so")
    parser.add_argument("--out", type=Path, default=ROOT / "build/fairness")
    parser.add_argument("--table", action="store_true", help="print the tables of what is in DIRECTORY")
    arguments = parser.parse_args()
    scenarios = [*side_by_side(), *edges(), *others(), *mass()]
    if arguments.only:
        scenarios = [each for each in scenarios if each.name.startswith(tuple(arguments.only))]
    if arguments.table:
        found = [ran for scenario in scenarios if (ran := read(scenario, arguments.out))]
        print(tables(found))
        return
    print(tables(run_all(scenarios, arguments.out)), flush=True)


if __name__ == "__main__":
    main()
