"""A server is deleted behind clusterctl's back: how long ``repair --apply`` takes, against the boot of that server.

usage: repair.py [--rounds N] [--only agent follower mesos_master marathon zookeeper]

On one demo over containers, in turn: a builder, a control node that leads nothing or at least not ZooKeeper, and the
nodes that hold the leading Mesos master, the leading Marathon and ZooKeeper's leader. The server is deleted by the
cloud's own API; once the cloud doesn't list it any more, ``clusterctl repair FILE --apply`` runs until it calls the
cluster healthy. The boot is from the request for the new server until cloud-init has finished on it, in the same run;
what counts is how much longer all of it takes. Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openstack
from measure import load, markdown, say, spread
from onlab import CLOUD, Cluster, Through, booted, demo_file, eventually, image, through_proxy

GOAL_S = 15.0
NAME = "benchrepair"


@dataclass(frozen=True)
class Repaired:
    """One repair; seconds.

    Attributes:
        before: from its start until it asked for the server.
        boot: from then until cloud-init had finished.
        after: from then until it ended with a healthy cluster.
    """

    before: float
    boot: float
    after: float

    @property
    def whole(self) -> float:
        """All of it."""
        return self.before + self.boot + self.after

    @property
    def beside_boot(self) -> float:
        """What it takes beside the boot: the goal is of that."""
        return self.before + self.after


def follower(status: dict[str, Any]) -> str:
    """A control node that is not ZooKeeper's leader; one that leads nothing, if there is one."""
    control = [node["name"] for node in status["nodes"] if "zookeeper" in node["services"]]
    leaders = status["leaders"]
    others = [name for name in control if name != leaders["zookeeper"]]
    return next((name for name in others if name not in leaders.values()), others[0])


def builder(status: dict[str, Any]) -> str:
    """An agent without Jenkins masters."""
    return next(str(node["name"]) for node in status["nodes"] if node["group"] == "builders")


def leader(service: str) -> Callable[[dict[str, Any]], str]:
    """The node that holds the leader of a service."""
    return lambda status: str(status["leaders"][service])


# word of the command -> what it is in the table, and which node
VICTIMS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "agent": ("an agent", builder),
    "follower": ("a ZooKeeper follower", follower),
    "mesos_master": ("the leading Mesos master", leader("mesos_master")),
    "marathon": ("the leading Marathon", leader("marathon")),
    "zookeeper": ("ZooKeeper's leader", leader("zookeeper")),
}


def servers() -> dict[str, str]:
    """Id -> name of the cluster's servers, from the cloud's own API."""
    compute = openstack.connect(cloud=CLOUD).compute
    return {server.id: server.name for server in compute.servers(tags=f"clusterctl.cluster={NAME}")}


def delete(name: str) -> None:
    """Deletes the server of that name by the cloud's own API, and waits until it isn't listed."""
    [victim] = [identity for identity, its in servers().items() if its == name]
    openstack.connect(cloud=CLOUD).compute.delete_server(victim)
    eventually(f"{name} is gone", servers, lambda listed: victim not in listed)


def once(cluster: Cluster, through: Through, victim: str) -> Repaired:
    """Deletes a server, and repairs.

    Raises:
        RuntimeError: ``repair`` failed, or left something.
        ValueError: it made no server, or several.
    """
    eventually("the cluster is healthy", cluster.verify, lambda report: bool(report["healthy"]), within_s=300)
    status = cluster.status()
    name = VICTIMS[victim][1](status)
    delete(name)
    left = servers()
    ran = through.clusterctl("repair", cluster.file, "--apply", "--yes")
    [made] = [its for identity, its in servers().items() if identity not in left]
    ready = booted(cluster, [made])[made]
    found = Repaired(ran.first_server - ran.began, ready - ran.first_server, ran.ended - ready)
    held = [service for service, node in status["leaders"].items() if node == name]
    say(f"{victim} ({name}, led {', '.join(held) or 'nothing'}): {found}, load {load()}")
    return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=VICTIMS, default=list(VICTIMS))
    arguments = parser.parse_args()
    image()
    found: dict[str, list[Repaired]] = {victim: [] for victim in arguments.only}
    with through_proxy() as through, Cluster(demo_file(NAME)) as cluster:
        try:
            for _ in range(arguments.rounds):
                for victim, repairs in found.items():
                    repairs.append(once(cluster, through, victim))
        finally:
            header = [
                "deleted",
                "`repair`, until healthy",
                "boot of the new server",
                f"beside the boot (goal {GOAL_S:g} s)",
                "of that until the server is asked for",
                "of that after the boot",
                "rounds",
                "load",
            ]
            rows = [
                [
                    VICTIMS[victim][0],
                    *(
                        spread([getattr(each, name) for each in repairs])
                        for name in ("whole", "boot", "beside_boot", "before", "after")
                    ),
                    len(repairs),
                    load(),
                ]
                for victim, repairs in found.items()
                if repairs
            ]
            print(markdown(header, rows))


if __name__ == "__main__":
    main()
