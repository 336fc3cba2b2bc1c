"""Pure: which ensembles were whole once and have lost their majority.

A member that starts empty is harmless only beside a majority of members that hold the data. Without one, enough empty
members elect each other, and the data of a survivor, or of a volume, are shut out for good. So such members are made by
``recover`` alone, which asks the survivors first and makes no more of them than can't do without a survivor.

Whether there was ever a majority is read from the cloud. A member has run if its server came up once, or if its port
was bound to a server once: ports come before all servers (D3), so those of a ``create`` that was killed were not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from clusterctl.errors import ClusterctlError
from clusterctl.plan import failed_build
from clusterctl.resources import Observed, Server
from clusterctl.services import ENSEMBLES, Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.zookeeper_rules import ZOOKEEPER_DATA, log_directory
from clusterctl.topology import NamedNode, quorum, topology

# Where the members of an ensemble keep what they voted for. ZooKeeper's log may lie elsewhere; a rule of the file
# (spec.zookeeper_rules) sees to it that it shares the fate of the rest
DATA = {Service.ZOOKEEPER: ZOOKEEPER_DATA, Service.MESOS_MASTER: "/var/lib/mesos/master"}
_RUNNING = ("ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT")


class LostMajorityError(ClusterctlError):
    """Members of an ensemble are missing, and making them would give an empty ensemble beside lost data."""


@dataclass(frozen=True)
class Lost:
    """An ensemble without a majority.

    Attributes:
        missing: names of members without a server.
        left: names of members that have a server, each with its status.
        kept: names of missing members whose volume holds their data.
    """

    service: Service
    size: int
    missing: tuple[str, ...]
    left: tuple[str, ...]
    kept: tuple[str, ...]

    @property
    def line(self) -> str:
        """For a person: one line."""
        there = f"left are {', '.join(self.left)}" if self.left else "none is left"
        volumes = f", and the volumes of {', '.join(self.kept)}" if self.kept else ""
        return (
            f"{self.service}: {', '.join(self.missing)} of {self.size} members have no server, {there}{volumes}; "
            f"{quorum(self.size)} are needed to carry the state over to a new one"
        )


def lost_majorities(spec: ClusterSpec, observed: Observed, *, started: bool = False) -> list[Lost]:
    """The ensembles whose missing members must not be made as by ``create``.

    Args:
        started: counts servers that are shut off as running: they are about to be started.
    """
    alive = {s.node: s for s in observed.servers if s.node and not failed_build(s) and s.status != "DELETED"}
    running = (*_RUNNING, "SHUTOFF") if started else _RUNNING
    found = []
    for service in ENSEMBLES:
        members = topology(spec).running(service)
        need = quorum(len(members))
        missing = [node for node in members if node.name not in alive]
        there = [alive[node.name] for node in members if node.name in alive]
        kept = [node.name for node in missing if holds_data(spec, observed, node, service)]
        up = sum(server.status in running and server.task_state != "deleting" for server in there)
        if missing and up + len(kept) < need <= _ever(observed, members, there):
            found.append(
                Lost(
                    service,
                    len(members),
                    tuple(node.name for node in missing),
                    tuple(f"{server.node} ({server.status})" for server in there),
                    tuple(kept),
                )
            )
    return found


def _ever(observed: Observed, members: Iterable[NamedNode], there: Iterable[Server]) -> int:
    """How many members have run."""
    if not observed.servers and not observed.volumes:
        return 0  # nothing is left that could hold or miss anything
    ran = {server.node for server in there if server.launched}
    bound = {port.name for port in observed.ports if port.used and not _of_failed_build(observed, port.device_id)}
    ports = {port.name for port in observed.ports}
    # A member without a port, where servers are: it was taken away, or never belonged to the ensemble that is there
    portless = any(not failed_build(server) for server in observed.servers)
    present = {server.node for server in there}
    return sum(
        node.name in ran or (node.name not in present and (node.name in bound or (portless and node.name not in ports)))
        for node in members
    )


def _of_failed_build(observed: Observed, device: str) -> bool:
    return any(server.id == device and failed_build(server) for server in observed.servers)


def data_directories(spec: ClusterSpec) -> Mapping[Service, Sequence[str]]:
    """Where members keep their data, the main directory first."""
    log = log_directory(spec)
    return {
        service: (directory, log) if service is Service.ZOOKEEPER and log else (directory,)
        for service, directory in DATA.items()
    }


def holds_data(spec: ClusterSpec, observed: Observed, node: NamedNode, service: Service) -> bool:
    """Whether the node's data of this service lie on a volume that exists."""
    volume = spec.groups[node.group].volume
    if volume is None or not any(each.name == node.name for each in observed.volumes):
        return False
    path = PurePosixPath(DATA[service])
    return PurePosixPath(volume.mount) in (path, *path.parents)


def refuse_lost(spec: ClusterSpec, observed: Observed) -> None:
    """Raises: LostMajorityError: missing members would form an ensemble of their own, without the data of the old."""
    if lost := lost_majorities(spec, observed):
        raise LostMajorityError(told(spec, lost), hint=way_out(spec, observed))


def told(spec: ClusterSpec, lost: Sequence[Lost]) -> str:
    """For a person: what was found, and that nothing is done about it."""
    lines = "".join(f"\n  {each.line}" for each in lost)
    return (
        f"cluster {spec.cluster} has lost the majority of an ensemble; new members would be empty, elect each other "
        f"and shut out the data that are left, so nothing was made:{lines}"
    )


def way_out(spec: ClusterSpec, observed: Observed) -> str:
    """The command that goes on."""
    if not lost_majorities(spec, observed, started=True):
        return "`clusterctl repair FILE --apply` starts the members that are shut off; they are a majority."
    gone = not any(each.left for each in lost_majorities(spec, observed))
    return (
        "`clusterctl recover FILE` finds what is left, says what would be lost and restores the cluster; "
        "`clusterctl recover FILE --from-backup DIRECTORY` and `--empty` begin anew."
        + (" If it was to be removed: `clusterctl destroy FILE` completes that." if gone else "")
    )
