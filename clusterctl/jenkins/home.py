"""What a master's home holds: its marker, its secrets, and what of it a backup takes.

The lists follow jenkins.io (backing up and restoring) and what LTS 2.319 writes into a home.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath

from clusterctl.errors import ClusterctlError

OWN = ".clusterctl"  # directory of clusterctl's files in a home, 0700
MARKER = f"{OWN}/master.json"
TOKEN = f"{OWN}/token"
PASSWORD = f"{OWN}/password"
SECURITY = f"{OWN}/security.xml"
LOCK = f"{OWN}/lock"
PRINCIPAL = f"{OWN}/principal"  # who its master is to Mesos since it was started last

# Removed from a home that is restored: the first would be refused, the second asks for builds of yesterday
NOT_RESTORED = (".owner", "queue.xml", LOCK)

NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Regular expressions of paths below the home. Job folders nest: jobs/A/jobs/B/...
_OUT = (
    r"war|workspace|caches|tools|logs|\.cache|\.java",  # made again
    r"plugins/[^/]+/.*",  # unpacked from the .jpi beside
    r"(jobs/[^/]+/)+workspace",
    r"\.owner",
    re.escape(LOCK),
    re.escape(PRINCIPAL),
    r"(.*/)?[^/]+\.tmp",
)
_BUILDS = r"(jobs/[^/]+/)+(builds|lastStable|lastSuccessful)"
_SECRET = (
    r"secrets",
    r"secret\.key(\..*)?",
    r"identity\.key\.enc",
    r"credentials\.xml",
    r"users",
    rf"{re.escape(OWN)}/(token|password)",
)


@dataclass(frozen=True)
class Marker:
    """Whose home this is. The start script refuses a home whose marker is missing or names another master."""

    cluster: str
    name: str
    slot: int
    admin: str
    cloud_id: str
    framework_id: str

    def text(self) -> str:
        """The file's content."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    def renewed(self, *, name: str, slot: int, ids: Iterable[str] | None = None) -> Marker:
        """For a copy of the home under another name: with ids of its own, or two frameworks would evict each other."""
        cloud_id, framework_id = ids or _new_ids()
        return replace(self, name=name, slot=slot, cloud_id=cloud_id, framework_id=framework_id)


def new_marker(cluster: str, name: str, slot: int, admin: str, ids: Iterable[str] | None = None) -> Marker:
    """The marker of a new master.

    Args:
        ids: UUIDs of the cloud and, for plugin 2.x, of the framework; random ones by default.

    Raises:
        ClusterctlError: the name can't be a host label, an app id and a directory at the same time.
    """
    if not NAME.fullmatch(name):
        raise ClusterctlError(
            f"found master {name!r}; allowed: up to 32 lower-case letters, digits and '-', beginning with a letter"
        )
    cloud_id, framework_id = ids or _new_ids()
    return Marker(cluster, name, slot, admin, cloud_id, framework_id)


def read_marker(text: str) -> Marker:
    """The marker in a file's content.

    Raises:
        ClusterctlError: it is none.
    """
    try:
        found = Marker(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise ClusterctlError(f"not a marker of a Jenkins home: {error}") from error
    texts = (found.cluster, found.name, found.admin, found.cloud_id, found.framework_id)
    if not all(isinstance(each, str) for each in texts) or type(found.slot) is not int:
        raise ClusterctlError("not a marker of a Jenkins home: a value has a wrong type")
    if not NAME.fullmatch(found.name) or not all(map(_UUID.fullmatch, (found.cloud_id, found.framework_id))):
        raise ClusterctlError(f"not a marker of a Jenkins home: found name {found.name!r}, {found.cloud_id!r}")
    return found


def excluded(builds: bool, exclude: Iterable[str] = ()) -> re.Pattern[str]:
    """What a backup leaves out: matches whole paths below the home; what lies below such a path is out, too.

    Args:
        builds: take records and logs of builds.
        exclude: further paths, with ``*`` for anything but a slash.
    """
    own = (re.escape(each.strip("/")).replace(r"\*", "[^/]*") for each in exclude)
    parts = [*_OUT, *([] if builds else [_BUILDS]), *own]
    return re.compile(f"({'|'.join(f'(?:{part})' for part in parts)})(/.*)?")


def is_secret(path: PurePosixPath) -> bool:
    """Whether a path below the home holds what opens the master or what it has credentials for."""
    return re.fullmatch(f"({'|'.join(_SECRET)})(/.*)?", path.as_posix()) is not None


def _new_ids() -> tuple[str, str]:
    return str(uuid.uuid4()), str(uuid.uuid4())
