"""Pure: the files by which Marathon gets into ZooKeeper and asks its callers who they are, and by which we call it.

What it says to Mesos is among ``mesos_files``.
"""

from __future__ import annotations

from clusterctl.secrets.files import DIRECTORY, SecretFile
from clusterctl.secrets.mesos import principal_file
from clusterctl.secrets.names import MARATHON_HTTP
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.wanted import Wanted
from clusterctl.secrets.zookeeper import marathon_url
from clusterctl.secrets.zookeeper_files import ensemble
from clusterctl.services import Service
from clusterctl.spec.security import Part

USER = "clusterctl"  # the one that Marathon's API knows
# Of Marathon's unit; systemd reads it as root
ENVIRONMENT = f"{DIRECTORY}/marathon.env"
# For root alone, as all logins (``secrets.logins``)
HTTP_FILE = f"{DIRECTORY}/marathon-http.json"
# The same for a person: `sudo curl -K FILE URL`
CURL_FILE = f"{DIRECTORY}/marathon.curl"


def marathon_files(wanted: Wanted) -> list[SecretFile]:
    """None where both Marathon's API and ZooKeeper are open."""
    spec, keys = wanted.spec, wanted.keys
    if not wanted.runs(Service.MARATHON):
        return []
    files, environment = [], []
    if spec.secured(Part.ZOOKEEPER):
        environment.append(f"MARATHON_ZK={marathon_url(keys, ensemble(wanted)).reveal()}\n")
    if spec.secured(Part.MARATHON):
        # Not MARATHON_HTTP_CREDENTIALS, which would be a flag
        environment.append(f"MESOSPHERE_HTTP_CREDENTIALS={USER}:{keys[MARATHON_HTTP].reveal()}\n")
        files.append(SecretFile(HTTP_FILE, principal_file(USER, keys[MARATHON_HTTP])))
        files.append(SecretFile(CURL_FILE, Secret(f'user = "{USER}:{keys[MARATHON_HTTP].reveal()}"\n')))
    if environment:
        files.append(SecretFile(ENVIRONMENT, Secret("".join(environment))))
    return files
