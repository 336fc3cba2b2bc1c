"""Names, ordinals and addresses of nodes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterctl.services import Service
from clusterctl.topology import addresses, quorum, topology
from tests.unit.specs import demo, demo_spec


def with_groups(**changes: dict[str, Any]) -> dict[str, Any]:
    groups = demo()["groups"]
    return {name: {**group, **changes.get(name, {})} for name, group in groups.items()}


def test_control_nodes_have_names_and_ordinals_and_agents_are_counted() -> None:
    top = topology(demo_spec())
    assert [node.name for node in top.nodes] == ["demo-control-1", "demo-control-2", "demo-control-3"]
    assert [node.myid for node in top.nodes] == [1, 2, 3]
    assert [(pool.group, pool.count) for pool in top.pools] == [("jenkins", 1), ("builders", 1)]
    assert top.size == 5


def test_agents_with_a_volume_are_named_since_the_volume_is_theirs() -> None:
    spec = demo_spec(groups=with_groups(jenkins={"volume": {"size": 5, "mount": "/srv/jenkins"}}))
    assert [node.name for node in topology(spec).nodes if node.group == "jenkins"] == ["demo-jenkins-1"]


def test_growing_a_group_keeps_every_name_and_myid() -> None:
    before = topology(demo_spec()).nodes
    after = topology(demo_spec(groups=with_groups(control={"count": 5}))).nodes
    assert after[:3] == before


def test_nodes_are_spread_over_the_zones_of_their_group_by_ordinal() -> None:
    spec = demo_spec(groups=with_groups(control={"availability_zones": ["a", "b"]}), availability_zone="c")
    assert [node.zone for node in topology(spec).nodes] == ["a", "b", "a"]
    assert {pool.zone for pool in topology(spec).pools} == {"c"}


def test_addresses_follow_the_services() -> None:
    top = topology(demo_spec())
    at = addresses(top, {node.name: f"192.0.2.{node.ordinal}" for node in top.nodes})
    assert at.zookeeper == ((1, "192.0.2.1"), (2, "192.0.2.2"), (3, "192.0.2.3"))
    assert at.marathon == at.mesos_master == ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert len(top.running(Service.MESOS_AGENT)) == 0


def test_an_unknown_address_is_a_bug() -> None:
    with pytest.raises(KeyError):
        addresses(topology(demo_spec()), {})


@given(st.integers(1, 99))
def test_quorum_is_the_smallest_majority(members: int) -> None:
    assert quorum(members) > members / 2 >= quorum(members) - 1
