"""Pure: the files by which ZooKeepers know each other and close their tree, and masters and Marathon get in."""

from __future__ import annotations

from clusterctl.secrets.files import DIRECTORY, SecretFile
from clusterctl.secrets.wanted import Wanted
from clusterctl.secrets.zookeeper import jaas, java_options, masters_url, super_credentials, tree
from clusterctl.services import PORTS, Service
from clusterctl.spec.security import Part

JAAS = f"{DIRECTORY}/zookeeper.jaas"
JAVA_OPTIONS = f"{DIRECTORY}/zookeeper.options"
TREE = f"{DIRECTORY}/zookeeper-tree.json"
# user:password whom no ACL stops, for zookeeper-tree and for the playbooks that copy the tree
SUPER = f"{DIRECTORY}/zookeeper-super"
MASTERS_URL = f"{DIRECTORY}/mesos-master-zk"


def zookeeper_files(wanted: Wanted) -> list[SecretFile]:
    """None where ZooKeeper is open. Marathon's credentials are among ``marathon_files``."""
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
        files.append(SecretFile(MASTERS_URL, masters_url(keys, ensemble(wanted)), group="mesos", mode=0o640))
    return files


def ensemble(wanted: Wanted) -> str:
    """``host:port,...`` of the ZooKeepers."""
    return ",".join(f"{address}:{PORTS[Service.ZOOKEEPER]}" for _, address in wanted.at.zookeeper)
