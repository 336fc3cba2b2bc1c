"""``status``: what every node is and does, from one server list and one probe of the control nodes; once, or again and
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError
from clusterctl.health.clocks import clock_troubles
from clusterctl.health.confinement import units_trouble
from clusterctl.health.disks import disk_low, disk_trouble
from clusterctl.health.expect import Expected, Node, expected
from clusterctl.health.facts import AgentFacts, NodeFacts, Unknown
from clusterctl.health.jenkins import awake
from clusterctl.health.judge import BOOTED, boot_text, node_ready
from clusterctl.health.leaders import leader_of
from clusterctl.health.marathon import leading_marathon
from clusterctl.health.mesos import leading_master
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.releases import of_server
from clusterctl.remote.prober import Prober
from clusterctl.resources import KEY_IMAGE, Server
from clusterctl.services import CONTROL_SERVICES, UNITS, Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import topology

READY = "ready"


@dataclass(frozen=True)
class NodeStatus:
    """One server.

    Attributes:
        state: ``ready``; or Nova's status, ``booting``, ``unreachable``, ``degraded``, ``unregistered``, ``draining``,
            ``drained``, ``inactive``; ``unknown`` for agents as long as no master leads.
        roles: service -> what it does there: leader, follower, standby, registered; or why that is not known.
        versions: service -> version, where the service told it.
        image: version (name) of the image that the server was made from.
        artifacts: component -> version of the artifact that is recorded as installed, which its service may not tell.
        free_mib: on the fullest of a control node's disks; None where it was not asked.
        tasks: running Mesos tasks; None for other nodes than registered agents.
    """

    name: str
    group: str
    services: tuple[str, ...]
    address: str | None
    state: str
    roles: Mapping[str, str]
    versions: Mapping[str, str]
    image: str
    artifacts: Mapping[str, str]
    tasks: int | None = None
    detail: str = ""
    free_mib: int | None = None

    def to_json(self) -> dict[str, Any]:
        """All attributes by name."""
        return {
            "name": self.name,
            "group": self.group,
            "services": list(self.services),
            "address": self.address,
            "state": self.state,
            "roles": dict(self.roles),
            "versions": dict(self.versions),
            "image": self.image,
            "artifacts": dict(self.artifacts),
            "tasks": self.tasks,
            "detail": self.detail,
            "free_mib": self.free_mib,
        }


@dataclass(frozen=True)
class GroupStatus:
    """The agents of a group together: resources offered to Mesos, and what tasks use of them (memory in MiB).

    All but the first two are None as long as no master leads: nobody can tell.
    """

    name: str
    wanted: int
    registered: int | None
    tasks: int | None
    cpus: float | None
    cpus_used: float | None
    mem_mib: float | None
    mem_mib_used: float | None

    def to_json(self) -> dict[str, Any]:
        """All attributes by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class JenkinsStatus:
    """Masters of the Jenkins tier as Marathon tells: all, those whose task runs, those that hibernate."""

    masters: int
    running: int
    hibernating: int

    def to_json(self) -> dict[str, Any]:
        """All attributes by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class StatusReport:
    """``leaders`` are node names by service; None where there is none.

    Attributes:
        size: how many nodes the file asks for.
        jenkins: None without a tier, or if the leading Marathon doesn't tell.
        insecure: parts that are open to whoever reaches them.
    """

    cluster: str
    nodes: tuple[NodeStatus, ...]
    leaders: Mapping[str, str | None]
    groups: tuple[GroupStatus, ...] = field(default=())
    jenkins: JenkinsStatus | None = None
    size: int = 0
    insecure: tuple[str, ...] = ()

    @property
    def ready(self) -> int:
        """Number of nodes that are ready."""
        return sum(node.state == READY for node in self.nodes)

    def to_json(self) -> dict[str, Any]:
        """``{"cluster", "size", "nodes": [...], "leaders": {service: node}, "groups", "jenkins": {...} or null,
        "insecure": [...]}``.
        """
        return {
            "cluster": self.cluster,
            "size": self.size,
            "nodes": [node.to_json() for node in self.nodes],
            "leaders": dict(self.leaders),
            "groups": [group.to_json() for group in self.groups],
            "jenkins": self.jenkins.to_json() if self.jenkins else None,
            "insecure": list(self.insecure),
        }


def collect_status(spec: ClusterSpec, cloud: Cloud, prober: Prober) -> StatusReport:
    """Lists the servers and asks the control nodes. A node that doesn't answer is part of the report, not an error.

    Raises:
        CloudError: the servers can't be listed.
    """
    servers = cloud.servers(spec.cluster)
    expect = expected(spec, servers, ())
    return make_status(spec, servers, expect, prober.probe(expect.control))


def watch(
    collect: Callable[[], StatusReport], *, every_s: float, waiter: Waiter | None = None
) -> Iterator[StatusReport | ClusterctlError]:
    """Looks forever, ``every_s`` after the end of the look before.

    Yields:
        The report; or why there is none: whoever watches a cluster in trouble wants to see it come back.

    Raises:
        ClusterctlError: of the first look, which is most likely a mistake that waiting doesn't fix.
    """
    waiter = waiter or Waiter()
    yield collect()
    while True:
        waiter.sleep(every_s)
        try:
            yield collect()
        except ClusterctlError as error:
            yield error


def make_status(
    spec: ClusterSpec, servers: Sequence[Server], expect: Expected, facts: Mapping[str, NodeFacts]
) -> StatusReport:
    """Pure: the report over what was found."""
    master = leading_master(expect, facts)
    agents = {agent.hostname: agent for agent in (master[1].agents or ())} if master else None
    nodes = {node.server_id: node for node in (*expect.control, *expect.agents)}
    return StatusReport(
        insecure=spec.security.open_parts,
        cluster=spec.cluster,
        size=topology(spec).size,
        nodes=tuple(
            sorted(
                (_node(server, nodes.get(server.id), expect, facts, agents) for server in servers),
                key=lambda node: (_position(spec, node.group), node.name),
            )
        ),
        leaders={service.value: leader_of(service, expect, facts) for service in CONTROL_SERVICES},
        groups=tuple(_group(spec, name, expect, agents) for name in spec.groups_of(Service.MESOS_AGENT)),
        jenkins=_jenkins(expect, facts),
    )


def _jenkins(expect: Expected, facts: Mapping[str, NodeFacts]) -> JenkinsStatus | None:
    leader = leading_marathon(expect, facts)
    apps = leader[1].jenkins if leader else Unknown()
    if expect.jenkins is None or isinstance(apps, Unknown):
        return None
    running = sum(bool(app.running) for app in apps)
    return JenkinsStatus(masters=len(apps), running=running, hibernating=len(apps) - len(awake(apps)))


def _position(spec: ClusterSpec, group: str) -> int:
    names = list(spec.groups)
    return names.index(group) if group in names else len(names)


def _node(
    server: Server,
    node: Node | None,
    expect: Expected,
    facts: Mapping[str, NodeFacts],
    agents: Mapping[str, AgentFacts] | None,
) -> NodeStatus:
    found = NodeStatus(
        name=server.node or server.name,
        group=server.group,
        services=server.services,
        address=server.address,
        state=(server.task_state or server.status).lower(),
        roles={},
        versions={},
        image=server.metadata.get(KEY_IMAGE, ""),
        artifacts={name: each.version for name, each in of_server(server).items()},
        detail=server.fault or "",
    )
    if node is None or server.status != "ACTIVE":
        return found
    if Service.MESOS_AGENT in node.services:
        return _with(found, state="unknown") if agents is None else _agent(found, agents.get(node.address))
    return _control(found, node, expect, facts)


def _agent(found: NodeStatus, agent: AgentFacts | None) -> NodeStatus:
    name = Service.MESOS_AGENT.value
    if agent is None:
        return _with(found, state="unregistered")
    state = READY if agent.active else (agent.drain or "inactive").lower()
    return _with(found, state=state, roles={name: "registered"}, versions={name: agent.version}, tasks=agent.tasks)


def _control(found: NodeStatus, node: Node, expect: Expected, facts: Mapping[str, NodeFacts]) -> NodeStatus:
    seen = facts.get(node.name, NodeFacts(error="not asked"))
    if seen.error:
        return _with(found, state="unreachable", detail=seen.error)
    roles: dict[str, str] = {}
    versions: dict[str, str] = {}
    parts = {
        Service.ZOOKEEPER: (seen.zookeeper, seen.zookeeper.state if seen.zookeeper else ""),
        Service.MESOS_MASTER: (seen.mesos_master, _duty(seen.mesos_master is not None and seen.mesos_master.elected)),
        Service.MARATHON: (seen.marathon, _duty(_leads_marathon(node, expect, seen))),
    }
    for service in node.services:
        part, role = parts[service]
        trouble = seen.trouble(UNITS[service], part)
        roles[service.value] = trouble or role
        if part is not None and part.version:
            versions[service.value] = part.version
    if seen.boot.state != BOOTED:
        return _with(found, state="booting", roles=roles, versions=versions, detail=boot_text(seen.boot))
    state = READY if node_ready(expect, node, seen) else "degraded"
    loose = units_trouble(node, seen.confinement) if seen.confinement else ()
    disks = (disk_trouble(disk) or disk_low(disk) for disk in seen.disks)
    told = "; ".join(filter(None, (*disks, *loose, clock_troubles(expect, facts).get(node.name))))
    free = min((disk.free_mib for disk in seen.disks), default=None)
    return _with(found, state=state, roles=roles, versions=versions, free_mib=free, detail=told)


def _leads_marathon(node: Node, expect: Expected, seen: NodeFacts) -> bool:
    return seen.marathon is not None and seen.marathon.leader == f"{node.address}:{expect.ports[Service.MARATHON]}"


def _duty(leads: bool) -> str:
    return "leader" if leads else "standby"


def _with(found: NodeStatus, **changes: Any) -> NodeStatus:
    return NodeStatus(**{**vars(found), **changes})


def _group(spec: ClusterSpec, name: str, expect: Expected, agents: Mapping[str, AgentFacts] | None) -> GroupStatus:
    if agents is None:
        return GroupStatus(name, spec.groups[name].count, *[None] * 6)
    known = [agents[node.address] for node in expect.agents if node.group == name and node.address in agents]
    return GroupStatus(
        name=name,
        wanted=spec.groups[name].count,
        registered=len(known),
        tasks=sum(agent.tasks for agent in known),
        cpus=_sum("cpus", (agent.resources for agent in known)),
        cpus_used=_sum("cpus", (agent.used_resources for agent in known)),
        mem_mib=_sum("mem", (agent.resources for agent in known)),
        mem_mib_used=_sum("mem", (agent.used_resources for agent in known)),
    )


def _sum(key: str, resources: Iterable[Mapping[str, float | str]]) -> float:
    return round(sum(float(held.get(key, 0)) for held in resources), 3)
