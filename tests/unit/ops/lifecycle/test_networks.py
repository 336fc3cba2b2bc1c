"""Nodes come into the security groups of their tier, also those of a cluster that serves; and out of them."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.errors import CloudError, ClusterctlError
from clusterctl.ops.lifecycle.create import create
from clusterctl.ops.lifecycle.destroy import destroy
from clusterctl.ops.lifecycle.networks import ids_for
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.resources import Limits
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.memory.faults import Fault, When
from tests.unit.ops.clouds import create_in, demo_cloud, kill, revive, run_of
from tests.unit.specs import demo_spec, only_closed

TIER: dict[str, Any] = {"jenkins": {"allow_ephemeral_homes": True}}


@pytest.fixture
def closed() -> ClusterSpec:
    """A cluster file with security groups by tier."""
    return demo_spec(security=only_closed("network"), **TIER)


def members(cloud: MemoryCloud) -> dict[str, set[str]]:
    """The security groups of each node, without what their names have in common."""
    return {
        server.node or server.group: {name.removeprefix("clusterctl.demo") for name in server.security_groups}
        for server in cloud.servers("demo")
    }


TIERS = {
    **{f"demo-control-{number}": {"", ".control"} for number in (1, 2, 3)},
    "jenkins": {"", ".masters"},
    "builders": {"", ".builders"},
}


def rules(cloud: MemoryCloud) -> dict[str, set[str]]:
    return {group.name: set(map(str, group.rules)) for group in cloud.observe("demo").security_groups}


def settled(cloud: MemoryCloud, spec: ClusterSpec) -> bool:
    """Whether a further run writes nothing."""
    cloud.reset_calls()
    create_in(cloud, spec)
    return cloud.calls.write == 0


def test_new_nodes_are_in_their_tiers(closed: ClusterSpec) -> None:
    cloud = demo_cloud()
    create_in(cloud, closed)
    assert members(cloud) == TIERS
    assert rules(cloud)["clusterctl.demo"] == {
        "tcp/22 from 198.51.100.0/24",
        "tcp/22 from members of clusterctl.demo.control",
    }
    assert settled(cloud, closed)


def test_an_open_cluster_comes_into_tiers_and_is_shut_when_its_services_were_seen(closed: ClusterSpec) -> None:
    cloud, opened = demo_cloud(), demo_spec(**TIER)
    create_in(cloud, opened)
    before = rules(cloud)["clusterctl.demo"]
    assert set(members(cloud)["builders"]) == {""}
    seen: list[tuple[bool, set[str]]] = []

    def wait_healthy(_spec: ClusterSpec, _fresh: bool) -> VerifyReport:
        seen.append((members(cloud) == TIERS, rules(cloud)["clusterctl.demo"]))
        return VerifyReport(checks=())

    create(run_of(cloud, closed), wait_healthy=wait_healthy)
    after = {"tcp/22 from 198.51.100.0/24", "tcp/22 from members of clusterctl.demo.control"}
    assert seen == [(True, before | after), (True, after)]
    assert settled(cloud, closed)


def test_what_was_not_seen_healthy_is_not_shut(closed: ClusterSpec) -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec(**TIER))
    before = rules(cloud)["clusterctl.demo"]

    def wait_healthy(_spec: ClusterSpec, _fresh: bool) -> VerifyReport:
        raise ClusterctlError("not healthy")

    with pytest.raises(ClusterctlError, match="not healthy"):
        create(run_of(cloud, closed), wait_healthy=wait_healthy)
    assert before <= rules(cloud)["clusterctl.demo"]
    assert members(cloud) == TIERS


def test_a_closed_cluster_can_be_opened_again(closed: ClusterSpec) -> None:
    cloud, opened = demo_cloud(), demo_spec(**TIER)
    create_in(cloud, closed)
    create_in(cloud, opened)
    assert set(map(frozenset, members(cloud).values())) == {frozenset({""})}
    assert list(rules(cloud)) == ["clusterctl.demo"]
    assert settled(cloud, opened)


def test_security_groups_that_a_person_gave_a_node_stay(closed: ClusterSpec) -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec(**TIER))
    watch = cloud.create_security_group("monitoring", "").id
    port = next(port for port in cloud.ports("demo") if port.name == "demo-control-1")
    cloud.set_security_groups(port.id, [*port.security_groups, watch])
    create_in(cloud, closed)
    assert {"monitoring", ".control", ""} == members(cloud)["demo-control-1"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_call_it_goes_on(closed: ClusterSpec, when: When) -> None:
    call, killed = 0, True
    while killed:
        call += 1
        cloud = demo_cloud()
        create_in(cloud, demo_spec(**TIER))
        kill(cloud, call, when)
        killed = False
        try:
            create_in(cloud, closed)
        except SystemExit:
            killed = True
        revive(cloud)
        create_in(cloud, closed)
        assert members(cloud) == TIERS, call
        assert settled(cloud, closed), call
    assert call > 20


def test_destroy_takes_all_groups(closed: ClusterSpec) -> None:
    cloud = demo_cloud()
    create_in(cloud, closed)
    report = destroy(run_of(cloud, closed, "destroy"))
    assert report.deleted["security_groups"] == 4
    assert cloud.security_group_records == {}


def test_groups_that_do_not_fit_into_the_quota_are_told_before_anything_is_made(closed: ClusterSpec) -> None:
    quota = dict.fromkeys(Limits.__dataclass_fields__) | {"security_groups": 4}
    cloud = demo_cloud()
    cloud.quota = Limits(**quota)
    with pytest.raises(ClusterctlError, match=r"security groups \(one is the command's lock\): 5 needed, 4 left"):
        create_in(cloud, closed)
    assert cloud.calls.write == 0


def test_a_refused_group_is_told(closed: ClusterSpec) -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec(**TIER))
    cloud.faults.append(Fault(CloudError("not allowed", status=403), kind="PUT /ports/{id}"))
    with pytest.raises(CloudError, match="not allowed"):
        create_in(cloud, closed)


def test_new_nodes_are_never_made_without_their_groups(closed: ClusterSpec) -> None:
    groups = {"clusterctl.demo": "g", "clusterctl.demo.control": "c"}
    assert ids_for(closed, "control", groups) == ("g", "c")
    # a cluster of before there were tiers has one
    assert ids_for(closed, "builders", {"clusterctl.demo": "g"}) == ("g",)
    for there in (groups, {}):
        with pytest.raises(ClusterctlError, match=r"group builders: security group clusterctl\.demo\S* is missing"):
            ids_for(closed, "builders", there)
