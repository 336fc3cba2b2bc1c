"""Names and places of the test hosts. A lab is a set of hosts that see each other; labs don't see one another."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from oslab.settings import LabError
from oslab.settings import from_environment as openstack_lab

HERE = Path(__file__).resolve().parent.parent
"""The directory lab/hosts."""

ROOT = HERE.parent.parent
"""The project."""

GATEWAY = "10.99.0.1/24"
"""Address of a lab's bridge; every host gets an address of this network, the same in each lab."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")


@dataclass(frozen=True)
class Lab:
    """A lab: its state directory and its network namespace."""

    name: str
    state: Path

    @property
    def namespace(self) -> str:
        return f"clhosts-{self.name}"

    @property
    def key(self) -> Path:
        """Private SSH key that root's public half is on every host for."""
        return self.state / "id_ed25519"

    @property
    def host_key(self) -> Path:
        """Private host key that all hosts of the lab share, so that it can be pinned before they exist."""
        return self.state / "host_key"

    @property
    def known_hosts(self) -> Path:
        return self.state / "known_hosts"


@dataclass(frozen=True)
class Host:
    """A host of a lab."""

    lab: Lab
    name: str

    @property
    def id(self) -> str:
        """Name of the container and of its control groups."""
        return f"{self.lab.namespace}-{self.name}"

    @property
    def state(self) -> Path:
        return self.lab.state / self.name

    @property
    def root(self) -> Path:
        """The mounted root file system."""
        return self.state / "root"

    @property
    def console(self) -> Path:
        return self.state / "console.log"


def cache_directory() -> Path:
    return openstack_lab().cache


def states_directory() -> Path:
    """Beside the state of the OpenStack lab: that one is removed as a whole."""
    return Path(os.environ.get("CLUSTERCTL_HOSTS_STATE") or "/var/lib/clusterctl-hosts").absolute()


def lab(name: str) -> Lab:
    """Raises LabError if the name could not be part of an interface's or a control group's name."""
    if not _NAME.fullmatch(name):
        raise LabError(f"{name!r}: a lab's name is lower-case letters, digits, '_' and '-', at most 31")
    return Lab(name, states_directory() / name)


def host(of: Lab, name: str) -> Host:
    """Raises LabError as ``lab``."""
    if not _NAME.fullmatch(name):
        raise LabError(f"{name!r}: a host's name is lower-case letters, digits, '_' and '-', at most 31")
    return Host(of, name)


def hosts(of: Lab) -> list[Host]:
    """The hosts that exist in a lab, running or not."""
    return [Host(of, path.name) for path in sorted(of.state.glob("*/")) if (path / "up").is_dir()]
