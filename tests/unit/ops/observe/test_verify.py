"""verify: whom it asks, and what it makes of silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clusterctl.errors import NodeError
from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts
from clusterctl.ops.observe.verify import verify
from clusterctl.ssh.hostkeys import KnownHosts
from tests.unit.health.clusters import CONTROL, FLAVORS, SPEC, all_facts, facts, servers
from tests.unit.ops.observe.test_healthy import World
from tests.unit.specs import demo_spec, only_closed


def test_verify_asks_control_nodes_and_with_deep_all(tmp_path: Path) -> None:
    world = World(KnownHosts(tmp_path / "known_hosts"))
    report = verify(SPEC, servers(), FLAVORS, world)
    assert report.healthy
    assert report.to_json()["healthy"] is True
    assert report.to_json()["checks"][0] == {"name": "servers", "ok": True, "detail": "5 of 5 are active"}
    world.says = lambda name, _: all_facts().get(name, facts(1))
    verify(SPEC, servers(), FLAVORS, world, deep=True)
    assert world.rounds == [("1", "2", "3"), ("1", "2", "3", "demo-builders-abc-1", "demo-jenkins-abc-1")]


def test_confinement_is_judged_of_those_who_were_asked(tmp_path: Path) -> None:
    world = World(KnownHosts(tmp_path / "known_hosts"))
    spec = demo_spec(security=only_closed("builds", "units"))
    held = {"no_new_privileges": True, "filtered": True, "own_mounts": True}

    def says(name: str, _: object) -> NodeFacts:
        agent = name.startswith("demo-builders")
        told = {"rules": "missing" if agent else "loaded", "units": {"zookeeper": held}}
        return NodeFacts.model_validate(all_facts().get(name, facts(1)).model_dump() | {"confinement": told})

    world.says = says
    plain = {check.name: check.ok for check in verify(spec, servers(), FLAVORS, world).checks}
    deep = {check.name: check.ok for check in verify(spec, servers(), FLAVORS, world, deep=True).checks}
    assert (plain["units.hardened"], plain.get("builds.confined")) == (True, None)
    assert (deep["units.hardened"], deep["builds.confined"]) == (True, False)


def test_clocks_that_differ_are_no_health(tmp_path: Path) -> None:
    world = World(KnownHosts(tmp_path / "known_hosts"))
    clock = {"asked_s": 1.0, "answered_s": 1.0}

    def says(name: str, _: object) -> NodeFacts:
        now_s = 60.0 if name == CONTROL[1] else 0.0
        return facts(CONTROL.index(name) + 1, clock={"began_s": now_s, "ended_s": now_s, **clock})

    world.says = says
    report = verify(SPEC, servers(), FLAVORS, world)
    assert [check.name for check in report.failed] == ["clocks"]


class Silent:
    """A prober that reaches nobody, or only some."""

    def __init__(self, *reached: str) -> None:
        self.reached = reached

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        denied = NodeFacts(error="it does not let 'debian' in: Permission denied (publickey)")
        return {node.name: all_facts()[node.name] if node.name in self.reached else denied for node in nodes}


def test_a_cluster_that_could_not_be_looked_at_is_not_unhealthy() -> None:
    with pytest.raises(NodeError) as caught:
        verify(SPEC, servers(), FLAVORS, Silent())
    assert caught.value.exit_code == 1
    assert caught.value.message == (
        "none of the 3 control nodes could be asked, so whether cluster demo is healthy is unknown: "
        "it does not let 'debian' in: Permission denied (publickey)"
    )
    assert "CLUSTERCTL_SSH_KEY" in (caught.value.hint or "")


def test_what_is_known_to_be_wrong_is_unhealthy() -> None:
    assert not verify(SPEC, servers(), FLAVORS, Silent(CONTROL[0])).healthy
    off = [replace(server, status="SHUTOFF") for server in servers()]
    assert not verify(SPEC, off, FLAVORS, Silent()).healthy
    assert not verify(SPEC, [], FLAVORS, Silent()).healthy
