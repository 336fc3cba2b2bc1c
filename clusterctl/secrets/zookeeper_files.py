"""Pure: the files by which ZooKeepers know each other and close their tree, and masters and Marathon get in."""

from __future__ import annotations

from clusterctl.secrets.files import DIRECTORY, SecretFile
from clusterctl.secrets.wanted import Wanted
from clusterctl.secrets.zookeeper import (
    jaas,
    java_options,
    marathon_credentials,
    masters_credentials,
    super_credentials,
    tree,
)
from clusterctl.services import Service
from clusterctl.spec.security import Part

JAAS = f"{DIRECTORY}/zookeeper.jaas"
JAVA_OPTIONS = f"{DIRECTORY}/zookeeper.options"
TREE = f"{DIRECTORY}/zookeeper-tree.json"
# user:password whom no ACL stops, for zookeeper-tree and for the playbooks that copy the tree
SUPER = f"{DIRECTORY}/zookeeper-super"
# The same of masters and of Marathon; units put it into their URL of ZooKeeper (``with-credentials``)
MASTERS = f"{DIRECTORY}/mesos-master-zookeeper"
MARATHON = f"{DIRECTORY}/marathon-zookeeper"


def zookeeper_files(wanted: Wanted) -> list[SecretFile]:
    """None where ZooKeeper is open."""
    spec, keys = wanted.spec, wanted.keys
    if not spec.secured(Part.ZOOKEEPER):
        return []
    files = []
    if wanted.runs(Service.ZOOKEEPER):
        files += [
            SecretFile(JAAS, jaas(keys), group="zookeeper", mode=0o640),
            SecretFile(JAVA_OPTIONS, java_options(keys, JAAS), group="zookeeper", mode=0o640),
            SecretFile(TREE, tree(keys, spec.zookeeper.heap_mib)),
            SecretFile(SUPER, super_credentials(keys)),
        ]
    if wanted.runs(Service.MESOS_MASTER):
        files.append(SecretFile(MASTERS, masters_credentials(keys), group="mesos", mode=0o640))
    if wanted.runs(Service.MARATHON):
        files.append(SecretFile(MARATHON, marathon_credentials(keys), group="marathon", mode=0o640))
    return files
