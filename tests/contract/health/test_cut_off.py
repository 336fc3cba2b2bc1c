"""A rule of a security group goes, and with it the connections of one member: it stays out, and is restarted.

Here the kernel drops what arrives of the connections that it has; new ones work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.run import Run
from clusterctl.ops.lifecycle.cutoff import CutOff, stuck
from clusterctl.ops.observe.look import Cluster
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from tests.contract.health.world import SPEC, World
from tests.contract.members.test_cut_connections import ELECTION, PEER, run
from tests.contract.mesos.cluster import Daemon, wait_for
from tests.unit.ops.clouds import guard

pytestmark = pytest.mark.mesos

PATIENCE_S = 40.0  # in place of two minutes: keepalive is off here, so nothing would change


@dataclass
class Member:
    """A follower, and what is done to it."""

    world: World
    daemon: Daemon
    name: str

    def cut(self) -> int:
        """Drops whatever arrives of its connections to other members, in both directions; their number."""
        rules = []
        for line in run("ss", "-Htnp", "state", "established").splitlines():
            if f"pid={self.daemon.pid}," not in line:
                continue
            (here, hport), (there, tport) = (
                re.sub(r"^\[(::ffff:)?|\]", "", each).rsplit(":", 1) for each in line.split()[2:4]
            )
            if {int(hport), int(tport)} & {PEER, ELECTION}:
                rules += [
                    f"-A INPUT -p tcp -s {a} --sport {b} -d {c} --dport {d} -j DROP"
                    for a, b, c, d in ((here, hport, there, tport), (there, tport, here, hport))
                ]
        run("iptables-restore", "--noflush", stdin="\n".join(["*filter", *rules, "COMMIT", ""]))
        return len(rules) // 2


@pytest.fixture
def member(world: World) -> Iterator[Member]:
    index = next(index for index in (0, 1, 2) if index != world.zookeeper_leader())
    yield Member(world, world.cluster.zookeepers[index], f"loop-control-{index + 1}")
    run("iptables", "-F", "INPUT")


def test_it_is_the_only_one_that_is_restarted(world: World, member: Member) -> None:
    assert member.cut() >= 3  # to two members for elections, to the leader
    wait_for("the cut to be felt", lambda: member.name in world.verify().get("zookeeper.members", ""), 60)
    cluster = Cluster(SPEC, world.cloud, world.access.prober)
    wait_for("the others to serve", lambda: stuck(cluster.look()) == [(Service.ZOOKEEPER, member.name)], 60)
    restarted: list[tuple[Service, str]] = []

    def wait_healthy(_spec: ClusterSpec, fresh: bool) -> VerifyReport:
        return world.wait(120 if fresh else PATIENCE_S)

    def restart(service: Service, name: str) -> None:
        restarted.append((service, name))
        member.daemon.kill()
        member.daemon.start()

    at = Run(SPEC, world.cloud, Command("create", "loop.yml"), guard(), Progress())
    vars(at)["access"] = world.access
    assert CutOff(at, wait_healthy, restart).settle(fresh=False).healthy
    assert restarted == [(Service.ZOOKEEPER, member.name)]
    assert world.verify() == {}
