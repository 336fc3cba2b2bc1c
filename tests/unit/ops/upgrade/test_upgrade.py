"""The rolling commands as a whole, on a cluster that rolls can be tried on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.kit.access import Access
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.run import Run
from clusterctl.ops.roll.ground import Rolling
from clusterctl.ops.roll.reconfigure import no_new_identity
from clusterctl.ops.roll.report import Journal, RollError
from clusterctl.ops.roll.restart import restart_service
from clusterctl.ops.upgrade.upgrade import Versions, upgrade_service
from clusterctl.resources import Image
from clusterctl.spec.model import ClusterSpec
from tests.unit.ops.clouds import guard
from tests.unit.ops.roll.world import MASTER, NEW_ZOOKEEPER, OLD_MARATHON, ONE, THREE, TWO, World
from tests.unit.ops.upgrade.packages import deb, tarball

NO_SSH: dict[str, Any] = {"ssh": None, "host_keys": None}


class Recorded(World):
    """Its new versions are those of the test's artifacts; its backup playbook brings files."""

    def _act(self, playbook: str, name: str, given: Any) -> str:
        if playbook == "backup":
            directory = Path(given["backup_directory"])
            nodes = {"": "", "/state": ""}
            (directory / "tree.json").write_text(json.dumps({"path": "/marathon", "zxid": [1, 2], "nodes": nodes}))
            (directory / "zookeeper.tar.gz").write_bytes(b"x")
        return super()._act(playbook, name, given)


def run_in(world: Recorded, spec: ClusterSpec | None = None, **options: Any) -> Run:
    """A rolling command; it has ``--cloud``, as hints must keep it."""
    command = Command("do", "demo.yml", options=(("--cloud", "lab"),))
    run = Run(spec or world.spec, world.cloud, command, guard(), **options)
    vars(run)["access"] = Access(prober=world, **NO_SSH)  # instead of what would connect to nodes
    return run


@pytest.fixture
def world() -> Recorded:
    return Recorded()


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def rolling(world: Recorded, warned: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rolling:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Rolling(run_in(world, warn=warned.append), 180)
    vars(made).update(cluster=world.cluster, hosts=world)  # instead of what the cached properties would connect to
    return made


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """artifacts.yml with Mesos 1.11.0-2 and Marathon 1.11.25."""
    made = {
        "mesos": (deb(tmp_path / "mesos.deb", "mesos", "1.11.0-2", 10), "1.11.0-2"),
        "marathon": (tarball(tmp_path / "marathon.tgz", 10), "1.11.25"),
    }
    named: dict[str, dict[str, Any]] = {
        name: {"src": path.name, "version": version, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for name, (path, version) in made.items()
    }
    named["marathon"] |= {"java": [17]}
    build = {
        "cloud": "lab",
        "flavor": "m1.small",
        "network": "lab",
        "keypair": "ops",
        "access": {"ssh_from": "network"},
    }
    file = tmp_path / "artifacts.yml"
    file.write_text(json.dumps({"source_image": "debian-12", "build": build, "artifacts": named}))
    return file


def upgrade(rolling: Rolling, service: str, artifacts: Path | None, *only: str, **options: Any) -> Journal:
    roll = {key: options.pop(key, default) for key, default in {"batch": "20%", "max_failures": 0}.items()}
    return upgrade_service(rolling, service, only, Versions(artifacts, **options), **roll)


def test_restart_tells_what_it_did(rolling: Rolling, world: Recorded) -> None:
    journal = restart_service(rolling, "mesos", (), batch="50%", max_failures=0)
    report = journal.to_json()
    assert report["done"][:3] == [["mesos_master", TWO], ["mesos_master", THREE], ["mesos_master", ONE]]
    assert (len(report["done"]), report["left"], report["failed"], report["continue"]) == (6, [], [], None)
    assert f"restart mesos_master on {ONE}" in report["seconds"]
    assert "verify" in report["seconds"]


def test_what_is_left_is_continued_by_name(rolling: Rolling, world: Recorded) -> None:
    world.fails["restarted", ONE] = "boom"
    with pytest.raises(RollError) as caught:
        restart_service(rolling, "zookeeper", (), batch="20%", max_failures=0)
    command = f"clusterctl do demo.yml --cloud lab --only {ONE},{TWO},{THREE}"
    assert caught.value.journal.to_json()["continue"] == command
    assert command in str(caught.value.hint)


def test_the_cluster_is_verified_at_the_end(rolling: Rolling, world: Recorded) -> None:
    def fall_ill(event: str) -> None:
        if event == f"restarted zookeeper {THREE}":
            world.up[MASTER, ONE] = 1e9

    world.on_event = fall_ill
    with pytest.raises(RollError, match=r"the cluster is not healthy:\n  mesos\.masters: demo-control-1") as caught:
        restart_service(rolling, "zookeeper", (), batch="20%", max_failures=0)
    assert (len(caught.value.journal.done), caught.value.hint) == (3, "`clusterctl verify FILE` shows all checks.")


def test_upgrade_of_all_is_recorded(
    rolling: Rolling, world: Recorded, artifacts: Path, warned: list[str], tmp_path: Path
) -> None:
    journal = upgrade(rolling, "all", artifacts)
    report = journal.to_json()
    assert report["versions"] == {"zookeeper": NEW_ZOOKEEPER, "mesos": "1.11.0-2", "marathon": "1.11.25"}
    assert [service for service, _ in report["done"]] == (
        ["zookeeper"] * 3 + ["mesos_master"] * 3 + ["mesos_agent"] * 3 + ["marathon"] * 3
    )
    directory = Path(report["backup"])
    assert directory.parent == tmp_path / "state" / "clusterctl" / "lab" / "demo" / "backups"
    assert (directory / "manifest.json").is_file()
    assert world.violations == []


def test_artifacts_are_everywhere_before_the_first_node_is_touched(
    rolling: Rolling, world: Recorded, artifacts: Path
) -> None:
    upgrade(rolling, "all", artifacts)
    staged = [event for event in world.events if event.startswith("stage ")]
    assert staged == world.events[: len(staged)]
    assert len(staged) == 3 + 3 + 3, "Mesos on masters and agents, Marathon"


def test_one_that_can_not_be_brought_to_its_node_stops_the_upgrade(
    rolling: Rolling, world: Recorded, artifacts: Path
) -> None:
    world.fails["stage", "demo-builders-abc-2"] = "No space left on device"
    with pytest.raises(ClusterctlError, match="no service was touched") as caught:
        upgrade(rolling, "mesos", artifacts)
    assert "  demo-builders-abc-2: stage task: No space left on device" in caught.value.message
    assert {event.split()[0] for event in world.events} == {"stage"}
    assert len(upgrade(rolling, "mesos", artifacts, ONE).done) == 1, "without it"


def test_a_second_upgrade_finds_nothing_to_do(rolling: Rolling, world: Recorded, artifacts: Path) -> None:
    upgrade(rolling, "all", artifacts)
    before = list(world.events)
    again = upgrade(rolling, "all", artifacts)
    assert (again.done, len(again.skipped), world.events) == ([], 12, before)


def test_without_an_image_of_the_version_a_warning_comes_first(
    rolling: Rolling, world: Recorded, artifacts: Path, warned: list[str]
) -> None:
    journal = upgrade(rolling, "mesos", artifacts)
    assert warned[0] == (
        "no image clusterctl-base has mesos 1.11.0-2 beside what else runs: new nodes of control, jenkins, builders "
        f"can't be made until `clusterctl image build {artifacts}`"
    )
    assert journal.to_json()["image"] is None
    assert "no copy of mesos 1.11.0-1" in warned[1]


def test_an_image_of_the_version_is_named(
    rolling: Rolling, world: Recorded, artifacts: Path, warned: list[str]
) -> None:
    named = json.loads(artifacts.read_text())["artifacts"]["mesos"]
    properties = {
        "clusterctl_family": "clusterctl-base",
        "clusterctl_version_mesos": named["version"],
        "clusterctl_sha256_mesos": named["sha256"],
        "clusterctl_version_marathon": OLD_MARATHON[1],
        "clusterctl_sha256_marathon": OLD_MARATHON[0],
    }
    world.cloud.image_list = [Image("i", "base-9", "active", "2026-02-01T00:00:00Z", 1, 0, properties)]
    journal = upgrade(rolling, "mesos", artifacts, previous=artifacts)
    assert journal.to_json()["image"] == "base-9"
    assert journal.advice == ["nodes added later get the same versions, from image base-9"]


def test_an_image_that_has_only_one_of_two_is_none(
    rolling: Rolling, world: Recorded, artifacts: Path, warned: list[str]
) -> None:
    """Marathon was not upgraded: a control node from this image would bring another."""
    named = json.loads(artifacts.read_text())["artifacts"]
    properties = {"clusterctl_family": "clusterctl-base"}
    for name, each in named.items():
        properties |= {f"clusterctl_{key}_{name}": each[key] for key in ("version", "sha256")}
    world.cloud.image_list = [Image("i", "base-9", "active", "2026-02-01T00:00:00Z", 1, 0, properties)]
    upgrade(rolling, "mesos", artifacts)
    assert "new nodes of control can't be made" in warned[0]


def test_what_nodes_have_is_recorded_even_if_nothing_is_left_to_do(
    rolling: Rolling, world: Recorded, artifacts: Path
) -> None:
    upgrade(rolling, "all", artifacts)
    recorded = world.cloud.recorded("mesos")
    assert (len(recorded), {value.split()[0] for value in recorded.values()}) == (6, {"1.11.0-2"})
    assert {value.split()[0] for value in world.cloud.recorded("marathon").values()} == {"1.11.25"}
    # killed after the last node was installed, before it was recorded
    world.cloud.set_metadata(world.cloud.listed[0].id, {"clusterctl.artifact.mesos": "1.11.0-1 " + "a" * 64})
    assert upgrade(rolling, "all", artifacts).done == []
    assert world.cloud.recorded("mesos") == recorded


def test_marathon_is_not_upgraded_in_part(rolling: Rolling, world: Recorded, artifacts: Path) -> None:
    with pytest.raises(InputError, match=f"--only: leaves out {ONE}, {THREE}; Marathons are upgraded together"):
        upgrade(rolling, "marathon", artifacts, TWO)
    assert world.events == []
    assert len(upgrade(rolling, "all", artifacts, "demo-builders-abc-1").done) == 1


def test_one_version_is_not_that_of_all(rolling: Rolling, artifacts: Path) -> None:
    with pytest.raises(InputError, match="--to: one version"):
        upgrade(rolling, "all", artifacts, to="1.11.0-2")


def test_a_wrong_batch_touches_nothing(rolling: Rolling, world: Recorded) -> None:
    with pytest.raises(InputError, match="--batch"):
        restart_service(rolling, "mesos", (), batch="0%", max_failures=0)
    assert world.events == []


def test_configure_is_refused_while_an_agent_needs_a_new_identity(
    world: Recorded,
) -> None:
    no_new_identity(run_in(world))
    data = world.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    data["groups"]["builders"]["attributes"] = {"pool": "fast"}
    changed = ClusterSpec.model_validate(data)
    with pytest.raises(InputError, match="would refuse to start") as caught:
        no_new_identity(run_in(world, changed))
    assert caught.value.hint == "`clusterctl reconfigure demo.yml --cloud lab --allow-drain` drains them first."
    for name in (ONE, TWO, THREE):
        del world.up[MASTER, name]
    no_new_identity(run_in(world, changed))  # nobody can be asked: it may be that that is mended
