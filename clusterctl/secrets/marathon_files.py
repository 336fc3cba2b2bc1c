"""Pure: the files by which Marathon asks its callers who they are, and by which we call it.

What it says to Mesos and to ZooKeeper is among their files.
"""

from __future__ import annotations

from clusterctl.secrets.files import DIRECTORY, SecretFile
from clusterctl.secrets.mesos import principal_file
from clusterctl.secrets.names import MARATHON_HTTP
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.wanted import Wanted
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
    """None where Marathon's API is open. While instances have different passwords, callers are told both."""
    if not (wanted.spec.secured(Part.MARATHON) and wanted.runs(Service.MARATHON)):
        return []
    secret, *others = wanted.keys.taken(MARATHON_HTTP)
    pair = f"{USER}:{secret.reveal()}"
    return [
        # Not MARATHON_HTTP_CREDENTIALS, which would be a flag
        SecretFile(ENVIRONMENT, Secret(f"MESOSPHERE_HTTP_CREDENTIALS={pair}\n")),
        SecretFile(HTTP_FILE, principal_file(USER, secret, *others)),
        SecretFile(CURL_FILE, Secret(f'user = "{pair}"\n')),
    ]
