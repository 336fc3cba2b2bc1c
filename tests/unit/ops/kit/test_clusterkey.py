"""A key in the key manager: made before the first server, found again ever after, never replaced."""

from __future__ import annotations

import pytest

from clusterctl.errors import CloudError, ClusterctlError
from clusterctl.ops.lifecycle.destroy import DestroyReport, destroy
from clusterctl.secrets.secret import Secret
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.memory.faults import Fault
from tests.unit.ops.clouds import create_in, demo_cloud, kill, revive, run_of
from tests.unit.ops.lifecycle.test_create import with_volume
from tests.unit.specs import demo, demo_spec, only_closed

CLOSED = {"security": only_closed("mesos"), "secrets": {"from": "barbican"}}
SPEC = demo_spec(**CLOSED)


def destroyed(cloud: MemoryCloud, spec: ClusterSpec = SPEC, *, with_volumes: bool = False) -> DestroyReport:
    return destroy(run_of(cloud, spec, "destroy"), with_volumes=with_volumes)


def keys(cloud: MemoryCloud) -> list[str]:
    return [each.name for each in cloud.key_records.values()]


def more_builders() -> ClusterSpec:
    groups = demo()["groups"]
    groups["builders"] |= {"count": 2}
    return demo_spec(**CLOSED, groups=groups)


def test_made_before_the_first_server_and_once() -> None:
    cloud = demo_cloud()
    cloud.faults.append(Fault(CloudError("no"), kind="POST /servers", times=None))
    with pytest.raises(CloudError):
        create_in(cloud, SPEC)
    assert (keys(cloud), cloud.server_records) == (["clusterctl.demo.key"], {})
    made = dict(cloud.key_records)
    revive(cloud)
    create_in(cloud, SPEC)
    create_in(cloud, more_builders())
    assert cloud.key_records == made


def test_a_refusal_comes_before_the_first_server() -> None:
    cloud = demo_cloud()
    cloud.faults.append(Fault(CloudError("forbidden", status=403), kind="POST /secrets"))
    with pytest.raises(CloudError, match="forbidden"):
        create_in(cloud, SPEC)
    assert cloud.server_records == {}


def test_a_run_that_was_killed_at_any_call_ends_with_one_key() -> None:
    whole = demo_cloud()
    create_in(whole, SPEC)
    calls = whole.calls.read + whole.calls.write
    for call in range(1, calls + 1):
        cloud = demo_cloud()
        kill(cloud, call, "after")
        with pytest.raises(SystemExit):
            create_in(cloud, SPEC)
        revive(cloud)
        create_in(cloud, SPEC)
        assert (call, len(cloud.key_records), len(cloud.server_records)) == (call, 1, 5)


def test_a_key_that_was_deleted_under_a_cluster_is_not_replaced() -> None:
    cloud = demo_cloud()
    create_in(cloud, SPEC)
    cloud.key_records.clear()
    with pytest.raises(ClusterctlError, match=r"no secret clusterctl\.demo\.key, and the cluster has servers"):
        create_in(cloud, more_builders())
    assert (cloud.key_records, len(cloud.server_records)) == ({}, 5)


def test_two_that_differ_stop_everything() -> None:
    cloud = demo_cloud()
    for text in ("5a" * 32, "a5" * 32):
        cloud.create_cluster_key("demo", Secret(text))
    with pytest.raises(ClusterctlError, match="that differ"):
        create_in(cloud, SPEC)
    assert cloud.server_records == {}


@pytest.mark.parametrize("changes", [{"security": only_closed()}, {"secrets": {"from": "control"}}])
def test_no_key_is_made_that_the_file_does_not_want(changes: dict[str, object]) -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec(**(CLOSED | changes)))
    assert cloud.calls.by_kind.get("GET /secrets", 0) == 0
    assert not cloud.key_records


def test_destroy_takes_the_key_along() -> None:
    cloud = demo_cloud()
    create_in(cloud, SPEC)
    report = destroyed(cloud)
    assert (report.deleted["keys"], report.left["keys"], report.kept_key) == (1, 0, None)
    assert not cloud.key_records


def test_volumes_that_stay_keep_their_key() -> None:
    cloud, spec = demo_cloud(), SPEC.model_copy(update={"groups": with_volume().groups})
    create_in(cloud, spec)
    made = dict(cloud.key_records)
    report = destroyed(cloud, spec)
    assert (report.deleted["keys"], report.kept_key) == (0, "clusterctl.demo.key")
    create_in(cloud, spec)
    assert cloud.key_records == made
    assert destroyed(cloud, spec, with_volumes=True).kept_key is None
    assert not cloud.key_records


def test_a_key_that_is_left_alone_is_deleted_too() -> None:
    """Of a ``destroy`` that was killed before its last step."""
    cloud = demo_cloud()
    cloud.create_cluster_key("demo", Secret("5a" * 32))
    assert destroyed(cloud).deleted["keys"] == 1
