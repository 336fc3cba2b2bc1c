"""A backup of ZooKeeper's files and of Marathon's tree, on the operator's machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from clusterctl.errors import ClusterctlError
from clusterctl.ops.day2.hosts import Hosts
from clusterctl.ops.kit.artifacts import file_digest
from clusterctl.ops.observe.look import Look
from clusterctl.services import Service

TREE = "tree.json"  # of playbooks/backup.yml
FILES = "zookeeper.tar.gz"
MANIFEST = "manifest.json"
MARATHON_TREE = "/marathon"  # the path in marathon_zk_url (variables.py)


@dataclass(frozen=True)
class Backup:
    """Where it lies, and what its manifest says."""

    directory: Path
    manifest: dict[str, Any]


def back_up(hosts: Hosts, look: Look, root: Path, now: datetime | None = None) -> Backup:
    """Copies both from ZooKeeper's leader into ``<root>/backups/<time>/``.

    Args:
        root: the cluster's directory on this machine.

    Raises:
        PlaybookError: a file could not be copied.
        ClusterctlError: ZooKeeper has no leader, or the copy holds nothing.
    """
    leader = look.leader(Service.ZOOKEEPER)
    if leader is None:
        raise ClusterctlError("ZooKeeper has no leader to copy from")
    time = (now or datetime.now(UTC)).astimezone(UTC)
    directory = _new_directory(root / "backups", f"{time:%Y%m%dT%H%M%SZ}")
    hosts.run("backup", [leader], {"backup_directory": str(directory), "backup_tree": MARATHON_TREE})
    tree = _tree(directory / TREE)
    seen = look.facts[leader].zookeeper
    marathon = look.leader(Service.MARATHON)
    version = marathon and (found := look.facts[marathon].marathon) and found.version
    manifest = {
        "cluster": look.spec.cluster,
        "cloud": look.spec.cloud,
        "time": time.isoformat(timespec="seconds"),
        "from": leader,
        "zookeeper": seen.version if seen else "",
        "marathon": version or "",
        "framework_id": look.framework,
        "tree": {"path": tree["path"], "nodes": len(tree["nodes"]), "zxid": tree["zxid"]},
        "files": {name: _described(directory / name) for name in (TREE, FILES)},
    }
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return Backup(directory, manifest)


def _new_directory(parent: Path, name: str) -> Path:
    for number in count(1):
        directory = parent / (name if number == 1 else f"{name}-{number}")
        try:
            # Apps may hold secrets in their environment
            directory.mkdir(mode=0o700, parents=True)
        except FileExistsError:  # two in one second
            continue
        return directory
    raise AssertionError("count() does not end")


def bring_back(hosts: Hosts, look: Look, directory: Path) -> None:
    """Makes Marathon's tree in ZooKeeper exactly what the backup in ``directory`` holds; all Marathons must be stopped.

    Raises:
        PlaybookError: it failed on the node.
        ClusterctlError: ZooKeeper has no leader, or the backup is damaged; nothing was changed.
    """
    leader = look.leader(Service.ZOOKEEPER)
    if leader is None:
        raise ClusterctlError(f"ZooKeeper has no leader through which {directory} could be restored")
    checked(directory)
    hosts.run("restore", [leader], {"backup_directory": str(directory), "backup_tree": MARATHON_TREE})


def checked(directory: Path, cluster: str | None = None) -> dict[str, Any]:
    """The manifest of a backup that is whole.

    Args:
        cluster: name that it must be of.

    Raises:
        ClusterctlError: it is damaged, or of another cluster.
    """
    try:
        manifest: dict[str, Any] = json.loads((directory / MANIFEST).read_text())
        said, owner = manifest["files"][TREE]["sha256"], manifest["cluster"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClusterctlError(f"the backup {directory} can't be read: {error}") from error
    _tree(directory / TREE)
    if file_digest(directory / TREE) != said:
        raise ClusterctlError(f"the backup {directory / TREE} is not what its {MANIFEST} says")
    if cluster not in (None, owner):
        raise ClusterctlError(f"the backup {directory} is of cluster {owner}, expected {cluster}")
    return manifest


def _tree(path: Path) -> dict[str, Any]:
    try:
        tree: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ClusterctlError(f"the backup {path} can't be read: {error}") from error
    if len(tree.get("nodes", ())) < 2:
        raise ClusterctlError(f"the backup {path} holds no state of Marathon")
    return tree


def _described(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": file_digest(path)}
