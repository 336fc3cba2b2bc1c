"""Pure: what room there is for masters on their nodes, and who goes where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clusterctl.amounts import amount
from clusterctl.errors import ClusterctlError
from clusterctl.health.expect import Node
from clusterctl.health.facts import AgentFacts
from clusterctl.jenkins.slots import free_slots
from clusterctl.ops.jenkins.survey import Survey
from clusterctl.spec.jenkins import JenkinsSettings

# Kept free on a volume: a full one stops every master on it
SPARE = 0.05
# A home without plugins: configuration, a few jobs, logs of the first builds
_HOME_MIB = 64


@dataclass(frozen=True)
class Room:
    """What is left on a node. ``why``: no master can start there now, whatever is left."""

    node: Node
    cpus: float
    mem_mib: float
    disk_mib: float
    home_mib: int
    why: str = ""

    def fits(self, jenkins: JenkinsSettings, *, home: bool = True) -> int:
        """How many masters go in; ``home``: each with a new home."""
        if self.why:
            return 0
        counts = [_whole(self.cpus / jenkins.master.cpus), _whole(self.mem_mib / jenkins.master.mem_mib)]
        return max(0, min([*counts, _whole(self.disk_mib / self.home_mib)] if home else counts))

    def bound(self, jenkins: JenkinsSettings) -> str:
        """What there is least of: ``cpus``, ``memory`` or ``disk``."""
        left = {
            "cpus": self.cpus / jenkins.master.cpus,
            "memory": self.mem_mib / jenkins.master.mem_mib,
            "disk": self.disk_mib / self.home_mib,
        }
        return min(left, key=lambda key: left[key])

    def less(self, jenkins: JenkinsSettings, *, home: bool = True) -> Room:
        """With one master more."""
        return replace(
            self,
            cpus=self.cpus - jenkins.master.cpus,
            mem_mib=self.mem_mib - jenkins.master.mem_mib,
            disk_mib=self.disk_mib - (self.home_mib if home else 0),
        )


def rooms(survey: Survey, agents: Mapping[str, AgentFacts]) -> dict[str, Room]:
    """By node name. Masters that hibernate take nothing; those that only wait to be launched count.

    Args:
        agents: active ones by address.
    """
    return {host.node.name: _room(survey, host.node, agents.get(host.node.address)) for host in survey.hosts}


def _room(survey: Survey, node: Node, agent: AgentFacts | None) -> Room:
    host = survey.host(node)
    why = host.error
    if not why and agent is None:
        why = "its Mesos agent is not registered"
    if not why and host.current is None:
        why = "it has no Jenkins: its image was built without one"
    resources = agent.resources if agent else {}
    apps = [app for app in survey.apps.values() if app.address == node.address and app.instances]
    cpus, mem = survey.elsewhere.get(node.address, (0.0, 0.0))
    return Room(
        node=node,
        cpus=float(resources.get("cpus", 0)) - cpus - sum(app.cpus for app in apps),
        mem_mib=float(resources.get("mem", 0)) - mem - sum(app.mem_mib for app in apps),
        disk_mib=host.free_mib - SPARE * host.size_mib,
        # plugins lie in a home twice: as they came, and unpacked
        home_mib=_HOME_MIB + 2 * host.releases.get(host.current or "", 0),
        why=why,
    )


def place(survey: Survey, spaces: Mapping[str, Room], names: Sequence[str]) -> dict[str, tuple[Node, int]]:
    """A node and a slot for each new master; spread evenly, so that one node's loss hurts few.

    Raises:
        ClusterctlError: they don't all fit; says what there is room for, and what bounds it.
    """
    jenkins = survey.spec.jenkins
    assert jenkins is not None  # noqa: S101  (a tier was opened)
    if names and survey.silent:
        told = "\n".join(f"{host.node}: {host.error}" for host in survey.silent)
        raise ClusterctlError(
            f"a slot can't be given to a new master as long as not every home is known:\n{told}",
            hint="`clusterctl repair FILE --apply` repairs nodes.",
        )
    free = free_slots(survey.slots, jenkins.max_masters)
    left = dict(spaces)
    found: dict[str, tuple[Node, int]] = {}
    for name, slot in zip(names, free, strict=False):
        best = max(left.values(), key=lambda room: (room.fits(jenkins), -_position(survey, room.node)))
        if not best.fits(jenkins):
            break
        found[name] = (best.node, slot)
        left[best.node.name] = best.less(jenkins)
    if len(found) == len(names):
        return found
    if len(free) < len(names) and len(found) == len(free):
        raise ClusterctlError(
            f"{len(names)} new masters, and {len(free)} slots are free of jenkins.max_masters = {jenkins.max_masters}; "
            "nothing was made",
            hint="Raise jenkins.max_masters; a home that was kept has a slot, too (`clusterctl jenkins list FILE`).",
        )
    group = survey.spec.masters_group or ""
    raise ClusterctlError(
        f"{len(names)} new masters, and there is room for {len(found)}; nothing was made:\n"
        + "\n".join(told_room(room, jenkins) for room in spaces.values()),
        hint=f"Add nodes: `clusterctl scale FILE {group}={survey.spec.groups[group].count + 1}`. "
        "Or hibernate masters that are idle.",
    )


def told_room(room: Room, jenkins: JenkinsSettings) -> str:
    """One line: ``demo-jenkins-1 (10.0.0.11): room for 2, bound by memory``."""
    if room.why:
        return f"{room.node}: {room.why}"
    left = f"{amount(room.cpus)} cpus, {amount(room.mem_mib)} MiB, {max(room.disk_mib, 0):.0f} MiB of disk left"
    return f"{room.node}: room for {room.fits(jenkins)}, bound by {room.bound(jenkins)} ({left})"


def _position(survey: Survey, node: Node) -> int:
    return [host.node.name for host in survey.hosts].index(node.name)


def _whole(number: float) -> int:
    return int(number + 1e-6)
