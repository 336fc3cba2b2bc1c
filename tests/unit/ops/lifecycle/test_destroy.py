"""destroy takes away what carries the cluster's marks, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clusterctl.errors import CloudError, ClusterctlError
from clusterctl.ops.lifecycle.destroy import DestroyReport, destroy
from clusterctl.resources import Limits
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.memory.faults import Fault, When
from tests.unit.ops.clouds import Clock, create_in, demo_cloud, kill, revive, run_of
from tests.unit.ops.lifecycle.test_create import with_volume
from tests.unit.specs import demo_spec, only_closed


def destroy_in(cloud: MemoryCloud, **options: Any) -> DestroyReport:
    return destroy(run_of(cloud, demo_spec(), "destroy"), **options)


def test_everything_but_the_volumes() -> None:
    cloud = demo_cloud()
    create_in(cloud, with_volume())
    report = destroy_in(cloud)
    deleted = {"servers": 6, "ports": 5, "volumes": 0, "server_groups": 2, "security_groups": 1, "locks": 0}
    assert report.deleted == deleted
    assert report.left == {**dict.fromkeys(deleted, 0), "volumes": 2}
    cloud.reset_calls()
    destroy_in(cloud)
    assert cloud.calls.write == 0
    assert report.kept_volumes == ("demo-jenkins-1", "demo-jenkins-2")


def test_the_volumes_too_if_asked() -> None:
    cloud = demo_cloud()
    create_in(cloud, with_volume())
    assert sum(destroy_in(cloud, with_volumes=True).left.values()) == 0


def test_kept_volumes_are_found_by_the_next_create() -> None:
    cloud = demo_cloud()
    create_in(cloud, with_volume())
    before = {volume.id for volume in cloud.volumes("demo")}
    destroy_in(cloud)
    create_in(cloud, with_volume())
    assert {volume.id for volume in cloud.volumes("demo")} == before


def test_foreign_resources_stay() -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec(cluster="other"))
    before = cloud.observe("other")
    create_in(cloud, demo_spec())
    destroy_in(cloud)
    assert cloud.observe("other") == before


def test_of_nothing_is_nothing() -> None:
    report = destroy_in(demo_cloud())
    assert sum(report.deleted.values()) == sum(report.left.values()) == 0


def calls_of_an_undisturbed_run(spec: ClusterSpec) -> int:
    cloud = demo_cloud()
    create_in(cloud, spec)
    cloud.reset_calls()
    destroy_in(cloud, with_volumes=True)
    return cloud.calls.read + cloud.calls.write


KILLED = [
    (spec, call)
    for spec in (with_volume(), with_volume(security=only_closed("network")))
    for call in range(1, calls_of_an_undisturbed_run(spec) + 1)
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("spec", "call"), KILLED)
def test_killed_at_any_call_the_next_run_finishes(spec: ClusterSpec, call: int, when: Any) -> None:
    cloud = demo_cloud()
    create_in(cloud, spec)
    kill(cloud, call, when)
    with pytest.raises(SystemExit):
        destroy_in(cloud, with_volumes=True)
    revive(cloud)
    report = destroy_in(cloud, with_volumes=True)
    assert sum(report.left.values()) == 0
    assert not cloud.server_records
    assert not cloud.port_records
    assert not cloud.lock_records


def test_what_cannot_be_deleted_is_said() -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    cloud.faults.append(Fault(CloudError("port is in use"), kind="DELETE /ports/*", times=None))
    with pytest.raises(ClusterctlError, match="port is in use"):
        destroy_in(cloud)


def test_a_port_of_others_in_the_group_is_named_before_anything_is_deleted() -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    [group] = cloud.observe("demo").security_groups
    cloud.new_port("laptop", "", (group.id,), server="s9")
    cloud.reset_calls()
    with pytest.raises(
        ClusterctlError, match=r"ports of others are in .*: laptop \(.*, of s9\); nothing was deleted"
    ) as caught:
        destroy_in(cloud)
    assert f"`openstack port unset --security-group {group.id}" in (caught.value.hint or "")
    assert cloud.calls.write == 0


def test_a_server_group_with_members_of_others_stays() -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    cloud.create_server_group("clusterctl.demo.control", "anti-affinity")
    foreign = list(cloud.server_group_records.values())[-1]
    cloud.server_group_records[foreign.id] = replace(foreign, members=("somebody",))
    report = destroy_in(cloud)
    assert report.left["server_groups"] == 0
    assert list(cloud.server_group_records) == [foreign.id]


def test_in_a_full_project() -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    cloud.quota = Limits(*[0] * 10)
    destroy_in(cloud)
    assert (cloud.server_records, cloud.security_group_records, cloud.lock_records) == ({}, {}, {})


def test_the_time_out_bounds_all_waits_together_and_what_is_left_is_named() -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    clock = Clock()
    cloud.delete_ticks = 10**6
    began = clock.now
    with pytest.raises(
        ClusterctlError, match=r"after 30 s waiting for 5 servers of demo to be gone: 5 left: demo-"
    ) as e:
        destroy(run_of(cloud, demo_spec(), "destroy", clock.waiter()), timeout_s=30)
    assert clock.now - began < 40
    assert "`clusterctl destroy demo.yml` goes on from here" in (e.value.hint or "")


def test_a_volume_that_stays_attached_is_named() -> None:
    cloud = demo_cloud()
    create_in(cloud, with_volume())
    [first, *_] = cloud.volumes("demo")
    record, metadata = cloud.volume_records[first.id]

    def stuck(_number: int, _kind: str, _when: When) -> None:
        cloud.volume_records[first.id] = (replace(record, status="detaching", attached_to=None), metadata)

    cloud.faults.append(stuck)
    with pytest.raises(ClusterctlError, match=rf"detached: {first.name} \({first.id}\) is detaching") as caught:
        destroy_in(cloud, with_volumes=True, timeout_s=60)
    assert "Without --volumes they stay" in (caught.value.hint or "")
