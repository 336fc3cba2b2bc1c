"""One agent more: what it costs does not depend on how many there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts
from clusterctl.ops.grow.scale import scale
from clusterctl.ops.grow.scale_checks import Options
from clusterctl.ops.kit.access import Access
from clusterctl.ops.observe.healthy import wait_healthy
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from clusterctl.ssh.process import Finished
from tests.unit.ops.grow.test_scale import NoWork
from tests.unit.ops.operations import Running
from tests.unit.specs import demo, demo_spec
from tests.unit.ssh.keys import ED25519

LIST, PAGE = "GET /servers/detail", 1000


class NoLogin:
    """ssh that nobody may use."""

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        raise AssertionError(f"a login: {argv}")

    def kill_running(self) -> None:
        """Nothing runs."""

    def kill_all(self) -> None:
        """Nothing runs."""


@dataclass
class Cost:
    """Of one more agent, on a cluster that has ``builders`` of them."""

    builders: int
    directory: Path
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        groups = demo()["groups"]
        groups["builders"] |= {"count": self.builders, "anti_affinity": "off"}
        self.running = Running(demo_spec(groups=groups))
        known = KnownHosts(self.directory / str(self.builders))
        for server in self.running.cloud.servers("demo"):
            if server.group == "control":
                known.pin(server.id, [ED25519])
        keys = HostKeys(known, self.running.cloud.console, self.running.cloud.rebuilt)
        ssh = Ssh(SshConfig("debian", known.path, Path("/r")), NoLogin())
        self.access = Access(ssh, keys, self, ports_open=lambda addresses, _: frozenset(addresses))

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        self.asked += [node.name for node in nodes]
        return self.running.nodes.probe(nodes)

    def wait(self, spec: ClusterSpec, fresh: bool) -> VerifyReport:
        running = self.running
        return wait_healthy(
            spec, running.cloud, self.access, deadline_s=300 if fresh else 60, waiter=running.clock.waiter()
        )

    def add_one(self) -> tuple[dict[str, int], float]:
        """Calls of the cloud by kind, a list of servers in pages as one, and seconds."""
        self.running.cloud.reset_calls()
        began = self.running.clock.now
        op = self.running.operation(self.wait)
        assert scale(op, {"builders": self.builders + 1}, NoWork(), lambda _lines: None, Options()).healthy
        calls = dict(self.running.cloud.calls.by_kind)
        calls[LIST] //= math.ceil((self.builders + 4) / PAGE)
        return calls, self.running.clock.now - began


def test_one_agent_more_costs_the_same_whatever_there_is_and_no_login_to_an_old_one(tmp_path: Path) -> None:
    costs = [Cost(builders, tmp_path) for builders in (5, 200, 1000)]
    found = [cost.add_one() for cost in costs]
    assert found[1:] == found[:-1]
    for cost in costs:
        assert set(cost.asked) == {"demo-control-1", "demo-control-2", "demo-control-3"}
        assert len(cost.asked) == len(costs[0].asked)
