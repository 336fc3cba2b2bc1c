"""Members of ensembles are made by ``create`` only where they can't shut out what others hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.ops.lifecycle.create import plan_cluster
from clusterctl.ops.lifecycle.majorities import LostMajorityError, lost_majorities
from clusterctl.resources import Observed
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from tests.unit.ops.clouds import create_in, kill, revive
from tests.unit.ops.operations import Running
from tests.unit.specs import demo, demo_spec

CONTROL = [f"demo-control-{n}" for n in (1, 2, 3, 4, 5)]


def of_size(count: int, **group: object) -> ClusterSpec:
    groups = demo()["groups"]
    groups["control"] |= {"count": count, **group}
    return demo_spec(groups=groups, **({"allow_non_ha": True} if count == 1 else {}))


def two_deleted_one_shut_off(running: Running) -> None:
    running.vanish("demo-control-1")
    running.vanish("demo-control-3")
    running.change("demo-control-2", status="SHUTOFF")


def two_deleted(running: Running) -> None:
    running.vanish("demo-control-1")
    running.vanish("demo-control-3")


def two_deleted_one_in_error(running: Running) -> None:
    two_deleted(running)
    running.change("demo-control-2", status="ERROR")


def two_deleted_with_their_ports(running: Running) -> None:
    two_deleted(running)
    for port in running.cloud.ports("demo"):
        if port.name != "demo-control-2":
            running.cloud.delete_port(port.id)


def all_deleted(running: Running) -> None:
    two_deleted(running)
    running.vanish("demo-control-2")


def all_deleted_with_their_ports(running: Running) -> None:
    all_deleted(running)
    for port in running.cloud.ports("demo"):
        running.cloud.delete_port(port.id)


def one_deleted_one_unreachable_for_good(running: Running) -> None:
    running.vanish("demo-control-1")
    running.change("demo-control-2", status="ERROR")


@pytest.mark.parametrize(
    "hurt",
    [
        two_deleted_one_shut_off,
        two_deleted,
        two_deleted_one_in_error,
        two_deleted_with_their_ports,
        all_deleted,
        all_deleted_with_their_ports,
        one_deleted_one_unreachable_for_good,
    ],
)
def test_nothing_is_made_beside_lost_data(hurt: Callable[[Running], None]) -> None:
    running = Running()
    hurt(running)
    before = len(running.cloud.server_records)
    running.cloud.reset_calls()
    for command in (lambda: create_in(running.cloud, running.spec), lambda: plan_cluster(running.spec, running.cloud)):
        with pytest.raises(LostMajorityError) as caught:
            command()
        assert "`clusterctl recover FILE`" in (caught.value.hint or "")
        assert ("`clusterctl destroy FILE`" in (caught.value.hint or "")) is hurt.__name__.startswith("all_deleted")
        assert "zookeeper: " in caught.value.message
        assert "mesos_master: " in caught.value.message
    assert (running.cloud.calls.write, len(running.cloud.server_records)) == (0, before)


def test_those_that_are_shut_off_are_repairs() -> None:
    running = Running()
    running.vanish("demo-control-1")
    running.change("demo-control-2", status="SHUTOFF")
    with pytest.raises(LostMajorityError) as caught:
        create_in(running.cloud, running.spec)
    assert "`clusterctl repair FILE --apply` starts the members" in (caught.value.hint or "")


def test_beside_a_majority_a_missing_member_is_made() -> None:
    running = Running()
    running.vanish("demo-control-1")
    assert create_in(running.cloud, running.spec).created == 1


def test_found_again_under_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another member is lost between the plan and the lock."""
    running = Running()
    running.vanish("demo-control-1")
    original = running.cloud.create_lock

    def create_lock(cluster: str, text: str) -> object:
        running.vanish("demo-control-2")
        return original(cluster, text)

    monkeypatch.setattr(running.cloud, "create_lock", create_lock)
    before = len(running.cloud.server_records)
    with pytest.raises(LostMajorityError):
        create_in(running.cloud, running.spec)
    assert len(running.cloud.server_records) == before - 1
    assert not running.cloud.lock_records


@pytest.mark.parametrize("call", range(1, 37))
def test_a_create_that_was_killed_is_no_lost_majority(call: int) -> None:
    running = Running()
    cloud = type(running.cloud)(
        image_list=running.cloud.image_list, flavor_list=running.cloud.flavor_list, network_name="lab"
    )
    kill(cloud, call, "after")
    try:
        create_in(cloud, of_size(5))
    except SystemExit:
        revive(cloud)
    create_in(cloud, of_size(5))
    assert len(cloud.servers("demo")) == 7


def test_a_cluster_of_which_nothing_is_left_is_made_anew() -> None:
    running = Running()
    for record in list(running.cloud.server_records):
        running.cloud.remove(record)
    assert create_in(running.cloud, running.spec).created == 5


def test_a_single_member_gets_no_majority_of_empty_ones() -> None:
    """The count was raised in the file, from one to three."""
    running = Running(of_size(1))
    with pytest.raises(ClusterctlError, match="lost the majority"):
        create_in(running.cloud, of_size(3))


def test_a_volume_brings_its_members_data() -> None:
    spec = of_size(3, volume={"size": 5, "mount": "/var/lib/zookeeper"})
    running = Running(spec)
    two_deleted(running)
    # two data directories of ZooKeeper come back with their members; the masters' logs are gone
    assert [each.service for each in lost_majorities(spec, running.cloud.observe("demo"))] == [Service.MESOS_MASTER]
    elsewhere = of_size(3, volume={"size": 5, "mount": "/srv"})
    assert len(lost_majorities(elsewhere, running.cloud.observe("demo"))) == 2


def test_builds_that_failed_are_no_members() -> None:
    running = Running()
    observed = running.cloud.observe("demo")
    failed = [replace(s, status="ERROR", launched=False) if s.group == "control" else s for s in observed.servers]
    seen = Observed(tuple(failed), observed.ports, (), (), observed.security_groups)
    assert lost_majorities(running.spec, seen) == []
