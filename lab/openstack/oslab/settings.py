"""Where the lab keeps things and what its parts are called."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
"""The directory lab/openstack."""

PASSWORD = "lab"
"""Password of every account inside the lab; nothing outside the machine reaches it."""

ZONES = {"vm": ["oslab"], "container": ["lxc1"], "fake": [f"fake{n}" for n in range(1, 7)]}
"""Availability zone -> its compute hosts."""


class LabError(Exception):
    """What went wrong and what to do, in words for the person who ran the command."""


@dataclass(frozen=True)
class Settings:
    """Names and places of one lab.

    `index` tells labs on one machine apart (0 is the usual one): it is part of every name and address.
    """

    state: Path
    cache: Path
    index: int = 0

    @property
    def name(self) -> str:
        """Name of the network namespace, of the machine and of the control groups."""
        return "clusterctl-lab" + self._suffix

    @property
    def _suffix(self) -> str:
        return str(self.index) if self.index else ""

    @property
    def gateway(self) -> str:
        """Address of the lab's APIs; the servers' gateway."""
        return f"10.{50 + 2 * self.index}.0.1"

    @property
    def network(self) -> str:
        """The servers' network, a /22."""
        return f"10.{50 + 2 * self.index}.0.0/22"

    @property
    def link_host(self) -> str:
        """The machine's end of the wire into the lab."""
        return f"10.{51 + 2 * self.index}.0.1"

    @property
    def link_lab(self) -> str:
        """The lab's end of that wire."""
        return f"10.{51 + 2 * self.index}.0.2"

    @property
    def veth_host(self) -> str:
        return f"lab{self._suffix}-host"

    @property
    def rootfs(self) -> Path:
        """The container's root: an overlay of the cached tree and `upper`."""
        return self.state / "rootfs"

    @property
    def data(self) -> Path:
        """Databases, images, disks and volumes: a file system of its own (see storage.py)."""
        return self.state / "data"

    @property
    def key(self) -> Path:
        """Private SSH key whose public half is the key pair `ops`."""
        return self.state / "id_ed25519"

    @property
    def clouds(self) -> Path:
        return self.state / "clouds.yaml"

    @property
    def git(self) -> Path:
        """Bare git repositories that the gateway serves to the servers by HTTP."""
        return self.state / "git"


def from_environment(env: Mapping[str, str] = os.environ) -> Settings:
    """Reads CLUSTERCTL_LAB_STATE, CLUSTERCTL_CACHE and CLUSTERCTL_LAB_INDEX.

    Raises LabError if the index is not a number from 0 to 9.
    """
    index = env.get("CLUSTERCTL_LAB_INDEX", "0")
    if not (index.isdecimal() and int(index) <= 9):
        raise LabError(f"CLUSTERCTL_LAB_INDEX={index}: a number from 0 to 9 is needed")
    state = env.get("CLUSTERCTL_LAB_STATE") or "/var/lib/clusterctl-lab" + (index if int(index) else "")
    cache = env.get("CLUSTERCTL_CACHE") or "/var/cache/clusterctl"
    return Settings(Path(state).absolute(), Path(cache).absolute(), int(index))
