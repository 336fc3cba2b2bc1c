"""What a master's slot gives it: users, their numbers, and three ports. See docs/jenkins.md."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from clusterctl.errors import ClusterctlError
from clusterctl.spec.jenkins import MAX_SLOTS
from clusterctl.spec.model import ClusterSpec

# Fixed in the image (roles jenkins and builder); outside of the ranges that Debian and systemd give out by themselves:
# 1000 to 59999 is for people, of whom a node has one
MASTER_UID = 30000
BUILD_UID = 31000


@dataclass(frozen=True)
class Ports:
    """Ports of one master on its node; Marathon gives them as PORT0, PORT1 and PORT2."""

    http: int
    inbound: int
    libprocess: int


@dataclass(frozen=True)
class PortPlan:
    """How the agents' task ports are divided: HTTP and inbound agents from below, libprocess from above.

    Two slots never have a port in common on any node, and raising the number of masters moves no port of one that is
    there. What lies between is for tasks that take ports as they come.
    """

    low: int
    high: int
    masters: int

    def of(self, slot: int) -> Ports:
        """Ports of a slot."""
        first = self.low + 2 * (slot - 1)
        return Ports(http=first, inbound=first + 1, libprocess=self.high - (slot - 1))

    @property
    def http_and_inbound(self) -> tuple[int, int]:
        """First and last port of all masters that builds connect to."""
        return self.low, self.low + 2 * self.masters - 1

    @property
    def libprocess(self) -> tuple[int, int]:
        """First and last port that Mesos masters connect to, and nobody else."""
        return self.high - self.masters + 1, self.high

    @property
    def free(self) -> int:
        """Number of ports for other tasks."""
        return self.high - self.low + 1 - 3 * self.masters


def port_plan(spec: ClusterSpec) -> PortPlan:
    """The ports of a cluster file with section ``jenkins``."""
    if spec.jenkins is None:
        raise ClusterctlError(f"cluster {spec.cluster} has no Jenkins tier", hint="add 'jenkins: {}' to its file")
    low, high = spec.mesos.task_port_range
    return PortPlan(low, high, spec.jenkins.max_masters)


def master_user(slot: int) -> str:
    """Unix user of a master: owner of its home."""
    return f"jm-{_checked(slot):03d}"


def build_user(slot: int) -> str:
    """Unix user of a master's builds."""
    return f"b-{_checked(slot):03d}"


def master_uid(slot: int) -> int:
    """Number of the master's user and group."""
    return MASTER_UID + _checked(slot)


def build_uid(slot: int) -> int:
    """Number of the builds' user and group."""
    return BUILD_UID + _checked(slot)


def free_slots(taken: Collection[int], masters: int) -> list[int]:
    """Slots from 1 to ``masters`` that nobody has, lowest first."""
    return [slot for slot in range(1, masters + 1) if slot not in taken]


def _checked(slot: int) -> int:
    if not 1 <= slot <= MAX_SLOTS:
        raise ValueError(f"slot {slot}; allowed: 1 to {MAX_SLOTS}")
    return slot
