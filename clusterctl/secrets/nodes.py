"""Pure: cluster file and key -> the files with secrets of a node.

All nodes of a group have the same (D4). Each service's files are said by a module of its own: a function in
``CONTRIBUTORS``, which gives none where its part of the cluster is open or the group doesn't run the service.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from clusterctl.secrets.derive import Keyring
from clusterctl.secrets.epochs import FIRST
from clusterctl.secrets.files import DIRECTORY, SecretFile
from clusterctl.secrets.marathon_files import marathon_files
from clusterctl.secrets.mesos_files import mesos_files
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.wanted import Wanted
from clusterctl.secrets.zookeeper_files import zookeeper_files
from clusterctl.services import CONTROL_SERVICES
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import Addresses

# The cluster's key on its control nodes, if it has no other place
KEY_FILE = f"{DIRECTORY}/key"
# How often secrets were turned over (``secrets.epochs``), on all nodes; not there as long as they were not
EPOCHS_FILE = f"{DIRECTORY}/epochs"
# Lines as ``sha256sum --check`` reads them, of all files of the node. It comes last: services wait for it
COMPLETE_FILE = f"{DIRECTORY}/complete"

CONTRIBUTORS: tuple[Callable[[Wanted], list[SecretFile]], ...] = (zookeeper_files, mesos_files, marathon_files)


def credentials_for(spec: ClusterSpec, group: str, keys: Keyring, at: Addresses) -> list[SecretFile]:
    """The files of the nodes of ``group``, in the order in which they are put there; none where all is open.

    Raises:
        ValueError: two contributors name one path (a bug).
    """
    if not spec.has_secrets:
        return []
    wanted = Wanted(spec, group, keys, at)
    files = [file for contribute in CONTRIBUTORS for file in contribute(wanted)]
    if keys.epochs != FIRST:
        files.insert(0, SecretFile(EPOCHS_FILE, Secret(json.dumps(keys.epochs.to_json()) + "\n")))
    if spec.secrets.source == "control" and any(map(wanted.runs, CONTROL_SERVICES)):
        files.insert(0, SecretFile(KEY_FILE, Secret(keys.key.reveal() + "\n")))
    if len({file.path for file in files}) < len(files):
        raise ValueError(f"a file is named twice: {sorted(file.path for file in files)}")
    return [*files, SecretFile(COMPLETE_FILE, Secret(_digests(files)))]


def _digests(files: Sequence[SecretFile]) -> str:
    return "".join(f"{file.digest}  {file.path}\n" for file in files)
