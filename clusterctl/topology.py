"""Pure: cluster file -> the nodes that must exist, with names and ordinals that never depend on a list index.

Named nodes (control services, and agents with a volume) are ``<cluster>-<group>-<ordinal>``, ordinals 1..count. Other
agents are cattle: only their number matters (D4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec


@dataclass(frozen=True)
class NamedNode:
    """A node with an identity: it keeps name, ordinal, address (port) and volume over a replacement of its server."""

    name: str
    group: str
    ordinal: int
    services: tuple[Service, ...]
    zone: str | None

    @property
    def myid(self) -> int:
        """ZooKeeper's server id (1..255, administrator's guide): the ordinal, since one group runs ZooKeeper."""
        return self.ordinal


@dataclass(frozen=True)
class AgentPool:
    """``count`` agents of a group that have no identity of their own."""

    group: str
    count: int
    zone: str | None


@dataclass(frozen=True)
class Topology:
    """What a cluster file asks for."""

    cluster: str
    nodes: tuple[NamedNode, ...]
    pools: tuple[AgentPool, ...]

    def running(self, service: Service) -> tuple[NamedNode, ...]:
        """Named nodes that run ``service``, by ordinal."""
        return tuple(node for node in self.nodes if service in node.services)

    @property
    def size(self) -> int:
        """Number of servers."""
        return len(self.nodes) + sum(pool.count for pool in self.pools)


@dataclass(frozen=True)
class Addresses:
    """Fixed IPs of the control nodes, by service and ordinal order; known before any server exists (D3)."""

    zookeeper: tuple[tuple[int, str], ...]  # (myid, address)
    mesos_master: tuple[str, ...]
    marathon: tuple[str, ...]


def topology(spec: ClusterSpec) -> Topology:
    """The nodes and pools of ``spec``, in the order of the file."""
    nodes: list[NamedNode] = []
    pools: list[AgentPool] = []
    for name, group in spec.groups.items():
        if group.named:
            nodes.extend(
                NamedNode(
                    name=node_name(spec.cluster, name, ordinal),
                    group=name,
                    ordinal=ordinal,
                    services=group.services,
                    zone=spec.zone_of(name, ordinal),
                )
                for ordinal in range(1, group.count + 1)
            )
        else:
            pools.append(AgentPool(group=name, count=group.count, zone=spec.zone_of(name, None)))
    return Topology(cluster=spec.cluster, nodes=tuple(nodes), pools=tuple(pools))


def node_name(cluster: str, group: str, ordinal: int) -> str:
    """Host name of a named node."""
    return f"{cluster}-{group}-{ordinal}"


def addresses(top: Topology, address_of: dict[str, str]) -> Addresses:
    """Addresses of the control services.

    Args:
        address_of: node name -> fixed IP of its port; must hold every node of a control service.

    Raises:
        KeyError: a control node has no address (a bug: ports come before servers).
    """
    return Addresses(
        zookeeper=tuple((node.myid, address_of[node.name]) for node in top.running(Service.ZOOKEEPER)),
        mesos_master=_addresses_of(top.running(Service.MESOS_MASTER), address_of),
        marathon=_addresses_of(top.running(Service.MARATHON), address_of),
    )


def _addresses_of(nodes: Iterable[NamedNode], address_of: dict[str, str]) -> tuple[str, ...]:
    return tuple(address_of[node.name] for node in nodes)


def quorum(members: int) -> int:
    """Smallest majority of ``members``; Mesos wants ``quorum > N/2`` for its replicated log."""
    return members // 2 + 1
