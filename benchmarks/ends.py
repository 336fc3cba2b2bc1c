"""The two ends of ``clusterctl create``, before the first server is asked for and after the last one has booted.

usage: ends.py [--rounds N] [--agents N...]

Clusters of the demo with so many builders that it has N agents (2 and 22: 5 and 25 nodes), made in turn through a proxy
that keeps the time of each call. What comes after the last node's cloud-init is told in three parts: until the last
Marathon's process starts, its own start (until it listens), and the rest. Marathon is the lab's stand-in, which takes
8 s to start, as a JVM would. Prints Markdown.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from measure import load, markdown, say, spread
from onlab import Cluster, Ran, Through, booted, demo_file, image, marathon_start, through_proxy


@dataclass(frozen=True)
class Ends:
    """Seconds of one ``create``.

    Attributes:
        first: from the program's start until the first server was asked for.
        after: from the end of the last cloud-init until the program's.
        until: of that, until the process of the Marathon that served last began.
        start: of that, until it served.
    """

    whole: float
    first: float
    after: float
    until: float
    start: float

    @property
    def rest(self) -> float:
        """From the last Marathon's serving until the end of the program."""
        return self.after - self.until - self.start


def ends(ran: Ran, last_boot: float, marathon: tuple[float, float]) -> Ends:
    """Pure.

    Args:
        last_boot: when cloud-init had finished everywhere, in Unix seconds.
        marathon: when the one that served last was started, and when it served.
    """
    # what it did before all had booted costs nothing
    began, serves = (max(each, last_boot) for each in marathon)
    return Ends(
        whole=ran.seconds,
        first=ran.first_server - ran.began,
        after=ran.ended - last_boot,
        until=began - last_boot,
        start=serves - began,
    )


def once(through: Through, agents: int) -> Ends:
    """A cluster that is made for it; it is gone afterwards."""
    cluster = Cluster(demo_file(f"benchends{agents}", counts={"builders": agents - 1}))
    try:
        ran = through.clusterctl("create", cluster.file)
        nodes = cluster.status()["nodes"]
        last_boot = max(booted(cluster, (node["name"] for node in nodes)).values())
        starts = [marathon_start(cluster, node["name"]) for node in nodes if "marathon" in node["services"]]
        return ends(ran, last_boot, max(starts, key=lambda start: start[1]))
    finally:
        cluster.destroy()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--agents", type=int, nargs="+", default=[2, 22])
    arguments = parser.parse_args()
    image()
    found: dict[int, list[Ends]] = {agents: [] for agents in arguments.agents}
    with through_proxy() as through:
        for _ in range(arguments.rounds):
            for agents, each in found.items():
                each.append(once(through, agents))
                say(f"{agents} agents: {each[-1]}, load {load()}")
    header = [
        "nodes",
        "start to the first `POST /servers`",
        "last cloud-init to the end",
        "of that until the last Marathon starts",
        "its start",
        "the rest",
        "all of `create`",
        "rounds",
        "load",
    ]
    rows = [
        [
            agents + 3,
            *(
                spread([getattr(one, name) for one in each])
                for name in ("first", "after", "until", "start", "rest", "whole")
            ),
            len(each),
            load(),
        ]
        for agents, each in found.items()
    ]
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
