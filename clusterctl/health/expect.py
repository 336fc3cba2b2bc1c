"""Pure: cluster file and servers -> what the services must say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from clusterctl.resources import KEY_CONSOLE, Flavor, Server
from clusterctl.services import PORTS, Service
from clusterctl.spec.jenkins import JenkinsSettings
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part
from clusterctl.spec.types import attribute_value
from clusterctl.topology import topology
from clusterctl.variables import agent_resources


@dataclass(frozen=True)
class Homes:
    """Homes of Jenkins masters on a node: their directory, and the HTTP port of slot 1; each slot has two more."""

    directory: str
    port: int


@dataclass(frozen=True)
class Confined:
    """How a node must be held. ``mounts``: the processes of its units have a file system of their own."""

    builds: bool = False
    units: bool = False
    mounts: bool = True


@dataclass(frozen=True)
class Node:
    """A server that is part of the cluster. ``homes``: it is an agent for Jenkins masters."""

    name: str
    server_id: str
    group: str
    address: str
    services: tuple[Service, ...]
    status: str = "ACTIVE"  # of the server, as Nova calls it
    homes: Homes | None = None
    proof: str = ""  # of its console's lines (``resources.KEY_CONSOLE``)
    confined: Confined = Confined()
    disks: tuple[str, ...] = ()  # directories of its services that the file puts on file systems of their own

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


@dataclass(frozen=True)
class AgentOffer:
    """What the agents of a group must offer: ``reserved`` is the role that holds all of it, or None."""

    attributes: Mapping[str, float | str]  # as Mesos takes them
    reserved: str | None
    resources: Mapping[str, float | str]  # cpus; mem, disk in MiB; ports as Mesos writes ranges


@dataclass(frozen=True)
class Expected:
    """The members of a cluster, with the addresses at which they serve.

    Attributes:
        control: nodes with a control service.
        agents: nodes with an agent.
        offers: by group of agents.
        size: how many nodes of a service the file asks for; more than found where a server is missing.
        left_out: names of agents that the operator leaves out of the judgement, with their addresses as far as known.
        closed_tree: ZooKeeper's must be closed to strangers.
    """

    cluster: str
    control: tuple[Node, ...]
    agents: tuple[Node, ...]
    offers: Mapping[str, AgentOffer]
    size: Mapping[Service, int]
    marathon_role: str
    jenkins: JenkinsSettings | None = None
    left_out: Mapping[str, str | None] = field(default_factory=dict)
    ports: Mapping[Service, int] = field(default_factory=lambda: PORTS)
    closed_tree: bool = False

    def running(self, service: Service) -> tuple[Node, ...]:
        """Control nodes that run ``service``."""
        return tuple(node for node in self.control if service in node.services)


def without(expect: Expected, agents: Mapping[str, str | None]) -> Expected:
    """The same without these agents (name -> address), however they are."""
    return replace(
        expect,
        agents=tuple(node for node in expect.agents if node.name not in agents),
        size={**expect.size, Service.MESOS_AGENT: expect.size[Service.MESOS_AGENT] - len(agents)},
        left_out=agents,
    )


def expected(spec: ClusterSpec, servers: Iterable[Server], flavors: Iterable[Flavor]) -> Expected:
    """What must be seen of the given servers; those without an address, or being deleted, are left out."""
    top = topology(spec)
    named = {node.name: node for node in top.nodes}
    homes = Homes(spec.homes_directory, spec.mesos.task_port_range[0]) if spec.homes_directory else None
    nodes = [
        Node(
            name=server.node or server.name,
            server_id=server.id,
            group=server.group,
            address=server.address,
            services=spec.groups[server.group].services,
            status=server.status,
            homes=homes if server.group == spec.masters_group else None,
            proof=server.metadata.get(KEY_CONSOLE, ""),
            confined=_confined(spec, server.group),
            disks=_disks(spec, server.group, homes if server.group == spec.masters_group else None),
        )
        for server in servers
        if server.address and server.task_state != "deleting" and server.group in spec.groups
        if server.node is None or server.node in named
    ]
    known = {flavor.name: flavor for flavor in flavors} | {flavor.id: flavor for flavor in flavors}
    return Expected(
        cluster=spec.cluster,
        control=tuple(sorted(_with(nodes, agent=False), key=lambda node: node.name)),
        agents=tuple(sorted(_with(nodes, agent=True), key=lambda node: node.name)),
        offers={name: _offer(spec, name, known) for name in spec.groups_of(Service.MESOS_AGENT)},
        size={
            service: sum(group.count for group in spec.groups.values() if service in group.services)
            for service in Service
        },
        marathon_role=spec.marathon.role,
        jenkins=spec.jenkins,
        closed_tree=spec.secured(Part.ZOOKEEPER),
    )


def _confined(spec: ClusterSpec, group: str) -> Confined:
    agents = Service.MESOS_AGENT in spec.groups[group].services
    settings = spec.settings.variables() | spec.groups[group].settings.variables()
    return Confined(
        builds=agents and spec.secured(Part.BUILDS),
        units=spec.secured(Part.UNITS),
        # launcher 'linux' makes name spaces itself: its unit can't have one
        mounts=not agents or settings.get("mesos_agent_launcher", "posix") == "posix",
    )


def _disks(spec: ClusterSpec, name: str, homes: Homes | None) -> tuple[str, ...]:
    group = spec.groups[name]
    found = (group.volume.mount if group.volume else None, homes.directory if homes else None)
    return tuple(str(path) for path in found if path)


def _with(nodes: Sequence[Node], *, agent: bool) -> list[Node]:
    return [node for node in nodes if (Service.MESOS_AGENT in node.services) == agent]


def _offer(spec: ClusterSpec, name: str, flavors: Mapping[str, Flavor]) -> AgentOffer:
    group = spec.groups[name]
    resources: dict[str, float | str] = {}
    if flavor := flavors.get(group.flavor):
        offered = agent_resources(spec, name, flavor)
        resources = {
            "cpus": offered.cpus,
            "mem": offered.mem_mib,
            "disk": offered.disk_mib,
            "ports": f"[{spec.mesos.task_ports}]",
        }
    attributes = {key: attribute_value(text) for key, text in group.attributes.items()}
    return AgentOffer(attributes=attributes, reserved=group.reserve_for, resources=resources)
