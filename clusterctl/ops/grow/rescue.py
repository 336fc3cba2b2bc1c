"""Pure: how the ensembles of a group come to a majority again, from what is left of their members.

The rule that makes it safe: until the survivors are followed, there are exactly as many members as a majority takes.
Then no majority is without any of them, and an election finds the newest of their data (ZooKeeper compares epoch and
zxid): empty members can't elect each other. The other members join the majority afterwards, one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from clusterctl.errors import ClusterctlError, InputError, NodeError
from clusterctl.health.leaders import leader_of, takes_part
from clusterctl.ops.lifecycle.majorities import holds_data
from clusterctl.ops.observe.look import Look
from clusterctl.plan import failed_build
from clusterctl.remote.members import MemberData
from clusterctl.resources import Observed, Server
from clusterctl.services import ENSEMBLES, Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import NamedNode, quorum, topology

Data = Mapping[str, MemberData | NodeError]
_BEGIN_ANEW = (
    "`clusterctl recover FILE --from-backup DIRECTORY` begins with empty members and Marathon's state of a backup, "
    "`clusterctl recover FILE --empty` with nothing."
)


@dataclass(frozen=True)
class Rescue:
    """The way of one group.

    Attributes:
        keep: members that go on with what they have.
        discard: servers that are deleted.
        first: members that are made together; with ``keep`` they are a majority and no more.
        rest: members that are made afterwards, one by one.
        lines: for a person: what is there, what is done, what is lost.
    """

    group: str
    keep: tuple[str, ...]
    discard: tuple[Server, ...]
    first: tuple[str, ...]
    rest: tuple[str, ...]
    lines: tuple[str, ...]


def ensemble_groups(spec: ClusterSpec) -> dict[str, tuple[Service, ...]]:
    """Groups with members of ensembles, that of ZooKeeper first: masters need it."""
    found: dict[str, tuple[Service, ...]] = {}
    for service in ENSEMBLES:
        for name in spec.groups_of(service):
            found[name] = (*found.get(name, ()), service)
    return found


def without_majority(look: Look) -> list[str]:
    """Ensembles of which no majority takes part, each in words; empty: there is nothing to recover."""
    found = []
    for service in ENSEMBLES:
        serving = serving_members(look, service)
        size = look.expect.size[service]
        if len(serving) < quorum(size):
            found.append(f"{service}: {len(serving)} of {size} members serve, and {quorum(size)} are a majority")
    return found


def serving_members(look: Look, service: Service) -> list[str]:
    """Names of the members that take part."""
    return [
        node.name
        for node in look.expect.running(service)
        if takes_part(service, look.expect, node, look.facts.get(node.name))
    ]


def rescue(spec: ClusterSpec, observed: Observed, look: Look, data: Data, chosen: Collection[str] = ()) -> list[Rescue]:
    """From survivors: the groups in the order in which they are brought back.

    Args:
        data: of every member that has a server.
        chosen: names of the survivors to go on with; empty for all that are there.

    Raises:
        InputError: a chosen name has no server, or none of an ensemble.
        ClusterctlError: a survivor can't be asked, holds newer data than those that serve, or none holds any.
    """
    groups = ensemble_groups(spec)
    members = {node.name for node in topology(spec).nodes if node.group in groups}
    there = {
        s.node: s
        for s in observed.servers
        if s.node and s.node in members and not failed_build(s) and s.status != "DELETED"
    }
    if unknown := sorted(set(chosen) - set(there)):
        allowed = ", ".join(sorted(there)) or "none, since no member is left"
        raise InputError(f"--from: found {unknown[0]!r}; allowed: {allowed}")
    found = []
    for group, services in groups.items():
        nodes = [node for node in topology(spec).nodes if node.group == group]
        mine = [node.name for node in nodes if node.name in chosen] or [n.name for n in nodes if n.name in there]
        _askable(there, mine, data, chosen)
        if Service.ZOOKEEPER in services and not chosen:
            _newest_serves(look, mine, data)
        full, empty = _sorted(spec, observed, nodes, mine, data, services)
        need = quorum(len(nodes))
        keep = (*full, *empty[: max(0, need - len(full))])
        missing = [node.name for node in nodes if node.name not in keep]
        # a member with a volume brings its data
        missing.sort(key=lambda name: not _on_volume(spec, observed, nodes, name, services))
        first = tuple(missing[: max(0, need - len(keep))])
        discard = tuple(server for name, server in there.items() if name in missing)
        rest = tuple(name for name in missing if name not in first)
        lines = _lines(group, keep, first, rest, discard, data)
        found.append(Rescue(group, keep, discard, first, rest, tuple(lines)))
    return found


def anew(spec: ClusterSpec, observed: Observed, data: Data) -> list[Rescue]:
    """With empty members only: all servers of ensembles are given up.

    Raises:
        ClusterctlError: a volume would bring old data in.
    """
    found = []
    nodes = topology(spec).nodes
    for group, services in ensemble_groups(spec).items():
        mine = [node for node in nodes if node.group == group]
        for node in mine:
            if any(holds_data(spec, observed, node, service) for service in services):
                ids = ", ".join(volume.id for volume in observed.volumes if volume.name == node.name)
                raise ClusterctlError(
                    f"volume {node.name} ({ids}) holds data of {node.name}, with which it would not begin anew",
                    hint="`clusterctl recover FILE` goes on with these data. If they are to be lost: delete the "
                    "server and the volume with OpenStack's own commands, then run the same command again.",
                )
        discard = tuple(s for s in observed.servers if s.node in {node.name for node in mine} and not failed_build(s))
        names = tuple(node.name for node in mine)
        lines = [f"group {group}: {', '.join(names)} begin empty"]
        lines += [_deleted(server, data) for server in discard]
        found.append(Rescue(group, (), discard, names, (), tuple(lines)))
    return found


def _askable(there: Mapping[str, Server], names: Sequence[str], data: Data, chosen: Collection[str]) -> None:
    for name in names:
        server, seen = there[name], data.get(name)
        if server.status == "ACTIVE" and isinstance(seen, MemberData):
            continue
        why = seen.message if server.status == "ACTIVE" and isinstance(seen, NodeError) else f"it is {server.status}"
        others = [other for other in names if other != name]
        instead = f"`clusterctl recover FILE --from {','.join(others)}` goes on without it. " if others else ""
        raise ClusterctlError(
            f"{name} can't be asked what it holds: {why}. It may have the newest data; nothing was touched",
            hint=f"Bring it back first. If it is lost for good: {instead if not chosen else ''}{_BEGIN_ANEW}",
        )


def _newest_serves(look: Look, names: Sequence[str], data: Data) -> None:
    """A majority of members that began empty shuts a survivor out, whose epoch is higher than its leader's."""
    leader = leader_of(Service.ZOOKEEPER, look.expect, look.facts)
    if leader is None:
        return
    epoch = _epoch(data.get(leader))
    serving = serving_members(look, Service.ZOOKEEPER)
    for name in names:
        if name not in serving and _epoch(data.get(name)) > epoch:
            raise ClusterctlError(
                f"there are two histories: {name} is at ZooKeeper's epoch {_epoch(data.get(name))}, and an ensemble of "
                f"{', '.join(serving)} at epoch {epoch}; it began empty, and {name} can't join it. Nothing was touched",
                hint=f"`clusterctl recover FILE --from {name}` goes on with the old data, loses what was done since; "
                f"`clusterctl recover FILE --from {','.join(serving)}` keeps the new data and loses the old.",
            )


def _epoch(seen: MemberData | NodeError | None) -> int:
    return seen.zookeeper.epoch if isinstance(seen, MemberData) and seen.zookeeper else 0


def _sorted(
    spec: ClusterSpec,
    observed: Observed,
    nodes: Sequence[NamedNode],
    names: Sequence[str],
    data: Data,
    services: Sequence[Service],
) -> tuple[list[str], list[str]]:
    """Those that hold data and those that hold none. Raises ClusterctlError if nobody does."""

    def holds(name: str) -> bool:
        seen = data.get(name)
        if not isinstance(seen, MemberData):
            return False
        if Service.ZOOKEEPER in services:
            return seen.zookeeper is not None and not seen.zookeeper.empty
        return seen.mesos_master is not None and seen.mesos_master.bytes > 0

    full = [name for name in names if holds(name)]
    on_volumes = any(_on_volume(spec, observed, nodes, node.name, services) for node in nodes if node.name not in names)
    if not full and not on_volumes:
        group = nodes[0].group
        left = f"what is left of it ({', '.join(names)}) holds no data" if names else "no member is left"
        raise ClusterctlError(f"group {group} can't be recovered from its members: {left}", hint=_BEGIN_ANEW)
    return full, [name for name in names if name not in full]


def _on_volume(
    spec: ClusterSpec, observed: Observed, nodes: Sequence[NamedNode], name: str, services: Sequence[Service]
) -> bool:
    node = next(node for node in nodes if node.name == name)
    return any(holds_data(spec, observed, node, service) for service in services)


def _lines(
    group: str,
    keep: Sequence[str],
    first: Sequence[str],
    rest: Sequence[str],
    discard: Sequence[Server],
    data: Data,
) -> list[str]:
    lines = [f"+ {name} goes on with {_held(data.get(name))}" for name in keep]
    lines += [_deleted(server, data) for server in discard]
    if first:
        lines.append(f"group {group}: {', '.join(first)} made first, so that there are no more members than a majority")
    if rest:
        lines.append(f"group {group}: then {', '.join(rest)}, one by one")
    if first or discard:
        lines.append("lost: what only the others knew, at most the last moments before they went")
    return lines


def _held(seen: MemberData | NodeError | None) -> str:
    if not isinstance(seen, MemberData):
        return "what it has"
    parts = []
    if seen.zookeeper is not None:
        parts.append(
            f"ZooKeeper's epoch {seen.zookeeper.epoch}, last written {seen.zookeeper.when}"
            if not seen.zookeeper.empty
            else "an empty ZooKeeper"
        )
    if seen.mesos_master is not None:
        parts.append(f"the masters' log, last written {seen.mesos_master.when}")
    return " and ".join(parts)


def _deleted(server: Server, data: Data) -> str:
    seen = data.get(str(server.node))
    if isinstance(seen, MemberData):
        lost = f"lost with it: {_held(seen)}"
    else:
        lost = f"what it held is unknown{f' ({seen.message})' if isinstance(seen, NodeError) else ''}, and lost"
    return f"- {server.node} ({server.status}): its server is deleted; {lost}"
