"""Operating rule: a change of an agent is classified before it is touched (compatibility.cpp, policy additive)."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.health.expect import expected
from clusterctl.ops.roll.changes import AgentChange, Kind, agent_changes, other_flavors
from clusterctl.resources import Flavor
from tests.unit.health.clusters import FLAVORS, agent, agents, all_facts, facts, servers
from tests.unit.specs import demo, demo_spec

BUILDER = "demo-builders-abc-1"
NOTHING = {"cpus": 0.0, "mem": 0.0, "disk": 0.0, "gpus": 0.0}


def change(
    group: dict[str, Any] | None = None,
    seen: dict[str, Any] | None = None,
    **top: Any,
) -> AgentChange:
    """What the builder needs if its group in the file is changed, or the master reports something else of it."""
    data = demo(**top)
    data["groups"]["builders"] |= group or {}
    spec = demo_spec(groups=data["groups"], **top)
    reported = [agents()[0], agent("10.0.0.21", "jenkins-builder", None, **(seen or {}))]
    found = agent_changes(expected(spec, servers(), FLAVORS), all_facts(c1=facts(1, mesos_master={"agents": reported})))
    assert {each.kind for each in found if each.node != BUILDER} == {Kind.UNCHANGED}
    return next(each for each in found if each.node == BUILDER)


def seen(cpus: float = 2.0, mem: float = 1856.0, disk: float = 8192.0, ports: str = "[31000-32000]") -> dict[str, Any]:
    everything = {"cpus": cpus, "mem": mem, "disk": disk, "gpus": 0.0, "ports": ports}
    return {"resources": everything, "unreserved": everything}


def test_the_same_file_leaves_every_agent_unchanged() -> None:
    assert change() == AgentChange(BUILDER, Kind.UNCHANGED, (), 1)


@pytest.mark.parametrize(
    ("group", "reported", "reason"),
    [
        ({"attributes": {"pool": "jenkins-builder", "rack": "r1"}}, {}, "attribute rack:r1 is new"),
        ({}, seen(cpus=1.5), "cpus grows from 1.5 to 2"),
        ({}, seen(mem=1000), "mem grows from 1000 to 1856"),
        ({}, seen(disk=0), "disk 8192 is new"),
        ({}, seen(ports="[31000-31500]"), "ports grows from [31000-31500] to [31000-32000]"),
        ({}, seen(ports="[31000-31100, 31200-31300]"), "ports grows"),
    ],
)
def test_additive_changes_take_a_restart(group: dict[str, Any], reported: dict[str, Any], reason: str) -> None:
    found = change(group, reported)
    assert found.kind is Kind.ADDITIVE
    assert reason in "; ".join(found.reasons)
    assert "restart, tasks keep running" in found.line


@pytest.mark.parametrize(
    ("group", "reported", "reason"),
    [
        ({"attributes": {"pool": "fast"}}, {}, "attribute pool changes from jenkins-builder to fast"),
        ({"attributes": {}}, {}, "attribute pool is removed"),
        (
            {"attributes": {"pool": "12"}},
            {"attributes": {"pool": "twelve"}},
            "attribute pool changes from twelve to 12",
        ),
        ({"attributes": {"pool": "12"}}, {"attributes": {"pool": 11.0}}, "attribute pool changes from 11 to 12"),
        ({"attributes": {"pool": "12"}}, {"attributes": {"pool": "12"}}, "attribute pool changes from 12 to 12"),
        ({}, {"attributes": {"pool": "jenkins-builder", "rack": "r1"}}, "attribute rack is removed"),
        ({}, seen(cpus=4), "cpus shrinks from 4 to 2"),
        ({}, seen(mem=4096), "mem shrinks from 4096 to 1856"),
        ({}, seen(ports="[31000-33000]"), "ports shrinks"),
        ({}, seen(ports="[30000-30100]"), "ports shrinks from [30000-30100] to [31000-32000]"),
        ({}, seen() | {"unreserved": seen()["unreserved"] | {"gpus": 1.0}}, "gpus is removed"),
        (
            {},
            {"reserved": {"marathon": seen()["resources"]}, "unreserved": NOTHING},
            "cpus, disk, mem, ports reserved for marathon, wanted unreserved",
        ),
    ],
)
def test_what_the_additive_policy_refuses_takes_a_new_identity(
    group: dict[str, Any], reported: dict[str, Any], reason: str
) -> None:
    found = change(group, reported)
    assert found.kind is Kind.NEW_IDENTITY
    assert reason in "; ".join(found.reasons)
    assert "1 running tasks move" in found.line


def test_a_new_reservation_is_a_new_identity() -> None:
    groups = demo()["groups"]
    # the file's rules want a group that stays for builds, with other attributes
    groups["more"] = groups["builders"] | {"count": 0, "attributes": {"pool": "more"}}
    groups["builders"] |= {"reserve_for": "marathon"}
    found = agent_changes(expected(demo_spec(groups=groups), servers(), FLAVORS), all_facts())
    assert [(each.kind, each.reasons) for each in found if each.node == BUILDER] == [
        (Kind.NEW_IDENTITY, ("cpus, disk, mem, ports unreserved, wanted reserved for marathon",))
    ]


@pytest.mark.parametrize(
    ("reported", "reason"),
    [
        ({"active": False}, "registered, but not active"),
        ({"active": False, "drain": "DRAINED", **seen(cpus=1)}, "is drained; reactivate it"),
        ({"hostname": "10.0.0.99"}, "not registered at the leading master"),
        ({"hostname": "10.0.0.11"}, "not registered"),
    ],
)
def test_an_agent_in_an_unclear_state_is_refused(reported: dict[str, Any], reason: str) -> None:
    data = [agents()[0], agent("10.0.0.21", "jenkins-builder", None, **reported)]
    found = agent_changes(
        expected(demo_spec(), servers(), FLAVORS), all_facts(c1=facts(1, mesos_master={"agents": data}))
    )
    each = next(each for each in found if each.node == BUILDER)
    assert each.kind is Kind.REFUSED
    assert reason in each.line


def test_an_agent_registered_twice_is_refused() -> None:
    data = [*agents(), agent("10.0.0.21", "jenkins-builder", None, id="S-other", active=False)]
    found = agent_changes(
        expected(demo_spec(), servers(), FLAVORS), all_facts(c1=facts(1, mesos_master={"agents": data}))
    )
    assert [(each.node, each.kind) for each in found if each.kind is not Kind.UNCHANGED] == [(BUILDER, Kind.REFUSED)]


def test_a_drain_under_way_goes_on_if_the_agent_needs_a_new_identity() -> None:
    assert change({"attributes": {"pool": "fast"}}, {"active": False, "drain": "DRAINING"}).kind is Kind.NEW_IDENTITY


def test_an_agent_that_would_offer_nothing_is_refused() -> None:
    flavors = (Flavor("f1", "m1.small", 2, 192, 10),)
    found = agent_changes(expected(demo_spec(), servers(), flavors), all_facts())
    assert {(each.kind, each.reasons[0][:20]) for each in found} == {(Kind.REFUSED, "would offer no mem: ")}


def test_an_agent_whose_server_has_another_flavor_is_refused() -> None:
    groups = demo()["groups"]
    groups["builders"]["flavor"] = "f2"
    spec, flavors = demo_spec(groups=groups), (*FLAVORS, Flavor("f2", "m1.large", 4, 8192, 10))
    refused = other_flavors(spec, servers(), flavors)
    assert refused == {
        f"id-{BUILDER}": "its server has flavor m1.small, and the file says m1.large: replace the server"
    }
    found = agent_changes(expected(spec, servers(), flavors), all_facts(), refused)
    assert [each.node for each in found if each.kind is Kind.REFUSED] == [BUILDER]


def test_without_a_leading_master_every_agent_is_refused() -> None:
    found = agent_changes(expected(demo_spec(), servers(), FLAVORS), {})
    assert [(each.kind, each.reasons) for each in found] == [(Kind.REFUSED, ("no leading master to ask",))] * 2


def test_growing_and_breaking_at_once_is_a_new_identity() -> None:
    found = change({"attributes": {"pool": "fast", "rack": "r1"}}, seen(cpus=1))
    assert found.kind is Kind.NEW_IDENTITY
    assert found.to_json() == {
        "node": BUILDER,
        "kind": "new identity",
        "reasons": ["attribute pool changes from jenkins-builder to fast"],
        "tasks": 1,
    }
