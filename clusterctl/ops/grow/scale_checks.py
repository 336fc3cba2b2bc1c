"""What ``scale`` finds before it does anything: how many nodes there are, what must not be done, and who has to go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from clusterctl.counts import Counts
from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.grow.agents import Victim, choose_victims, victims
from clusterctl.ops.grow.operation import Operation
from clusterctl.plan import alive
from clusterctl.resources import Observed, Server
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import node_name


@dataclass(frozen=True)
class Options:
    """How a group shrinks.

    Attributes:
        remove: names of the nodes that are to go; none: the emptiest, of them the youngest.
        deadline_s: for draining all of them.
        force: doesn't wait for their tasks to end.
        with_volumes: deletes the volumes of named nodes that go.
    """

    remove: tuple[str, ...] = ()
    deadline_s: float = 600
    force: bool = False
    with_volumes: bool = False


@dataclass(frozen=True)
class Change:
    """One group's way from ``have`` servers to ``target``."""

    group: str
    have: int
    target: int

    @property
    def line(self) -> str:
        """For a person: one line."""
        return f"group {self.group}: {self.have} -> {self.target} nodes"


def is_agents(spec: ClusterSpec, group: str) -> bool:
    """Whether the group runs agents."""
    return Service.MESOS_AGENT in spec.groups[group].services


def is_ensemble(spec: ClusterSpec, group: str) -> bool:
    """Whether the group runs a service whose members must keep a majority."""
    return bool({Service.ZOOKEEPER, Service.MESOS_MASTER} & set(spec.groups[group].services))


def changes(observed: Observed, spec: ClusterSpec, counts: Counts) -> list[Change]:
    """Where each group of ``counts`` is. Raises ClusterctlError for one that is incomplete."""
    return [Change(group, _have(observed, spec, group), count) for group, count in counts.items()]


def _have(observed: Observed, spec: ClusterSpec, group: str) -> int:
    servers = [server for server in alive(observed) if server.group == group]
    if not spec.groups[group].named:
        return sum(server.node is None for server in servers)
    present = [server.node for server in servers if server.node]
    names = _names(spec, group, range(1, len(set(present)) + 1))
    if sorted(present) != sorted(names):
        missing = sorted(set(names) - set(present))
        what = f"{', '.join(missing)} has no server" if missing else "a node has more than one server"
        raise ClusterctlError(
            f"group {group} is incomplete: {what}", hint="`clusterctl repair FILE --apply` fixes it first."
        )
    return len(present)


def refuse(
    file: ClusterSpec, wanted: ClusterSpec, observed: Observed, found: Sequence[Change], options: Options
) -> None:
    """Checks what must not be done.

    Raises:
        InputError: a majority would break, or words don't go together.
        ClusterctlError: other groups are not as the file says, so that the cluster would not be healthy afterwards.
    """
    control = [change for change in found if not is_agents(wanted, change.group)]
    if control and len(found) > 1:
        raise InputError(
            f"GROUP=N: {control[0].group} is a group of control nodes, and others are named with it; allowed: one such "
            "group at a time, alone"
        )
    for change in control:
        if is_ensemble(wanted, change.group) and min(change.have, change.target) < 3:
            raise InputError(
                f"{change.group}={change.target}: a group of ZooKeepers or masters can't go from {change.have} to "
                f"{change.target} nodes: "
                "below three there is no majority to carry the state over (a master would begin with an "
                "empty log). Allowed: between 3, 5, 7, ...",
                hint="Make a new cluster of the wanted size.",
            )
    if options.remove and control:
        raise InputError("--remove: allowed for agents only; of control nodes the highest ordinals go")
    named = {change.group for change in found}
    for group in wanted.groups:
        if group not in named and (have := _have(observed, file, group)) != (count := file.groups[group].count):
            hint = f"Set its count to {have} in the file, or bring it there: `clusterctl scale FILE {group}={count}`."
            if have < count:
                hint = "`clusterctl create FILE` completes it."
            raise ClusterctlError(f"group {group} has {have} nodes, and the file says {count}", hint=hint)


def leaving(
    op: Operation, wanted: ClusterSpec, observed: Observed, found: Sequence[Change], options: Options
) -> list[Victim]:
    """The agents that go.

    Raises:
        InputError: ``remove`` doesn't fit the numbers.
        MasterError: the leading master can't be asked what runs on them.
    """
    shrinking = [change for change in found if change.target < change.have and is_agents(wanted, change.group)]
    groups = {change.group for change in shrinking}
    candidates = [server for server in alive(observed) if server.group in groups]
    # A name that no server has is gone already, after a run that was killed; if it isn't, the count below tells
    staying = {server.name for server in alive(observed)} & set(options.remove) - {each.name for each in candidates}
    if staying:
        raise InputError(f"--remove: found {', '.join(sorted(staying))}, of a group that doesn't shrink by GROUP=N")
    if not shrinking:
        return []
    known = {each.server.id: each for each in victims(op, candidates)}
    going: list[Victim] = []
    for change in shrinking:
        mine = [server for server in candidates if server.group == change.group]
        if wanted.groups[change.group].named:
            going += [known[server.id] for server in _last(wanted, change, mine, options.remove)]
        elif options.remove:
            going += [known[server.id] for server in _chosen(change, mine, options.remove)]
        else:
            going += choose_victims([known[server.id] for server in mine], change.have - change.target)
    return going


def _chosen(change: Change, servers: Sequence[Server], names: Collection[str]) -> list[Server]:
    """The agents that the operator named."""
    count = change.have - change.target
    chosen = [server for server in servers if server.name in names]
    if len(chosen) != count:
        known = ", ".join(sorted(server.name for server in servers))
        raise InputError(
            f"--remove: found {len(chosen)} nodes of group {change.group}; allowed: {count} of {known}, as GROUP=N says"
        )
    return chosen


def _last(spec: ClusterSpec, change: Change, servers: Sequence[Server], names: Collection[str]) -> list[Server]:
    """The named nodes with the highest ordinals."""
    last = _names(spec, change.group, range(change.target + 1, change.have + 1))
    mine = {server.name for server in servers} & set(names)
    if mine and mine != set(last):
        raise InputError(
            f"--remove: found {', '.join(sorted(mine))}; allowed: {', '.join(last)}. Nodes of group {change.group} "
            "have volumes and names of their own: the highest ordinals go, and "
            f"`clusterctl replace FILE {last[0]}` replaces a single one"
        )
    return [server for server in servers if server.node in last]


def leaving_lines(spec: ClusterSpec, found: Sequence[Change], options: Options) -> list[str]:
    """What goes of groups of control nodes, one line each."""
    return [
        f"- {name}, with its address{' and its volume' * (options.with_volumes and bool(spec.groups[c.group].volume))}"
        for c in found
        if not is_agents(spec, c.group)
        for name in _names(spec, c.group, range(c.target + 1, c.have + 1))
    ]


def surplus(observed: Observed, wanted: ClusterSpec, groups: Iterable[str], *, with_volumes: bool) -> list[str]:
    """Names of the ports (and volumes) of these groups whose ordinal is above the count."""
    names = {port.name for port in observed.ports}
    if with_volumes:
        names |= {volume.name for volume in observed.volumes}
    found: list[str] = []
    for group in groups:
        prefix = node_name(wanted.cluster, group, 0).removesuffix("0")
        kept = set(_names(wanted, group, range(1, wanted.groups[group].count + 1)))
        found += {name for name in names - kept if name.startswith(prefix) and name.removeprefix(prefix).isdecimal()}
    return sorted(found)


def _names(spec: ClusterSpec, group: str, ordinals: Iterable[int]) -> list[str]:
    return [node_name(spec.cluster, group, ordinal) for ordinal in ordinals]
