"""The backup before an upgrade of Marathon."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clusterctl.ansible.playbook import PlaybookResult
from clusterctl.errors import ClusterctlError
from clusterctl.ops.backup.backup import back_up, bring_back
from tests.unit.ops.roll.world import THREE, ZK, World

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TREE = {"path": "/marathon", "zxid": [7, 9], "nodes": {"": "", "/state": "", "/state/framework-id": "eA=="}}


class Fetching:
    """Hosts whose backup playbook brings these files."""

    def __init__(self, tree: str = json.dumps(TREE)) -> None:
        self.tree = tree
        self.ran: list[tuple[str, list[str]]] = []

    def run(self, playbook: str, names: Sequence[str], variables: Mapping[str, Any] | None = None) -> PlaybookResult:
        assert variables is not None
        self.ran.append((playbook, list(names)))
        directory = Path(variables["backup_directory"])
        assert variables["backup_tree"] == "/marathon"
        (directory / "tree.json").write_text(self.tree)
        (directory / "zookeeper.tar.gz").write_bytes(b"files")
        return PlaybookResult({}, (), (), (), "")


def test_the_backup_has_a_manifest_and_belongs_to_the_operator_alone(tmp_path: Path) -> None:
    world, hosts = World(), Fetching()
    found = back_up(hosts, world.cluster.look(), tmp_path / "lab" / "demo", NOW)
    assert hosts.ran == [("backup", [THREE])], "ZooKeeper's leader has the newest state"
    assert found.directory == tmp_path / "lab" / "demo" / "backups" / "20260102T030405Z"
    assert found.directory.stat().st_mode & 0o777 == 0o700
    manifest = json.loads((found.directory / "manifest.json").read_text())
    assert manifest == found.manifest
    assert manifest["tree"] == {"path": "/marathon", "nodes": 3, "zxid": [7, 9]}
    assert (manifest["framework_id"], manifest["marathon"], manifest["from"]) == ("f-0000", "1.11.24", THREE)
    assert manifest["files"]["zookeeper.tar.gz"]["bytes"] == 5
    assert len(manifest["files"]["tree.json"]["sha256"]) == 64


@pytest.mark.parametrize("tree", ["", "{", '{"path": "/marathon", "nodes": {"": ""}}', "{}"])
def test_a_backup_that_holds_nothing_is_an_error(tmp_path: Path, tree: str) -> None:
    with pytest.raises(ClusterctlError, match=r"tree\.json"):
        back_up(Fetching(tree), World().cluster.look(), tmp_path, NOW)


def test_without_a_leader_there_is_no_backup(tmp_path: Path) -> None:
    world = World()
    for key in [key for key in world.up if key[0] is ZK]:
        del world.up[key]
    with pytest.raises(ClusterctlError, match="no leader"):
        back_up(Fetching(), world.cluster.look(), tmp_path, NOW)


def test_two_backups_in_one_second_have_places_of_their_own(tmp_path: Path) -> None:
    look = World().cluster.look()
    places = [back_up(Fetching(), look, tmp_path, NOW).directory.name for _ in range(3)]
    assert places == ["20260102T030405Z", "20260102T030405Z-2", "20260102T030405Z-3"]


def test_a_backup_is_brought_back_through_zookeepers_leader(tmp_path: Path) -> None:
    world = World()
    directory = back_up(Fetching(), world.cluster.look(), tmp_path, NOW).directory
    hosts = Fetching()
    bring_back(hosts, world.cluster.look(), directory)
    assert hosts.ran == [("restore", [THREE])]


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("tree.json", '{"path": "/marathon", "nodes": {"": "", "/x": ""}}', "is not what its manifest.json says"),
        ("tree.json", "{", "can't be read"),
        ("manifest.json", "{}", "can't be read"),
        ("manifest.json", "", "can't be read"),
    ],
)
def test_a_damaged_backup_is_not_brought_back(tmp_path: Path, file: str, content: str, says: str) -> None:
    world, hosts = World(), Fetching()
    directory = back_up(Fetching(), world.cluster.look(), tmp_path, NOW).directory
    (directory / file).write_text(content)
    with pytest.raises(ClusterctlError, match=says):
        bring_back(hosts, world.cluster.look(), directory)
    assert hosts.ran == []


def test_without_a_leader_nothing_is_brought_back(tmp_path: Path) -> None:
    world = World()
    directory = back_up(Fetching(), world.cluster.look(), tmp_path, NOW).directory
    for key in [key for key in world.up if key[0] is ZK]:
        del world.up[key]
    with pytest.raises(ClusterctlError, match="no leader through which"):
        bring_back(Fetching(), world.cluster.look(), directory)
