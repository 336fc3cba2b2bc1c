"""A planned change of each leader: the Mesos master's, Marathon's and ZooKeeper's, by ``clusterctl restart``.

usage: leaders.py [--changes N] [--cluster FILE] [--every S] [--patience S]

N times in turn ``clusterctl restart FILE SERVICE --only LEADER`` for each of the three, on a demo over containers that
is made for it, or on a healthy cluster that is there. A watcher on a control node (``tests/e2e/watcher.py``) asks every
service every S seconds (0.05) meanwhile, and writes to ZooKeeper as often. Told are, for each kind of step:

without a leading master, Marathon's API away, ZooKeeper's writes: the longest time between two good answers.
whole again: from the last moment at which all was good to the first at which it was so again. Of a master: the leading
one lists all agents and frameworks as active; of Marathon: so it does, and its API answers; of ZooKeeper: the ensemble
has a leader, and all others follow in step with it.
the command: all of ``restart``, with its gates.

What was measured is printed even if a step fails. Marathon is the lab's stand-in in the manners of 1.11.24: it ends
when it loses ZooKeeper, and takes 8 s to start. Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import away, load, markdown, run, say, told
from onlab import Cluster, demo_file, image, labkit

from tests.e2e.watching import watched

SERVICES = ("mesos_master", "marathon", "zookeeper")
Report = dict[str, Any]


@dataclass(frozen=True)
class Measure:
    """A line of the table for a kind of step.

    Attributes:
        of: a watcher's report -> seconds; None: not back yet when the watcher ended.
        goal_s: None where there is none.
    """

    what: str
    of: Callable[[Report], float | None]
    goal_s: float | None = None


def gap(name: str) -> Callable[[Report], float | None]:
    """The longest one of a gauge."""
    return lambda report: float(report[name]["longest_gap_s"])


def whole(*names: str) -> Callable[[Report], float | None]:
    """Until all of them are good again."""
    return lambda report: away(*(report[name] for name in names))


MEASURES = {
    "mesos_master": (
        Measure("without a leading master", gap("mesos_leader"), 0.5),
        Measure("whole again: agents and Marathon", whole("mesos_leader", "mesos_whole"), 2.0),
        Measure("Marathon's API away", gap("marathon_api")),
    ),
    "marathon": (
        Measure("Marathon's API away", gap("marathon_api"), 0.5),
        Measure("whole again: its API, registered", whole("marathon_api", "mesos_whole"), 1.5),
    ),
    "zookeeper": (
        Measure("ZooKeeper's writes", gap("zookeeper_writes"), 0.5),
        Measure("whole again: the ensemble", whole("zookeeper_whole", "zookeeper_writes"), 1.5),
        Measure("without a leading master", gap("mesos_leader")),
        Measure("Marathon's API away", gap("marathon_api")),
    ),
}


@dataclass
class Steps:
    """What was seen of the steps of one service.

    Attributes:
        commands: seconds of each.
        moved: how many of them ended with another leader.
        loads: the machine's at the end of each.
    """

    reports: list[Report] = field(default_factory=list)
    commands: list[float] = field(default_factory=list)
    moved: int = 0
    loads: list[float] = field(default_factory=list)


def step(cluster: Cluster, service: str, steps: Steps, every_s: float, patience_s: float) -> None:
    """One planned change.

    Raises:
        RuntimeError: nobody leads, or the step failed.
    """
    leader = cluster.status()["leaders"][service]
    if leader is None:
        raise RuntimeError(f"no leader of {service} is known")
    with watched(cluster, every_s=every_s, patience_s=patience_s) as report:
        done = run([labkit.PROGRAM, "restart", cluster.file, service, "--only", leader, "--json"])
    after = cluster.status()["leaders"][service]
    steps.moved += after not in (None, leader)
    steps.reports.append(report)
    steps.commands.append(done.seconds)
    steps.loads.append(float(load()))
    seen = {each.what: each.of(report) for each in MEASURES[service]}
    shown = "; ".join(f"{what} {'not back' if s is None else f'{s:.2f} s'}" for what, s in seen.items())
    say(f"{service} from {leader} to {after}: {shown}; the command {done.seconds:.1f} s, load {load()}")


def rows(found: dict[str, Steps]) -> Iterator[list[object]]:
    """Lines of the table."""
    for service, steps in found.items():
        count, loads = len(steps.reports), ""
        if steps.loads:
            loads = f"{min(steps.loads):.1f} to {max(steps.loads):.1f}"
        for measure in MEASURES[service]:
            seen = [measure.of(report) for report in steps.reports]
            known = [each for each in seen if each is not None]
            never = f", {len(seen) - len(known)} not back" if len(known) < len(seen) else ""
            goal = f"{measure.goal_s:g} s" if measure.goal_s is not None else ""
            yield [service, f"{measure.what}{never}", goal, *told(known, 2), f"{steps.moved} of {count}", loads]
        yield [service, "the command", "", *told(steps.commands), f"{steps.moved} of {count}", loads]


@contextmanager
def made() -> Iterator[Cluster]:
    """The demo over containers."""
    image()
    with Cluster(demo_file("benchlead")) as cluster:
        yield cluster


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=20, help="of each leader")
    parser.add_argument("--cluster", type=Path, help="the file of a healthy cluster, instead of one made for it")
    parser.add_argument("--every", type=float, default=0.05, metavar="S", help="seconds between two questions")
    parser.add_argument("--patience", type=float, default=1.0, metavar="S", help="seconds for an answer")
    arguments = parser.parse_args()
    found = {service: Steps() for service in SERVICES}
    if arguments.cluster:
        labkit.use_lab()
    with nullcontext(Cluster(arguments.cluster)) if arguments.cluster else made() as cluster:
        try:
            for _ in range(arguments.changes):
                for service, steps in found.items():
                    step(cluster, service, steps, arguments.every, arguments.patience)
        finally:
            header = ["step of the leading", "measure", "goal", "median", "p95", "most", "leader changed", "load"]
            print(markdown(header, rows(found)))


if __name__ == "__main__":
    main()
