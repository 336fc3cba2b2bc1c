"""``jenkins backup``, ``restore`` and ``move``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.jenkins.archives import manifest_path, read
from clusterctl.ops.jenkins.backup import backup
from clusterctl.ops.jenkins.create import create
from clusterctl.ops.jenkins.delete import delete
from clusterctl.ops.jenkins.ground import PartlyFailed
from clusterctl.ops.jenkins.restore import move, restore
from clusterctl.ops.jenkins.stop import Manner, hibernate
from tests.unit.ops.jenkins.world import RELEASE, World

SMALL = {"cpus": 0.1, "mem_mib": 320, "heap_mib": 64}
PATIENT = Manner(quiet_timeout_s=60, ready_timeout_s=60)
TAKEN = "20261126T153000Z"


@pytest.fixture
def world() -> World:
    made = World(master=SMALL)
    create(made.tier(), ["alice", "bob"])
    made.nodes.homes_at["demo-jenkins-1"]["alice"].files["jobs/a/builds/1/log"] = "hello"
    return made


def back_up(world: World, directory: Path, taken: str = TAKEN, manner: Manner = PATIENT) -> Path:
    backup(world.tier(), ["alice"], manner, directory, taken)
    return directory / "alice" / f"alice-{taken}.tar.gz"


def test_an_archive_has_a_manifest_and_both_are_private(world: World, tmp_path: Path) -> None:
    world.nodes.master("alice").busy = 1
    archive = back_up(world, tmp_path)
    manifest = read(archive)
    assert (manifest.name, manifest.how, manifest.release, manifest.home.slot) == ("alice", "quiet", RELEASE, 1)
    assert manifest.secrets == [".clusterctl/token"]
    assert {path.stat().st_mode & 0o777 for path in (archive, manifest_path(archive))} == {0o600}
    assert archive.parent.stat().st_mode & 0o777 == 0o700
    assert not world.nodes.master("alice").quiet, "it goes on"
    assert sorted(path.name for path in archive.parent.iterdir()) == [
        f"alice-{TAKEN}.json",
        f"alice-{TAKEN}.tar.gz",
    ]


def test_builds_that_do_not_end_are_in_the_way_unless_forced(world: World, tmp_path: Path) -> None:
    world.nodes.master("alice").busy, world.nodes.master("alice").endless = 1, True
    with pytest.raises(PartlyFailed, match="--force backs up"):
        back_up(world, tmp_path)
    assert not list(tmp_path.glob("alice/*.tar.gz"))
    assert read(back_up(world, tmp_path, manner=Manner(force=True))).how == "forced"


def test_one_that_hibernates_is_backed_up_as_it_is(world: World, tmp_path: Path) -> None:
    hibernate(world.tier(), ["alice"], PATIENT)
    assert read(back_up(world, tmp_path)).how == "stopped"


def test_a_node_that_fails_leaves_no_archive(world: World, tmp_path: Path) -> None:
    tier = world.tier()
    hibernate(world.tier(), ["alice"], PATIENT)
    packs = world.nodes.pack

    def breaks(*args: object) -> object:
        world.nodes.silent["demo-jenkins-1"] = "no route to host"
        return packs(*args)  # type: ignore[arg-type]

    world.nodes.pack = breaks  # type: ignore[assignment, method-assign]
    with pytest.raises(PartlyFailed, match="alice: node demo-jenkins-1: no route to host"):
        backup(tier, ["alice"], PATIENT, tmp_path, TAKEN)
    assert not list((tmp_path / "alice").iterdir())


def test_the_newest_stay(tmp_path: Path) -> None:
    world = World(master=SMALL, backup={"keep": 2})
    create(world.tier(), ["alice"])
    (tmp_path / "alice").mkdir()
    cut_off = tmp_path / "alice" / "alice-20260101T000000Z.tar.gz"
    cut_off.touch()
    for day in (24, 25, 26):
        back_up(world, tmp_path, f"202611{day}T000000Z")
    assert sorted(path.name for path in (tmp_path / "alice").glob("*.tar.gz")) == [
        "alice-20261125T000000Z.tar.gz",
        "alice-20261126T000000Z.tar.gz",
    ]


def test_a_purged_master_comes_back_with_its_history(world: World, tmp_path: Path) -> None:
    archive = back_up(world, tmp_path)
    before = json.loads(world.nodes.homes_at["demo-jenkins-1"]["alice"].marker)
    delete(world.tier(), ["alice"], PATIENT, purge=True, confirm=lambda _: None)
    out = restore(world.tier(), archive, PATIENT)
    home = world.nodes.homes_at["demo-jenkins-1"]["alice"]
    assert home.files["jobs/a/builds/1/log"] == "hello"
    assert json.loads(home.marker) == before
    assert (home.user, world.nodes.renewed) == ("jm-001", False)
    assert out.done["alice"].startswith("restored, ready after")
    assert world.marathon.apps["/jenkins/alice"]["instances"] == 1


def test_a_home_that_is_there_is_set_aside(world: World, tmp_path: Path) -> None:
    archive = back_up(world, tmp_path)
    world.nodes.homes_at["demo-jenkins-1"]["alice"].files["jobs/b/config.xml"] = "later"
    out = restore(world.tier(), archive, PATIENT)
    assert "jobs/b/config.xml" not in world.nodes.homes_at["demo-jenkins-1"]["alice"].files
    assert "jobs/b/config.xml" in world.nodes.aside["demo-jenkins-1"]["alice-1"].files
    assert "the home that was there is /srv/jenkins/.aside/alice-1 on demo-jenkins-1" in out.done["alice"]


def test_a_failed_restore_puts_back_what_was_there(world: World, tmp_path: Path) -> None:
    archive = back_up(world, tmp_path)
    world.nodes.homes_at["demo-jenkins-1"]["alice"].files["jobs/b/config.xml"] = "later"
    world.nodes.refuse_unpack = "no space left on device"
    with pytest.raises(ClusterctlError, match="alice was not restored: node demo-jenkins-1: no space left"):
        restore(world.tier(), archive, PATIENT)
    assert "jobs/b/config.xml" in world.nodes.homes_at["demo-jenkins-1"]["alice"].files
    assert world.marathon.apps["/jenkins/alice"]["instances"] == 1


def test_another_name_is_another_master(world: World, tmp_path: Path) -> None:
    archive = back_up(world, tmp_path)
    restore(world.tier(), archive, PATIENT, name="carol", node="demo-jenkins-2")
    marker = json.loads(world.nodes.homes_at["demo-jenkins-2"]["carol"].marker)
    original = json.loads(world.nodes.homes_at["demo-jenkins-1"]["alice"].marker)
    assert (marker["name"], marker["slot"]) == ("carol", 3)
    assert marker["cloud_id"] != original["cloud_id"]
    assert marker["framework_id"] != original["framework_id"]
    assert world.nodes.renewed
    assert world.marathon.apps["/jenkins/carol"]["user"] == "jm-003"


def test_another_node(world: World, tmp_path: Path) -> None:
    archive = back_up(world, tmp_path)
    restore(world.tier(), archive, PATIENT, node="demo-jenkins-2")
    assert "alice" not in world.nodes.homes_at["demo-jenkins-1"]
    assert world.nodes.homes_at["demo-jenkins-2"]["alice"].user == "jm-001"
    assert world.marathon.apps["/jenkins/alice"]["constraints"] == [["hostname", "CLUSTER", "10.0.0.12"]]


def test_a_release_that_is_not_there_is_refused(world: World, tmp_path: Path) -> None:
    archive = back_up(world, tmp_path)
    world.nodes.releases = {"2.277.1-old": 1}
    world.nodes.current = "2.277.1-old"
    with pytest.raises(ClusterctlError, match=f"the archive is of release {RELEASE}, which node demo-jenkins-1"):
        restore(world.tier(), archive, PATIENT)
    assert "alice" in world.nodes.homes_at["demo-jenkins-1"]


def test_an_archive_that_was_changed_is_refused(world: World, tmp_path: Path) -> None:
    archive = back_up(world, tmp_path)
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(InputError, match="is not what its manifest says"):
        restore(world.tier(), archive, PATIENT)
    manifest_path(archive).unlink()
    with pytest.raises(InputError, match="is not a manifest"):
        restore(world.tier(), archive, PATIENT)


def test_a_move(world: World) -> None:
    out = move(world.tier(), "alice", "demo-jenkins-2", PATIENT)
    assert out.done["alice"].startswith("moved, ready after")
    assert world.nodes.homes_at["demo-jenkins-2"]["alice"].files == {"jobs/a/builds/1/log": "hello"}
    assert list(world.nodes.aside["demo-jenkins-1"]) == ["alice-1"]
    assert world.marathon.apps["/jenkins/alice"]["constraints"] == [["hostname", "CLUSTER", "10.0.0.12"]]
    assert move(world.tier(), "alice", "demo-jenkins-2", PATIENT).skipped == {"alice": "it is on demo-jenkins-2"}


def test_one_that_hibernates_moves_in_its_sleep(world: World) -> None:
    hibernate(world.tier(), ["alice"], PATIENT)
    assert move(world.tier(), "alice", "demo-jenkins-2", PATIENT).done["alice"].startswith("moved; it hibernates")
    assert world.marathon.apps["/jenkins/alice"]["instances"] == 0


def test_a_failed_move_leaves_the_master_where_it_was(world: World) -> None:
    world.nodes.refuse_unpack = "no space left on device"
    with pytest.raises(ClusterctlError, match="alice was not moved, and is where it was: node demo-jenkins-2"):
        move(world.tier(), "alice", "demo-jenkins-2", PATIENT)
    assert "alice" in world.nodes.homes_at["demo-jenkins-1"]
    app = world.marathon.apps["/jenkins/alice"]
    assert (app["instances"], app["constraints"][0][2]) == (1, "10.0.0.11")


def test_no_room_and_no_such_node() -> None:
    world = World()  # one master a node
    create(world.tier(), ["alice", "bob"])
    with pytest.raises(ClusterctlError, match="there is no room; nothing was touched"):
        move(world.tier(), "alice", "demo-jenkins-2", PATIENT)
    with pytest.raises(InputError, match="NODE: found 'x'; allowed: demo-jenkins-1, demo-jenkins-2"):
        move(world.tier(), "alice", "x", PATIENT)
