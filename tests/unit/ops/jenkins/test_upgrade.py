"""``jenkins upgrade``: another release for masters, and the way back."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clusterctl.ansible.playbook import PlaybookResult
from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.jenkins.create import create
from clusterctl.ops.jenkins.ground import PartlyFailed
from clusterctl.ops.jenkins.stop import Manner, hibernate
from clusterctl.ops.jenkins.upgrade import stage, upgrade
from clusterctl.spec.artifacts import ImageSpec
from tests.unit.ops.jenkins.world import RELEASE, World

NEW = "2.319.4-11112222"
SMALL = {"cpus": 0.1, "mem_mib": 320, "heap_mib": 64}
PATIENT = Manner(quiet_timeout_s=60, ready_timeout_s=60, batch=2)
TAKEN = "20261126T153000Z"


@pytest.fixture
def world() -> World:
    made = World(master=SMALL)
    create(made.tier(), ["a", "b", "c", "d"])
    made.nodes.releases[NEW] = 12
    return made


def releases(world: World) -> dict[str, str]:
    return {path[9:]: app["labels"]["clusterctl.jenkins.release"] for path, app in world.marathon.apps.items()}


def test_all_get_the_release_and_keep_an_archive(world: World, tmp_path: Path) -> None:
    out = upgrade(world.tier(), ["a", "b", "c"], NEW, PATIENT, tmp_path, TAKEN)
    assert releases(world) == {"a": NEW, "b": NEW, "c": NEW, "d": RELEASE}
    assert world.marathon.apps["/jenkins/a"]["cmd"].endswith(f"a 1 {NEW}")
    assert all(text.startswith("upgraded, ready after") for text in out.done.values())
    assert sorted(path.parent.name for path in tmp_path.glob("*/*.tar.gz")) == ["a", "b", "c"]
    again = upgrade(world.tier(), ["a", "b", "c"], NEW, PATIENT, tmp_path, TAKEN)
    assert again.skipped == dict.fromkeys("abc", f"it has release {NEW}")


def test_one_that_does_not_serve_goes_back_and_ends_it(world: World, tmp_path: Path) -> None:
    changed = world.marathon.on_change

    def breaks(path: str) -> None:
        changed(path)
        if path == "/jenkins/b" and releases(world)["b"] == NEW:
            world.nodes.master("b").broken = "login"

    world.marathon.on_change = breaks
    with pytest.raises(PartlyFailed) as caught:
        upgrade(world.tier(), ["a", "b", "c", "d"], NEW, PATIENT, tmp_path, TAKEN)
    assert f"b: /login: HTTP 500; it is back at {RELEASE}; its home before is {tmp_path}" in caught.value.message
    assert releases(world) == {"a": NEW, "b": RELEASE, "c": NEW, "d": RELEASE}
    report = caught.value.report.to_json()
    assert list(report["done"]) == ["a", "c"]
    assert report["skipped"] == {"d": "not tried after the failure of others"}


def test_builds_are_waited_for(world: World, tmp_path: Path) -> None:
    world.nodes.master("a").busy, world.nodes.master("a").endless = 1, True
    with pytest.raises(PartlyFailed, match="a: 1 builds run on it after 60 s"):
        upgrade(world.tier(), ["a", "b"], NEW, PATIENT, tmp_path, TAKEN)
    assert set(releases(world).values()) == {RELEASE}


def test_a_home_that_can_not_be_packed_is_left_alone(world: World, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("in the way")
    with pytest.raises(PartlyFailed, match="a: its home was not packed, so it was left alone: no archive can be"):
        upgrade(world.tier(), ["a"], NEW, PATIENT, tmp_path, TAKEN)
    assert releases(world)["a"] == RELEASE
    assert not world.nodes.master("a").quiet


def test_a_node_without_the_release_ends_it_before_anything(world: World, tmp_path: Path) -> None:
    with pytest.raises(ClusterctlError, match=r"does not have release 9\.9; it has: 2\.319"):
        upgrade(world.tier(), ["a"], "9.9", PATIENT, tmp_path, TAKEN)
    assert not list(tmp_path.iterdir())


def test_one_that_hibernates_is_told(world: World, tmp_path: Path) -> None:
    hibernate(world.tier(), ["a"], PATIENT)
    out = upgrade(world.tier(), ["a"], NEW, PATIENT, tmp_path, TAKEN)
    assert out.skipped == {"a": "it is hibernating; wake it first"}


class Hosts:
    """Remembers what was run."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, Sequence[str], Mapping[str, Any]]] = []

    def run(self, playbook: str, names: Sequence[str], variables: Mapping[str, Any] | None = None) -> PlaybookResult:
        self.runs.append((playbook, names, variables or {}))
        return PlaybookResult(hosts={}, changes=(), failures=(), notes=(), output="")


def jar(path: Path, **lines: str) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        text = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in lines.items())
        archive.writestr("META-INF/MANIFEST.MF", text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def image(tmp_path: Path, mesos: str = "0.16") -> ImageSpec:
    nothing = {"version": "1", "src": "./x", "sha256": "0" * 64}
    war = jar(tmp_path / "jenkins.war", Jenkins_Version="2.319.3")
    plugin = jar(tmp_path / "mesos.hpi", Short_Name="mesos", Plugin_Version=mesos, Jenkins_Version="2.7.3")
    return ImageSpec.model_validate(
        {
            "source_image": "debian-12",
            "build": {
                "cloud": "lab",
                "flavor": "f",
                "network": "n",
                "keypair": "k",
                "access": {"ssh_from": "network"},
            },
            "jenkins_java_package": "openjdk-11-jre-headless",
            "artifacts": {
                "mesos": nothing,
                "marathon": nothing,
                "jenkins": {"version": "2.319.3", "src": "./jenkins.war", "sha256": war},
                "jenkins_plugins": [{"name": "mesos", "version": mesos, "src": "./mesos.hpi", "sha256": plugin}],
            },
        }
    )


def test_a_release_is_brought_to_all_nodes_for_masters(world: World, tmp_path: Path) -> None:
    hosts = Hosts()
    release = stage(world.tier(), hosts, image(tmp_path), tmp_path, tmp_path / "cache")
    [(playbook, names, variables)] = hosts.runs
    assert (playbook, names) == ("jenkins-release", ["demo-jenkins-1", "demo-jenkins-2"])
    assert variables["jenkins_release"] == release
    assert release.startswith("2.319.3-")
    assert variables["jenkins_artifact"]["src"] == str(tmp_path / "jenkins.war")
    assert [each["name"] for each in variables["jenkins_plugin_artifacts"]] == ["mesos"]


def test_what_does_not_go_together_is_never_brought(world: World, tmp_path: Path) -> None:
    hosts = Hosts()
    with pytest.raises(InputError, match=r"jenkins\.plugin is 0\.x, and the mesos plugin is 1\.0\.0"):
        stage(world.tier(), hosts, image(tmp_path, "1.0.0"), tmp_path, tmp_path / "cache")
    assert hosts.runs == []
