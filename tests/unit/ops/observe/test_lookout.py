"""Looks that last: one at a time at each node, heard as they end; and a wait that is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.health.expect import Node, expected
from clusterctl.health.facts import NodeFacts
from clusterctl.ops.kit.access import Access
from clusterctl.ops.observe.healthy import TICK_S, wait_healthy
from clusterctl.ops.observe.lookout import AGAIN_S, Lookout
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from tests.unit.health.clusters import CONTROL, FLAVORS, SPEC, all_facts, facts, servers
from tests.unit.ops.observe.test_healthy import Listing
from tests.unit.ssh.keys import ED25519

NODES = expected(SPEC, servers(), FLAVORS).control
LONG_S = 10.0  # until a test that waits for nothing fails


@dataclass
class Nodes:
    """Nodes that tell when the test says so: a watcher, and a prober."""

    now: dict[str, NodeFacts] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)  # (node, digest it was asked with)
    probes: list[tuple[str, ...]] = field(default_factory=list)
    wakes: list[str] = field(default_factory=list)
    on_hold: Callable[[str], None] = lambda _name: None
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closed: bool = False

    def hold(self, node: Node, seen: str) -> NodeFacts:
        with self._changed:
            self.asked.append((node.name, seen))
            self.on_hold(node.name)
            self._changed.wait_for(lambda: self._closed or self.now[node.name].digest != seen, LONG_S)
            return self.now[node.name]

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        with self._changed:
            if nodes:
                self.probes.append(tuple(node.name for node in nodes))
            return {node.name: self.now[node.name] for node in nodes}

    def tell(self, name: str, found: NodeFacts) -> None:
        with self._changed:
            self.now[name] = found
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def told(digest: str, of: NodeFacts | None = None) -> NodeFacts:
    return (of or NodeFacts()).model_copy(update={"digest": digest})


def test_a_node_is_looked_at_once_and_heard_when_it_changes() -> None:
    nodes = Nodes({node.name: told("a") for node in NODES})
    lookout = Lookout(nodes)
    try:
        known = {node.name: told("a") for node in NODES}
        lookout.watch(NODES, known)
        lookout.watch(NODES, known)
        assert lookout.told() == {}
        nodes.tell(CONTROL[1], told("b"))
        lookout.rest(LONG_S)
        assert lookout.told() == {CONTROL[1]: told("b")}
        assert lookout.told() == {}
        assert sorted(nodes.asked) == [(name, "a") for name in CONTROL]
        lookout.watch(NODES, known | {CONTROL[1]: told("b")})
        lookout.rest(0.01)
        assert sorted(nodes.asked) == sorted([*((name, "a") for name in CONTROL), (CONTROL[1], "b")])
    finally:
        lookout.close()


def test_a_node_that_was_not_reached_is_left_alone_for_a_while() -> None:
    clock = [0.0]
    nodes = Nodes({CONTROL[0]: NodeFacts(error="unreachable", digest="x")})
    lookout = Lookout(nodes, clock=lambda: clock[0])
    try:
        for now, looks in ((0.0, 1), (1.0, 1), (AGAIN_S, 2)):
            clock[0] = now
            lookout.watch(NODES[:1], {})
            lookout.rest(0.2 if looks == 1 and now else LONG_S)
            lookout.told()
            assert len(nodes.asked) == looks
    finally:
        lookout.close()


def test_what_a_look_raises_is_raised_where_it_is_heard() -> None:
    def broken(_name: str) -> None:
        raise ClusterctlError("no ssh here")

    nodes = Nodes({CONTROL[0]: told("a")}, on_hold=broken)
    lookout = Lookout(nodes)
    lookout.watch(NODES[:1], {})
    with pytest.raises(ClusterctlError, match="no ssh here"):
        lookout.rest(LONG_S)
    lookout.close()


def test_closing_ends_looks_that_last() -> None:
    nodes = Nodes({CONTROL[0]: told("a")})
    lookout = Lookout(nodes)
    lookout.watch(NODES[:1], {CONTROL[0]: told("a")})
    lookout.close()  # or this test takes LONG_S and fails by its time limit


def wait(nodes: Nodes, cloud: Listing, tmp_path: Path) -> None:
    known = KnownHosts(tmp_path / "known_hosts")
    for name in CONTROL:
        known.pin(f"id-{name}", [ED25519])
    keys = HostKeys(known, cloud.console, cloud.rebuilt)
    ssh = Ssh(SshConfig("debian", known.path, Path("/r")))
    access = Access(ssh, keys, nodes, ports_open=lambda _addresses, _port: frozenset(), watcher=lambda: nodes)  # type: ignore[arg-type, return-value]
    assert wait_healthy(SPEC, cloud, access, deadline_s=LONG_S).healthy


def listing() -> Listing:
    cloud = Listing()
    cloud.listed = servers()
    return cloud


def test_a_cluster_is_healthy_as_soon_as_its_last_node_tells(tmp_path: Path) -> None:
    """Though nobody asks again for ``TICK_S``: the last node changes when it is looked at, and is heard at once."""
    nodes = Nodes({name: told("ready", found) for name, found in all_facts().items()})
    booting = facts(3, boot={"state": "running", "step": "services"})
    nodes.now[CONTROL[2]] = told("booting", booting)
    cloud, ends = listing(), []

    def soon(name: str) -> None:
        timer = threading.Timer(0.05, nodes.tell, (name, told("ready", all_facts()[name])))
        ends.append(timer)
        timer.start()

    nodes.on_hold = soon
    wait(nodes, cloud, tmp_path)
    assert nodes.probes == [CONTROL, CONTROL]  # to begin with, and for the verdict over one moment
    assert nodes.asked[0] == (CONTROL[2], "booting")
    # a second list would mean that the wait had slept through a tick
    assert cloud.calls.by_kind["GET /servers/detail"] == 1, f"more than one tick of {TICK_S} s"


def test_nobody_is_asked_again_as_long_as_nobody_has_news(tmp_path: Path) -> None:
    """All nodes are ready, and the cluster is not healthy yet: only what a node tells makes all be asked again."""
    nodes = Nodes({name: told("ready", found) for name, found in all_facts().items()})
    lone = facts(1, mesos_master={"frameworks": []})
    nodes.now[CONTROL[0]] = told("without frameworks", lone)
    holds: list[str] = []

    def third(name: str) -> None:
        holds.append(name)
        if len(holds) == 3:  # each control node is looked at
            threading.Timer(0.05, nodes.tell, (CONTROL[0], told("ready", all_facts()[CONTROL[0]]))).start()

    nodes.on_hold = third
    wait(nodes, listing(), tmp_path)
    assert nodes.probes == [CONTROL, CONTROL]


def test_servers_that_are_not_active_are_not_looked_at(tmp_path: Path) -> None:
    nodes = Nodes({name: told("ready", found) for name, found in all_facts().items()})
    building = [replace(each, status="BUILD") if each.name == CONTROL[2] else each for each in servers()]
    nodes.now[CONTROL[2]] = NodeFacts(error="its server is BUILD")

    class Later(Listing):
        def servers(self, cluster: str):  # type: ignore[no-untyped-def]
            found = super().servers(cluster)
            if self.calls.by_kind["GET /servers/detail"] == 1:
                return found
            nodes.tell(CONTROL[2], told("ready", all_facts()[CONTROL[2]]))
            return servers()

    cloud = Later()
    cloud.listed = building
    wait(nodes, cloud, tmp_path)
    assert nodes.probes[-1] == CONTROL
