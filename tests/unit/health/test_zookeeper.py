"""ZooKeeper's checks: each rule broken once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusterctl.health.facts import NodeFacts
from clusterctl.health.zookeeper import zookeeper_checks
from tests.unit.health.clusters import all_facts, expect, facts, servers
from tests.unit.specs import demo, demo_spec


def failed(**changes: NodeFacts) -> dict[str, str]:
    return {check.name: check.detail for check in zookeeper_checks(expect(), all_facts(**changes)) if not check.ok}


def test_healthy() -> None:
    found = {check.name: (check.ok, check.detail) for check in zookeeper_checks(expect(), all_facts())}
    assert found == {
        "zookeeper.members": (True, "3 of 3 members serve"),
        "zookeeper.leader": (True, "demo-control-3"),
        "zookeeper.synced": (True, "2 of 2 followers are in sync with demo-control-3"),
    }


def test_a_tree_that_must_be_closed_is_looked_at() -> None:
    must = replace(expect(), closed_tree=True)

    def seen(**changes: NodeFacts) -> dict[str, tuple[bool, str]]:
        return {check.name: (check.ok, check.detail) for check in zookeeper_checks(must, all_facts(**changes))}

    done = {f"c{number}": facts(number, zookeeper={"closed": True}) for number in (1, 2, 3)}
    assert seen(**done)["zookeeper.closed"] == (True, "closed to strangers")
    assert seen(**done | {"c1": facts(1, zookeeper={"error": "refused"})})["zookeeper.closed"][0]
    assert seen(**done | {"c2": facts(2)})["zookeeper.closed"] == (
        False,
        "demo-control-2 (10.0.0.2): its zookeeper-tree.service has not closed the tree to strangers",
    )
    silent = {f"c{number}": facts(number, zookeeper={"error": "refused"}) for number in (1, 2, 3)}
    assert seen(**silent)["zookeeper.closed"] == (False, "no member to ask")


def test_no_leader() -> None:
    silent = {"zookeeper": {"error": "This ZooKeeper instance is not currently serving requests"}}
    found = failed(**{f"c{number}": facts(number, **silent) for number in (1, 2, 3)})
    assert found["zookeeper.leader"] == "found no leader, expected exactly one leader"
    assert found["zookeeper.synced"] == "no single leader to ask"
    assert "demo-control-1 (10.0.0.1): This ZooKeeper instance is not" in found["zookeeper.members"]


def test_two_leaders() -> None:
    found = failed(c1=facts(1, zookeeper={"state": "leader", "synced_followers": 1}))
    assert found["zookeeper.leader"] == "found demo-control-1, demo-control-3, expected exactly one leader"


def test_a_follower_out_of_sync() -> None:
    found = failed(c3=facts(3, zookeeper={"synced_followers": 1}))
    assert found == {"zookeeper.synced": "demo-control-3 counts 1 synced followers, expected 2"}


@pytest.mark.parametrize("state", ["observer", "standalone"])
def test_a_member_outside_of_the_ensemble(state: str) -> None:
    found = failed(c1=facts(1, zookeeper={"state": state}))
    assert found == {"zookeeper.members": f"demo-control-1 (10.0.0.1): is {state}, expected leader or follower"}


def test_a_member_that_is_down_is_named_with_its_unit() -> None:
    found = failed(c1=facts(1, zookeeper={"error": "connection refused"}, units={"zookeeper": "failed"}))
    detail = "demo-control-1 (10.0.0.1): connection refused (unit zookeeper is failed)"
    assert found == {"zookeeper.members": detail}


def test_a_node_that_is_not_reached() -> None:
    assert failed(c1=NodeFacts(error="ssh: timed out")) == {
        "zookeeper.members": "demo-control-1 (10.0.0.1): not reached"
    }


def test_a_member_without_a_server() -> None:
    checks = zookeeper_checks(expect(of=servers()[1:]), all_facts())
    assert checks[0].detail == "2 of 3 members have a server"


def test_one_of_one() -> None:
    groups = demo()["groups"]
    groups["control"]["count"] = 1
    spec = demo_spec(groups=groups, allow_non_ha=True)
    for state, synced in (("standalone", None), ("leader", 0)):
        found = {"demo-control-1": facts(1, zookeeper={"state": state, "synced_followers": synced})}
        assert all(check.ok for check in zookeeper_checks(expect(spec), found))
