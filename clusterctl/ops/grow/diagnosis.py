"""Pure: what is wrong with a cluster's servers, ports, volumes and groups, and what each of it needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from clusterctl.health.marathon import leading_marathon
from clusterctl.ops.grow.findings import Finding, Remedy
from clusterctl.ops.grow.services import agent_service, services
from clusterctl.ops.lifecycle.majorities import lost_majorities
from clusterctl.ops.observe.look import Look
from clusterctl.plan import alive, failed_build, make_plan, shrink, volume_trouble
from clusterctl.remote.masters import DRAINED, Agent
from clusterctl.resources import Observed, Server, server_group_name
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.tierchanges import NetworkChanges
from clusterctl.topology import topology

T = TypeVar("T")


def diagnose(
    spec: ClusterSpec,
    observed: Observed,
    look: Look,
    agents: Mapping[str, Agent] | None,
    own: Collection[str] = (),
    fresh: Collection[str] = (),
    used: Collection[str] = (),
) -> list[Finding]:
    """Everything that is wrong, in the order in which it is repaired.

    Args:
        look: what the control nodes say, and the nodes of agents that are not registered.
        agents: registered agents by address; None where no master leads.
        own: see ``tiers.wanted_groups``.
        fresh: see ``services.services``.
        used: of the addresses where Marathon waits for tasks, those that a port has.
    """
    surplus = list(_duplicates(observed))
    doomed = {finding.id for finding in surplus}
    servers = [server for server in alive(observed) if server.id not in doomed]
    return [
        *surplus,
        *(found for server in servers for found in _server(spec, server, look)),
        *services(look, fresh),
        *_agents(servers, look, agents),
        *_ghosts(observed, look, agents, used),
        *_ports(spec, observed, doomed),
        *_volumes(spec, observed),
        *_groups(spec, observed),
        *_missing(spec, observed, servers, own),
    ]


def _duplicates(observed: Observed) -> Iterator[Finding]:
    port_of = {port.name: port.device_id for port in observed.ports if port.device_id}
    named = [server for server in alive(observed) if server.node]
    for name, servers in _by(named, lambda server: server.node or "").items():
        # The identity is its port's; where the port tells nothing, the one that runs, of those the oldest
        best = min(servers, key=lambda s: (s.id != port_of.get(name), s.status != "ACTIVE", s.created, s.id))
        for server in servers:
            if server is not best:
                yield Finding(
                    name,
                    f"server {server.id} has its identity, too ({best.id} keeps it)",
                    Remedy.DELETE_SERVER,
                    server.id,
                )


def _server(spec: ClusterSpec, server: Server, look: Look) -> Iterator[Finding]:
    name = server.node or server.name
    wanted = {node.name for node in topology(spec).nodes}
    if server.group not in spec.groups or (server.node is not None and server.node not in wanted):
        yield Finding(name, "is not in the file", Remedy.NONE, server.id, shrink(spec, server.group))
    elif server.status == "BUILD" or server.task_state == "deleting":
        return
    elif server.task_state is not None or server.status in ("REBOOT", "HARD_REBOOT"):
        yield Finding(name, f"is {server.task_state or server.status}", Remedy.WAIT, server.id)
    elif server.status == "ERROR":
        yield Finding(name, f"is in ERROR: {server.fault or 'Nova gives no reason'}", Remedy.REPLACE, server.id)
    elif server.status == "SHUTOFF":
        yield Finding(name, "is shut off", Remedy.START, server.id)
    elif server.status != "ACTIVE":
        advice = "bring it back with OpenStack's own command (resume, unpause, unrescue, unshelve), or replace it"
        yield Finding(name, f"is {server.status}", Remedy.NONE, server.id, advice)
    elif (seen := look.facts.get(name)) is not None and seen.error:
        advice = f"a network problem may pass; if it doesn't: `clusterctl replace FILE {name}`"
        yield Finding(name, f"can't be reached: {seen.error}", Remedy.NONE, server.id, advice)


def _agents(servers: Iterable[Server], look: Look, agents: Mapping[str, Agent] | None) -> Iterator[Finding]:
    if agents is None:
        return
    for server in servers:
        if Service.MESOS_AGENT not in server.services or server.status != "ACTIVE" or not server.address:
            continue
        name, agent = server.node or server.name, agents.get(server.address)
        if agent is None:
            yield agent_service(name, server.id, look.facts.get(name))
        elif agent.drain == DRAINED:
            yield Finding(name, "its agent is drained and out of service", Remedy.REACTIVATE, agent.id)
        elif agent.drain:
            yield Finding(name, "its agent drains", Remedy.NONE, agent.id, "when it is drained, repair again")


def _ghosts(
    observed: Observed, look: Look, agents: Mapping[str, Agent] | None, used: Collection[str]
) -> Iterator[Finding]:
    """Agents that are surely gone, whose tasks Marathon waits for: nobody else tells it."""
    leader = leading_marathon(look.expect, look.facts)
    if leader is None or agents is None:
        return
    held = {server.address for server in observed.servers} | {port.address for port in observed.ports} | set(used)
    for agent, ghosts in _by((ghost for ghost in leader[1].ghosts if ghost.agent), lambda ghost: ghost.agent).items():
        host = ghosts[0].host
        # at an address that is used again, another agent must have registered since
        successor = agents.get(host)
        if host not in held or (successor is not None and successor.active and successor.id != agent):
            apps = ", ".join(sorted({ghost.app for ghost in ghosts}))
            yield Finding(
                host, f"its server is gone, and Marathon waits for its tasks of {apps}", Remedy.MARK_GONE, agent
            )


def _ports(spec: ClusterSpec, observed: Observed, doomed: set[str]) -> Iterator[Finding]:
    wanted = {node.name for node in topology(spec).nodes}
    node_of = {server.id: server.node for server in observed.servers if server.id not in doomed}
    for name, ports in _by(observed.ports, lambda port: port.name).items():
        # the one that the node's server holds; else one that nobody holds
        ordered = sorted(ports, key=lambda p: (node_of.get(p.device_id) != name, p.id))
        keep = ordered[:1] if name in wanted or node_of.get(ordered[0].device_id) == name else []
        for port in (each for each in ordered if each not in keep):
            found = f"port {port.id} ({port.address}) " + ("has its name, too" if keep else "belongs to no node")
            if port.device_id and port.device_id not in doomed:
                advice = f"it is in use by {port.device_id}: whose is that?"
                yield Finding(name, found, Remedy.NONE, port.id, advice)
            else:
                yield Finding(name, found, Remedy.DELETE_PORT, port.id)


def _volumes(spec: ClusterSpec, observed: Observed) -> Iterator[Finding]:
    wanted = {node.name for node in topology(spec).nodes if spec.groups[node.group].volume}
    advice = "data is never deleted here: delete the volume with OpenStack's own command if you don't need its data"
    for name, volumes in _by(observed.volumes, lambda volume: volume.name).items():
        for volume in sorted(volumes, key=lambda volume: (volume.attached_to is None, volume.id))[1:]:
            yield Finding(name, f"volume {volume.id} has its name, too", Remedy.NONE, volume.id, advice)
        for volume in volumes:
            if trouble := volume_trouble(volume, observed.servers):
                found, _, cure = trouble.partition("; ")
                yield Finding(name, f"volume {volume.id} {found}", Remedy.NONE, volume.id, cure)
            elif name not in wanted and volume.attached_to is None:
                yield Finding(
                    name, f"volume {volume.id} belongs to no node of the file", Remedy.NONE, volume.id, advice
                )


def _groups(spec: ClusterSpec, observed: Observed) -> Iterator[Finding]:
    here = {server.id for server in observed.servers}
    wanted = {server_group_name(spec.cluster, name) for name in spec.groups}
    for name, groups in _by(observed.server_groups, lambda group: group.name).items():
        ordered = sorted(groups, key=lambda group: (-len(set(group.members) & here), group.id))
        for group in ordered[1:] if name in wanted else ordered:
            if not set(group.members) & here:
                yield Finding(name, f"server group {group.id} is not used", Remedy.DELETE_SERVER_GROUP, group.id)
    # the first one of a name is what `create` uses
    for name, named in _by(observed.security_groups, lambda group: group.name).items():
        for sg in sorted(named, key=lambda group: group.id)[1:]:
            yield Finding(name, f"security group {sg.id} has its name, too", Remedy.DELETE_SECURITY_GROUP, sg.id)


def _network(changes: NetworkChanges, observed: Observed) -> Iterator[Finding]:
    group_of = {stored.id: group.name for group in observed.security_groups for stored in group.stored}
    for name in dict.fromkeys([*changes.make, *(name for name, _ in changes.add_rules)]):
        yield Finding(name, "lacks rules or is missing", Remedy.MAKE)
    for each in changes.join:
        yield Finding(each.node, f"is not in security group {', '.join(each.groups)}", Remedy.MAKE)
    for stored in changes.drop_rules:
        found = f"lets in {stored.text}, which the file doesn't"
        yield Finding(group_of[stored.id], found, Remedy.DELETE_RULE, stored.id)
    for each in changes.leave:
        found = f"is in security group {', '.join(each.groups)}, where the file doesn't want it"
        yield Finding(each.node, found, Remedy.SHUT, each.server_id)
    for group in changes.late_groups:
        yield Finding(group.name, "is a security group that the file doesn't want", Remedy.SHUT, group.id)
    for stored in changes.foreign_rules:
        found = f"lets in {stored.text}, which is not in the file and was not made by clusterctl"
        advice = f"`openstack security group rule delete {stored.id}`"
        yield Finding(group_of[stored.id], found, Remedy.NONE, stored.id, advice)


def _missing(
    spec: ClusterSpec, observed: Observed, servers: Sequence[Server], own: Collection[str]
) -> Iterator[Finding]:
    plan = make_plan(spec, observed, own)
    yield from _network(plan.network, observed)
    for action in plan.server_groups:
        yield Finding(action.name, "is missing", Remedy.MAKE)
    booted = {node.name for node in plan.boot}
    lost: dict[str, list[Service]] = {}
    for each in lost_majorities(spec, observed, started=True):
        for name in each.missing:
            lost.setdefault(name, []).append(each.service)
    for node in plan.boot:
        if node.name in lost:
            found = f"has no server, and no majority of {' and '.join(lost[node.name])} is left to carry the state over"
            advice = "`clusterctl recover FILE` finds what is left, says what would be lost and restores the cluster"
            yield Finding(node.name, found, Remedy.NONE, advice=advice)
            continue
        failed = next((s for s in observed.servers if s.node == node.name and failed_build(s)), None)
        found = f"its build failed: {failed.fault or 'Nova gives no reason'}" if failed else "has no server"
        yield Finding(node.name, found, Remedy.MAKE)
    for kind, nodes in (("port", plan.ports), ("volume", plan.volumes)):
        for node in nodes:
            if node.name not in booted:
                yield Finding(node.name, f"has no {kind}", Remedy.MAKE)
    for pool in plan.pools:
        have = sum(server.group == pool.group and server.node is None for server in servers)
        yield Finding(f"group {pool.group}", f"has {have} of {have + pool.count} agents", Remedy.MAKE)


def _by(items: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found
