"""Pure: what ``playbooks/files/upgrade_facts.py`` found on a node, and whether an upgrade may touch it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from clusterctl.errors import ClusterctlError
from clusterctl.ops.upgrade.versions import forbidden
from clusterctl.releases import Release, Releases
from clusterctl.services import UNITS, ZOOKEEPER_PACKAGE, Service

_MARGIN_MIB = 64  # for dpkg's own files, and for the service to go on meanwhile


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PackageFacts(_Facts):
    """A Debian package; ``since``: when its files were last changed, in seconds of the epoch."""

    version: str = ""
    whole: bool = False
    since: float = 0.0
    candidate: str = ""


class RecordFacts(_Facts):
    """What a role recorded when it had installed an artifact."""

    sha256: str
    version: str
    since: float


class UnitFacts(_Facts):
    """A systemd unit; ``since``: when it became active, in seconds of the epoch."""

    active: bool = False
    since: float = 0.0


class NodeState(_Facts):
    """Everything; ``locked``: who holds dpkg's lock; ``marathon``: the current version."""

    locked: str = ""
    apt_error: str = ""
    broken: tuple[str, ...] = ()
    free_mib: dict[str, int] = {}
    packages: dict[str, PackageFacts] = {}
    records: dict[str, RecordFacts] = {}
    marathon: str = ""
    units: dict[str, UnitFacts] = {}

    @property
    def releases(self) -> Releases:
        """The artifacts that it has."""
        return {name: Release(name, each.version, each.sha256) for name, each in self.records.items()}

    def version(self, component: str) -> str:
        """What is installed; empty if nothing is."""
        if component == "zookeeper":
            return self.packages.get(ZOOKEEPER_PACKAGE, PackageFacts()).version
        if component == "marathon" and self.marathon:
            return self.marathon
        return self.records[component].version if component in self.records else ""


@dataclass(frozen=True)
class WantedArtifact:
    """A component as it shall be.

    Attributes:
        sha256, path: of its artifact, on the operator's machine.
        package: name of the Debian package that it is, if it is one.
        room_bytes: what a node needs for the copy of the artifact and its unpacked content.
    """

    component: str
    version: str
    sha256: str = ""
    path: Path | None = None
    package: str = ""
    room_bytes: int = 0

    @property
    def release(self) -> Release | None:
        """None for what is not an artifact."""
        return Release(self.component, self.version, self.sha256) if self.path is not None else None

    def variables(self) -> dict[str, object]:
        """For ``playbooks/upgrade.yml``."""
        found: dict[str, object] = {"roll_component": self.component, "roll_version": self.version}
        if self.path is not None:
            found[f"{self.component}_artifact"] = self.artifact
        return found

    @property
    def artifact(self) -> dict[str, str]:
        """As roles take it."""
        return {"src": str(self.path), "sha256": self.sha256, "version": self.version}


def parse_state(node: str, text: str) -> NodeState:
    """The state from the line that the script printed.

    Raises:
        ClusterctlError: it is not understood.
    """
    try:
        return NodeState.model_validate_json(text)
    except ValidationError as error:
        raise ClusterctlError(
            f"{node}: the answer of upgrade_facts.py is not understood: {error.errors()[0]['msg']}"
        ) from error


def has(state: NodeState, service: Service, wanted: WantedArtifact) -> bool:
    """Whether a service runs with what is wanted: installed, and started since."""
    unit = state.units.get(UNITS[service], UnitFacts())
    if wanted.component == "zookeeper":
        package = state.packages.get(ZOOKEEPER_PACKAGE, PackageFacts())
        installed, since = package.whole and package.version == wanted.version, package.since
    else:
        record = state.records.get(wanted.component)
        if record is None:
            return False
        installed, since = (record.sha256, record.version) == (wanted.sha256, wanted.version), record.since
    return installed and unit.active and unit.since >= since


def wrong_step(node: str, state: NodeState, wanted: WantedArtifact) -> str | None:
    """Why the version that a node has can't become the wanted one."""
    found = state.version(wanted.component)
    if not found:
        return f"{node}: has no {wanted.component} that `clusterctl image build` or an upgrade installed"
    why = forbidden(wanted.component, found, wanted.version)
    return f"{node}: {wanted.component}: {why}" if why else None


def obstacles(node: str, state: NodeState, wanted: WantedArtifact) -> Iterator[str]:
    """What would make the upgrade of a node fail halfway."""
    if state.locked:
        yield f"{node}: dpkg is locked by {state.locked}; wait until that is done, or end it"
    if state.broken:
        packages = ", ".join(state.broken)
        again = f"`clusterctl ssh FILE {node} sudo dpkg --configure -a`"
        yield f"{node}: dpkg did not finish with {packages}; {again} goes on, or says why it can't"
    if state.apt_error and wanted.component == "zookeeper":
        yield f"{node}: apt-get update: {state.apt_error}"
    room = math.ceil(wanted.room_bytes / 2**20) + _MARGIN_MIB
    for place, free in sorted(state.free_mib.items()):
        if free < room:
            yield f"{node}: {free} MiB are free in {place}, and {wanted.component} needs {room} MiB"
    candidate = state.packages.get(ZOOKEEPER_PACKAGE, PackageFacts()).candidate
    if wanted.component == "zookeeper" and wanted.version not in (state.version("zookeeper"), candidate):
        yield f"{node}: apt offers {ZOOKEEPER_PACKAGE} {candidate or 'not at all'}, wanted {wanted.version}"
