"""Pure: what is wanted against what is there -> what must be done, in order.

The one mechanism behind create, resume and repair (D2): a plan for a complete cluster is empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from clusterctl.resources import (
    Observed,
    Server,
    Volume,
    server_group_name,
)
from clusterctl.spec.model import ClusterSpec
from clusterctl.tierchanges import NetworkChanges, network_changes
from clusterctl.topology import AgentPool, NamedNode, Topology, topology

# Nova's policies for the file's words
POLICIES = {"soft": "soft-anti-affinity", "hard": "anti-affinity"}


@dataclass(frozen=True)
class ServerGroupAction:
    """A Nova server group to make for a node group."""

    group: str
    name: str
    policy: str


@dataclass(frozen=True)
class Plan:
    """What must be written to the cloud. Empty tuples mean: nothing of that kind."""

    network: NetworkChanges = field(default=NetworkChanges())
    server_groups: tuple[ServerGroupAction, ...] = ()
    ports: tuple[NamedNode, ...] = ()
    volumes: tuple[NamedNode, ...] = ()
    discard: tuple[Server, ...] = ()  # builds that never came up; deleted before their successors are made
    boot: tuple[NamedNode, ...] = ()
    pools: tuple[AgentPool, ...] = ()  # count = agents still missing
    problems: tuple[str, ...] = field(default=())  # what create doesn't repair by itself

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (
            not self.network.empty
            or self.server_groups
            or self.ports
            or self.volumes
            or self.discard
            or self.boot
            or self.pools
        )

    @property
    def makes_nodes(self) -> bool:
        """Whether something is made that needs the names of the file: image, network, flavors, key pair, zones."""
        return bool(self.ports or self.volumes or self.boot or self.pools)

    @property
    def new_servers(self) -> int:
        """Number of servers that will be made."""
        return len(self.boot) + sum(pool.count for pool in self.pools)

    @property
    def groups_of_new_servers(self) -> list[str]:
        """Groups that will get servers."""
        return list(dict.fromkeys([*(node.group for node in self.boot), *(pool.group for pool in self.pools)]))

    def limited(self, *, nodes: Collection[str] = (), groups: Collection[str] = ()) -> Plan:
        """The part that makes these named nodes, and the agents and server groups of these groups."""
        return Plan(
            server_groups=tuple(action for action in self.server_groups if action.group in groups),
            ports=tuple(node for node in self.ports if node.name in nodes),
            volumes=tuple(node for node in self.volumes if node.name in nodes),
            discard=tuple(
                server
                for server in self.discard
                if (server.node in nodes if server.node is not None else server.group in groups)
            ),
            boot=tuple(node for node in self.boot if node.name in nodes),
            pools=tuple(pool for pool in self.pools if pool.group in groups),
        )

    def lines(self) -> list[str]:
        """The plan as a person reads it, one action a line."""
        out = self.network.lines()
        out += [f"+ server group {action.name} ({action.policy})" for action in self.server_groups]
        if self.ports:
            out.append(f"+ {len(self.ports)} ports (one call): {', '.join(node.name for node in self.ports)}")
        out += [f"+ volume {node.name}" for node in self.volumes]
        out += [
            f"- server {server.name} (its build failed: {server.fault or server.status})" for server in self.discard
        ]
        out += [f"+ server {node.name} ({', '.join(node.services)})" for node in self.boot]
        out += [f"+ {pool.count} agents of group {pool.group} (one call)" for pool in self.pools]
        return out


def make_plan(spec: ClusterSpec, observed: Observed, own: Collection[str] = ()) -> Plan:
    """What is missing of ``spec``; existing nodes are never touched, surplus ones are named as problems.

    ``own``: see ``tiers.wanted_groups``.
    """
    top = topology(spec)
    discard = tuple(server for server in observed.servers if failed_build(server))
    there = [server for server in observed.servers if not failed_build(server) and server.status != "DELETED"]
    present = {server.node for server in there if server.node}
    boot = tuple(node for node in top.nodes if node.name not in present)
    have_ports = {port.name for port in observed.ports}
    have_volumes = {volume.name for volume in observed.volumes}
    network = network_changes(spec, observed, own)
    return Plan(
        network=network,
        server_groups=_missing_server_groups(spec, observed),
        ports=tuple(node for node in top.nodes if node.name not in have_ports),
        volumes=tuple(node for node in top.nodes if spec.groups[node.group].volume and node.name not in have_volumes),
        discard=discard,
        boot=boot,
        pools=_missing_agents(top, there),
        problems=(*_problems(spec, top, observed, there), *network.problems),
    )


def failed_build(server: Server) -> bool:
    """An ERROR server that never ran: nothing on it can be lost, its deletion is part of trying again."""
    return server.status == "ERROR" and not server.launched


def alive(observed: Observed) -> list[Server]:
    """The servers that count: no failed build, none being deleted."""
    return [
        server
        for server in observed.servers
        if not failed_build(server) and server.status != "DELETED" and server.task_state != "deleting"
    ]


def volume_trouble(volume: Volume, servers: Iterable[Server]) -> str | None:
    """Why a volume can't be attached and won't recover by itself; after a ';' what a person can do."""
    if volume.status.startswith("error"):
        return f"is in {volume.status}; delete it with OpenStack's own command if you don't need its data"
    there = [server for server in servers if server.status != "DELETED"]
    if volume.status in ("reserved", "attaching") and not any(server.node == volume.name for server in there):
        return (
            f"is {volume.status} for a server that is gone; `openstack --os-volume-api-version 3.27 volume attachment "
            f"list --volume-id {volume.id}` shows for which, and `... volume attachment delete ID` frees it"
        )
    return None


def _missing_server_groups(spec: ClusterSpec, observed: Observed) -> tuple[ServerGroupAction, ...]:
    have = {group.name for group in observed.server_groups}
    return tuple(
        ServerGroupAction(group=name, name=server_group_name(spec.cluster, name), policy=POLICIES[group.anti_affinity])
        for name, group in spec.groups.items()
        # one node can't be apart from itself: a group for it would only use up quota
        if group.anti_affinity != "off" and group.count > 1 and server_group_name(spec.cluster, name) not in have
    )


def _missing_agents(top: Topology, there: list[Server]) -> tuple[AgentPool, ...]:
    have = Counter(server.group for server in there if server.node is None)
    return tuple(
        AgentPool(group=pool.group, count=pool.count - have[pool.group], zone=pool.zone)
        for pool in top.pools
        if have[pool.group] < pool.count
    )


def shrink(spec: ClusterSpec, group: str) -> str:
    """How nodes that the file doesn't have leave a group."""
    if group not in spec.groups:
        return f"put group {group} back into the file to scale it down"
    return f"`clusterctl scale FILE {group}={spec.groups[group].count}` drains and removes what is too much"


def _problems(spec: ClusterSpec, top: Topology, observed: Observed, there: list[Server]) -> Iterable[str]:
    names = Counter(server.node for server in there if server.node)
    group_of = {server.node: server.group for server in there}
    wanted = {node.name for node in top.nodes}
    for name, times in sorted(names.items()):
        if times > 1:
            yield f"{name}: {times} servers have this identity; run `clusterctl repair FILE`"
        if name not in wanted:
            yield f"{name}: is not in the file any more; {shrink(spec, group_of[name])}"
    have = Counter(server.group for server in there if server.node is None)
    pools = {pool.group: pool.count for pool in top.pools}
    for group, count in sorted(have.items()):
        surplus = count - pools.get(group, 0)
        if surplus > 0:
            yield (f"group {group}: {surplus} agents more than the file's {pools.get(group, 0)}; {shrink(spec, group)}")
    for server in there:
        if server.status not in ("ACTIVE", "BUILD"):
            fault = f" ({server.fault})" if server.fault else ""
            yield f"{server.name}: is {server.status}{fault}; run `clusterctl repair FILE`"
    for volume in observed.volumes:
        if trouble := volume_trouble(volume, observed.servers):
            yield f"volume {volume.name} ({volume.id}): {trouble}"
    duplicates = Counter(port.name for port in observed.ports)
    for name, times in sorted(duplicates.items()):
        if times > 1:
            yield f"{name}: {times} ports have this name; run `clusterctl repair FILE`"
