"""Who gets Mesos' offers: idle and busy Jenkins frameworks beside Marathon, on real masters.

usage: fairness.py [--only NAME...] [--out DIRECTORY]

Simulated frameworks (``clusterctl loadtest --frameworks-only``) on three ZooKeepers, three masters and five agents of
Apache Mesos on loopback addresses, in a network namespace of its own. One agent is reserved for the role marathon;
each says that it has 100 CPUs, as tasks only sleep. The scenarios are those of docs/fairness.md:

a: Marathon in role *, beside N idle frameworks that are always registered and decline for 5 s or 600 s;
b: the same at 5 s with Marathon in a role of its own, without and with a reserved agent;
c: the same with on-demand registration;  d: the same with frameworks that suppress;
e: a framework that takes offers and never answers, without and with --offer_timeout;
f: newcomers against frameworks that have been registered for long;
g: three frameworks with 100 builds each beside 50 that start one;
mass: 500 frameworks with three builds each.

Runs as root (Debian 12). Writes each result to DIRECTORY/NAME.json and prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from measure import load, markdown, say

from clusterctl.load.percentiles import NEVER, percentile
from clusterctl.load.plan import Canary, Group, Plan
from clusterctl.load.result import Result, to_json
from clusterctl.load.verdict import Thresholds, duration, summarise
from clusterctl.ops.loadtest.driver import run_frameworks
from clusterctl.ops.loadtest.masters import MasterMap
from tests.contract.load.field import AgentGroup, Field
from tests.contract.loopback import unpacked_mesos
from tests.contract.mesos.netns import private_network

ROOT = Path(__file__).resolve().parent.parent
SWEEP = (3, 5, 10, 50, 100, 200)
AGENTS = (AgentGroup(4), AgentGroup(1, reserve_for="marathon"))
OFFER_TIMEOUT_S = 5
# Marathon asks three times, from 10 s after the frameworks have joined; then it has 45 s to be served
FIRST_TURN_S, TURNS, EVERY_S, PATIENCE_S = 10.0, 3, 8.0, 45.0


@dataclass(frozen=True)
class Scenario:
    """One test; ``master_flags`` choose the masters it runs on."""

    name: str
    what: str
    plan: Plan
    master_flags: tuple[str, ...] = ()


def beside_marathon(name: str, what: str, group: Group, role: str) -> Scenario:
    """A group of frameworks, and Marathon with one running task that wants another three times."""
    start = group.join_over_s + FIRST_TURN_S
    canary = Canary(role=role, turns=TURNS, every_s=EVERY_S, start_s=start)
    limit = start + TURNS * EVERY_S + PATIENCE_S
    return Scenario(name, what, Plan(groups=(group,), canary=canary, limit_s=limit, user="root"))


def idle(count: int, decline_s: float, kind: str = "always") -> Group:
    """Frameworks that want nothing; 20 of them register a second."""
    return Group(name="idle", kind=kind, count=count, decline_s=decline_s, join_over_s=count / 20)  # type: ignore[arg-type]


def side_by_side() -> Iterator[Scenario]:
    """(a) to (d)."""
    for count in SWEEP:
        yield beside_marathon(f"a-5s-{count}", "role *, decline 5 s", idle(count, 5), "*")
        yield beside_marathon(f"a-600s-{count}", "role *, decline 600 s", idle(count, 600), "*")
        yield beside_marathon(f"b-role-{count}", "own role, decline 5 s", idle(count, 5), "other")
        yield beside_marathon(f"b-reserved-{count}", "own role and reserved agent, 5 s", idle(count, 5), "marathon")
        demand = Group(name="demand", kind="on_demand", count=count, builds=1, over_s=10 + count / 5, linger_s=5)
        yield beside_marathon(f"c-{count}", "role *, on demand, a build each", demand, "*")
        yield beside_marathon(f"d-{count}", "role *, suppress", idle(count, 5, "suppress"), "*")


def others() -> Iterator[Scenario]:
    """(e) to (g)."""
    hoarder = Group(name="hoarder", kind="hoarder", count=1)
    wanting = Group(name="wanting", kind="on_demand", count=5, builds=1, start_s=5, over_s=1)
    greedy = Plan(groups=(hoarder, wanting), limit_s=45, user="root")
    yield Scenario("e-none", "a hoarder, no offer timeout", greedy)
    flag = f"--offer_timeout={OFFER_TIMEOUT_S}secs"
    yield Scenario("e-timeout", f"a hoarder, {flag}", greedy, (flag,))

    old = idle(20, 5).model_copy(update={"name": "old"})
    late = Group(name="newcomer", kind="on_demand", count=5, builds=1, start_s=30, over_s=10)
    yield Scenario("f-newcomer", "5 newcomers with a build each, 20 idle ones since 30 s", _plan(old, late, limit_s=90))
    for name, kind, decline_s in (("5s", "always", 5), ("600s", "always", 600), ("suppress", "suppress", 5)):
        wants = Group(name="old", kind="always", count=3, decline_s=5, builds=2, start_s=30, over_s=20)
        new = Group(name="new", kind=kind, count=120, decline_s=decline_s, join_after_s=10, join_over_s=60)  # type: ignore[arg-type]
        what = f"3 old ones with two builds each, 2 idle newcomers a second ({kind}, decline {decline_s} s)"
        yield Scenario(f"f-old-{name}", what, _plan(wants, new, limit_s=90))

    for kind in ("always", "on_demand"):
        busy = Group(name="busy", kind="always", count=3, builds=100, arrival="burst", over_s=40, run_s=2)
        small = Group(name="small", kind=kind, count=50, builds=1, over_s=50, run_s=2, linger_s=10)  # type: ignore[arg-type]
        yield Scenario(f"g-{kind}", f"3 with 100 builds each, 50 ({kind}) with one", _plan(busy, small, limit_s=240))


def mass() -> Iterator[Scenario]:
    """500 frameworks, three builds each."""
    group = Group(name="jenkins", kind="on_demand", count=500, builds=3, over_s=600, run_s=2, linger_s=60)
    canary = Canary(turns=20, start_s=10, every_s=30)
    yield Scenario(
        "mass", "500 on demand, 3 builds each", Plan(groups=(group,), canary=canary, limit_s=900, user="root")
    )


def _plan(*groups: Group, limit_s: float) -> Plan:
    return Plan(groups=groups, limit_s=limit_s, user="root")


@dataclass(frozen=True)
class Ran:
    """A scenario's result, the machine's load after it, and the most memory that a master held until then."""

    scenario: Scenario
    result: Result
    load: str
    master_mib: float


def run_all(scenarios: Sequence[Scenario], out: Path) -> list[Ran]:
    """Runs them one after the other, those with the same master flags on the same masters."""
    done: list[Ran] = []
    out.mkdir(parents=True, exist_ok=True)
    for flags in dict.fromkeys(scenario.master_flags for scenario in scenarios):
        with tempfile.TemporaryDirectory() as work:
            mesos = unpacked_mesos(Path(work))
            with private_network():
                field = Field(mesos, Path(work), AGENTS, flags)
                field.start()
                try:
                    for scenario in scenarios:
                        if scenario.master_flags == flags:
                            done.append(_run(scenario, field, out))
                finally:
                    field.stop()
    return done


def _run(scenario: Scenario, field: Field, out: Path) -> Ran:
    say(f"{scenario.name}: {scenario.what}")
    result = run_frameworks(scenario.plan, MasterMap(field.endpoints), "loopback")
    (out / f"{scenario.name}.json").write_text(to_json(result))
    ran = Ran(scenario, result, load(), max(field.most_memory_mib().values()))
    say(f"  {result.ended} after {result.end_s:.0f} s, load {ran.load}; {_seen(ran)}")
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
    columns = ("a-5s", "a-600s", "b-role", "b-reserved", "c", "d")
    rows = [
        [count, *(_marathon(ran[f"{column}-{count}"]) for column in columns)] for count in SWEEP if f"d-{count}" in ran
    ]
    if rows:
        loads = [float(each.load) for name, each in ran.items() if name[0] in "abcd"]
        parts.append(
            markdown(
                [
                    "frameworks",
                    "(a) decline 5 s",
                    "(a) decline 600 s",
                    "(b) own role",
                    "(b) and reserved agent",
                    "(c) on demand",
                    "(d) suppress",
                ],
                rows,
            )
            + f"\n\nLoad of the machine: {min(loads):.1f} to {max(loads):.1f}."
        )
    rows = []
    for each in done:
        for group in each.scenario.plan.groups:
            if each.scenario.name[0] in "efg" and group.builds:
                waits = [duration(_worst(each, group.name, part)) for part in (0.5, 0.99, 1.0)]
                never = sum(wait == NEVER for wait in _waits(each, group.name))
                rows.append([each.scenario.what, group.name, len(_waits(each, group.name)), *waits, never, each.load])
    if rows:
        header = ["scenario", "whose builds", "builds", "first offer p50", "p99", "longest", "never", "load"]
        parts.append(markdown(header, rows))
    if "mass" in ran:
        parts.append(_mass(ran["mass"]))
    return "\n\n".join(parts)


def _mass(ran: Ran) -> str:
    result, driver = ran.result, ran.result.driver
    summary = summarise(result, Thresholds())
    waits = [[name, *(duration(value) for value in values)] for name, values in summary.waits.items()]
    facts = [
        ["frameworks, builds", f"{len(result.frameworks)} with the canary, {summary.builds}"],
        ["starved, unfinished, failed", f"{len(summary.starved)}, {summary.unfinished}, {summary.failed}"],
        ["Marathon's longest wait for an offer", _marathon(ran)],
        ["driver: most memory", f"{driver.rss_mib:.0f} MiB"],
        ["driver: share of a core", f"{driver.cpu_s / driver.seconds:.1%}"],
        ["masters: most memory of one", f"{ran.master_mib:.0f} MiB"],
        ["load of the machine", ran.load],
    ]
    return "\n\n".join([markdown(["wait", "p50", "p90", "p99", "longest"], waits), markdown(["", ""], facts)])


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="those whose name begins so")
    parser.add_argument("--out", type=Path, default=ROOT / "build/fairness")
    arguments = parser.parse_args()
    scenarios = [*side_by_side(), *others(), *mass()]
    if arguments.only:
        scenarios = [each for each in scenarios if each.name.startswith(tuple(arguments.only))]
    print(tables(run_all(scenarios, arguments.out)), flush=True)


if __name__ == "__main__":
    main()
