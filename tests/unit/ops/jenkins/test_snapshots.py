"""``jenkins backup`` with ``method: snapshot``, and homes taken out of a snapshot again."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from clusterctl.errors import CloudError, ClusterctlError, InputError, NodeError
from clusterctl.ops.jenkins.backup import backup
from clusterctl.ops.jenkins.create import create
from clusterctl.ops.jenkins.delete import delete
from clusterctl.ops.jenkins.ground import PartlyFailed
from clusterctl.ops.jenkins.outcome import Outcome
from clusterctl.ops.jenkins.restore import restore_snapshot
from clusterctl.ops.jenkins.stop import Manner, hibernate
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.lifecycle.destroy import remove
from clusterctl.resources import KEY_CLUSTER, KEY_GROUP, Volume
from tests.memory.faults import Fault
from tests.unit.ops.jenkins.world import RELEASE, World

PATIENT = Manner(quiet_timeout_s=60, ready_timeout_s=60)
ONE, TWO = "demo-jenkins-1", "demo-jenkins-2"


@pytest.fixture
def world() -> World:
    """alice and carol on the first node, bob on the second."""
    small = {"cpus": 0.1, "mem_mib": 320, "heap_mib": 64}
    made = World(master=small, backup={"method": "snapshot", "keep": 2})
    create(made.tier(), ["alice", "bob", "carol"])
    for number, name in enumerate((ONE, TWO)):
        volume = Volume(f"volume-{number}", name, "in-use", 10, "jenkins", f"id-{name}", "nova")
        made.cloud.volume_records[volume.id] = (volume, {KEY_CLUSTER: "demo", KEY_GROUP: "jenkins"})
    made.nodes.homes_at[ONE]["alice"].files["jobs/a/builds/1/log"] = "hello"
    return made


def back_up(world: World, *names: str, day: int = 1, manner: Manner = PATIENT) -> Outcome:
    out = backup(world.tier(), names, manner, Path("/nowhere"), f"202611{day:02d}T153000Z")
    world.nodes.copy = copy.deepcopy(world.nodes.homes_at[ONE])
    return out


def taken(world: World) -> list[str]:
    return sorted(each.name for each in world.cloud.volume_snapshot_records.values())


def test_all_masters_of_a_node_are_quiet_for_its_snapshot(world: World) -> None:
    world.nodes.master("carol").busy = 2
    out = back_up(world, "alice")
    assert out.done == {"alice": f"snapshot {ONE}-20261101T153000Z of the volume of {ONE} (10 GiB, quiet)"}
    assert world.nodes.quiet_then == {"alice", "carol"}
    assert not any(world.nodes.master(name).quiet for name in ("alice", "bob", "carol")), "they go on"
    [made] = world.cloud.volume_snapshot_records.values()
    assert dict(made.metadata) == {
        "clusterctl.cluster": "demo",
        "clusterctl.node": ONE,
        "clusterctl.taken": "20261101T153000Z",
        "clusterctl.how": "quiet",
        "clusterctl.release": RELEASE,
    }


def test_builds_of_a_neighbour_are_in_the_way_unless_forced(world: World) -> None:
    world.nodes.master("carol").busy, world.nodes.master("carol").endless = 1, True
    with pytest.raises(PartlyFailed, match=r"not all are quiet: carol: .*--force backs up"):
        back_up(world, "alice", "bob")
    assert taken(world) == [f"{TWO}-20261101T153000Z"], "the other node has its snapshot"
    assert not world.nodes.master("alice").quiet
    assert "forced" in back_up(world, "alice", day=2, manner=Manner(force=True)).done["alice"]


def test_one_snapshot_serves_all_masters_of_a_node_and_the_newest_stay(world: World) -> None:
    for day in (1, 2, 3):
        back_up(world, "alice", "bob", "carol", day=day)
    assert taken(world) == [f"{node}-202611{day:02d}T153000Z" for node in (ONE, TWO) for day in (2, 3)]


def test_where_none_runs_none_is_asked(world: World) -> None:
    hibernate(world.tier(), ["alice", "carol"], PATIENT)
    for name in ("alice", "carol"):
        world.nodes.master(name).quiet = False  # what hibernating left; a new process is not quiet
    assert "stopped" in back_up(world, "carol").done["carol"]
    assert world.nodes.quiet_then == set()


def test_a_failure_lets_the_masters_go_on_and_leaves_no_snapshot(world: World) -> None:
    world.nodes.refuse_volume = "flush"
    with pytest.raises(PartlyFailed, match="flush"):
        back_up(world, "alice")
    world.nodes.refuse_volume = ""
    world.cloud.faults = [Fault(CloudError("quota exceeded", status=413), kind="POST /snapshots")]
    with pytest.raises(PartlyFailed, match="quota exceeded"):
        back_up(world, "alice")
    assert not world.nodes.master("alice").quiet
    assert taken(world) == []


def test_a_node_without_a_volume(world: World) -> None:
    world.cloud.volume_records.clear()
    with pytest.raises(PartlyFailed, match=f"its node {ONE} has no volume"):
        back_up(world, "alice")


def test_a_home_comes_back_from_a_snapshot(world: World) -> None:
    back_up(world, "alice")
    world.nodes.homes_at[ONE]["alice"].files.clear()
    out = restore_snapshot(world.tier(), f"{ONE}-20261101T153000Z", "alice", PATIENT)
    assert "restored" in out.done["alice"]
    assert world.nodes.homes_at[ONE]["alice"].files["jobs/a/builds/1/log"] == "hello"
    assert world.marathon.apps["/jenkins/alice"]["instances"] == 1
    assert set(world.cloud.volume_records) == {"volume-0", "volume-1"}, "the copy is gone"
    assert world.nodes.mounted == ""
    assert world.cloud.lock_records == {}


def test_a_purged_master_comes_back_and_as_another_too(world: World) -> None:
    back_up(world, "alice")
    delete(world.tier(), ["alice"], PATIENT, purge=True, confirm=lambda _lines: None)
    restore_snapshot(world.tier(), f"{ONE}-20261101T153000Z", "alice", PATIENT)
    restore_snapshot(world.tier(), f"{ONE}-20261101T153000Z", "alice", PATIENT, name="alice-2", node=TWO)
    assert world.nodes.homes_at[TWO]["alice-2"].files["jobs/a/builds/1/log"] == "hello"
    assert world.nodes.renewed


def test_what_is_not_there_is_named(world: World) -> None:
    with pytest.raises(InputError, match="--snapshot: found 'x'; allowed: none"):
        restore_snapshot(world.tier(), "x", "alice", PATIENT)
    back_up(world, "alice")
    with pytest.raises(InputError, match=f"allowed: {ONE}-20261101T153000Z"):
        restore_snapshot(world.tier(), "x", "alice", PATIENT)
    with pytest.raises(InputError, match=r"NAME: found 'bob'.*it holds alice, carol"):
        restore_snapshot(world.tier(), f"{ONE}-20261101T153000Z", "bob", PATIENT)
    assert set(world.cloud.volume_records) == {"volume-0", "volume-1"}


def test_a_copy_that_can_not_be_mounted_is_taken_away(world: World) -> None:
    back_up(world, "alice")
    world.nodes.refuse_volume = "mount"
    with pytest.raises(NodeError, match="mount"):
        restore_snapshot(world.tier(), f"{ONE}-20261101T153000Z", "alice", PATIENT)
    assert set(world.cloud.volume_records) == {"volume-0", "volume-1"}
    assert "alice" in world.nodes.homes_at[ONE]


def test_what_a_killed_run_left_is_taken_away_by_the_next(world: World) -> None:
    back_up(world, "alice")
    left = Volume("left", "demo.copy-snapshot", "in-use", 10, "", f"id-{TWO}", "nova")
    world.cloud.volume_records["left"] = (left, {KEY_CLUSTER: "demo"})
    world.nodes.actions.clear()
    restore_snapshot(world.tier(), f"{ONE}-20261101T153000Z", "alice", PATIENT)
    assert world.nodes.actions.index((TWO, "unmount")) < world.nodes.actions.index((ONE, "mount"))
    assert set(world.cloud.volume_records) == {"volume-0", "volume-1"}


def test_destroy_with_volumes_names_snapshots_first(world: World) -> None:
    back_up(world, "alice")
    tier = world.tier()
    with pytest.raises(ClusterctlError, match=f"have snapshots: {ONE}-20261101T153000Z") as caught:
        remove("demo", world.cloud, Progress(), tier.run.waiter, with_volumes=True)
    assert "openstack volume snapshot delete" in (caught.value.hint or "")
