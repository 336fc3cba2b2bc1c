"""Pure: which security groups a cluster has, what each lets in, and which nodes are in it.

A closed cluster has one that operators' SSH and the command's lock (``cloud.lock_tags``) need, which all nodes are in,
and one for each tier: the nodes of each group of control services, the agents for Jenkins masters, and those for
builds. An open one has the first only, whose members reach each other's services.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from clusterctl.jenkins.combinations import generation
from clusterctl.jenkins.slots import port_plan
from clusterctl.resources import Port, Rule, security_group_name
from clusterctl.services import (
    CONTROL_SERVICES,
    MARATHON_LIBPROCESS_PORT,
    PORTS,
    TABLE,
    ZOOKEEPER_QUORUM_PORTS,
    Service,
)
from clusterctl.spec.model import AccessSettings, ClusterSpec
from clusterctl.spec.security import Part
from clusterctl.spec.types import OWN_NETWORK
from clusterctl.topology import topology

SSH_PORT = 22
CONTROL, MASTERS, BUILDERS = "control", "masters", "builders"


def ssh_sources(access: AccessSettings, own: Iterable[str]) -> list[str]:
    """CIDRs that may reach port 22; ``own`` are those of the nodes' network."""
    return [cidr for source in access.ssh_from for cidr in (own if source == OWN_NETWORK else (source,))]


def groups_of(spec: ClusterSpec, group: str) -> tuple[str, ...]:
    """Names of the security groups that the nodes of a group are in; all nodes are in the first."""
    base = security_group_name(spec.cluster)
    return (base, security_group_name(spec.cluster, _tier(spec, group))) if spec.secured(Part.NETWORK) else (base,)


def wanted_groups(
    spec: ClusterSpec, own: Iterable[str] = (), ports: Iterable[Port] = ()
) -> Mapping[str, frozenset[Rule]]:
    """Names of the security groups, the one of all nodes first, and their ingress rules.

    Args:
        own: CIDRs of the network's subnets, for ``ssh_from: network``; without them its rules are not wanted.
        ports: of the nodes, for the rules of an open cluster that name addresses of Mesos masters.
    """
    outer = frozenset(Rule(SSH_PORT, SSH_PORT, source) for source in ssh_sources(spec.access, own))
    base = security_group_name(spec.cluster)
    if not spec.secured(Part.NETWORK):
        return {base: outer | _open_rules(spec) | libprocess_rules(spec, ports)}
    found: dict[str, set[Rule]] = {base: set(outer)}
    for name in dict.fromkeys(groups_of(spec, group)[1] for group in spec.groups):
        found[name] = set()
    _flows(spec, found)
    return {name: frozenset(rules) for name, rules in found.items()}


def _tier(spec: ClusterSpec, group: str) -> str:
    services = spec.groups[group].services
    if Service.MESOS_AGENT in services:
        return MASTERS if spec.groups[group].reserve_for else BUILDERS
    if set(services) == set(CONTROL_SERVICES):
        return CONTROL
    return "-".join(TABLE[service].unit for service in CONTROL_SERVICES if service in services)


def _flows(spec: ClusterSpec, found: Mapping[str, set[Rule]]) -> None:
    """Adds what the services of each tier are asked for, by whom."""
    base = security_group_name(spec.cluster)
    at = {service: groups_of(spec, spec.groups_of(service)[0])[1] for service in CONTROL_SERVICES}
    control = list(dict.fromkeys(at.values()))
    agents = [name for name in found if name not in (base, *control)]
    masters = security_group_name(spec.cluster, MASTERS)

    def let_in(name: str, port: int, sources: Iterable[str], last: int | None = None) -> None:
        for source in sources:
            found[name].add(Rule(port, last or port, group=None if source == name else source))

    # by a bastion that is a member, which is a control node
    let_in(base, SSH_PORT, control)
    let_in(at[Service.ZOOKEEPER], PORTS[Service.ZOOKEEPER], [*control, *agents])
    for port in ZOOKEEPER_QUORUM_PORTS:
        let_in(at[Service.ZOOKEEPER], port, [at[Service.ZOOKEEPER]])
    let_in(at[Service.MESOS_MASTER], PORTS[Service.MESOS_MASTER], [*control, *agents])
    let_in(at[Service.MARATHON], PORTS[Service.MARATHON], control)
    let_in(at[Service.MARATHON], MARATHON_LIBPROCESS_PORT, [at[Service.MESOS_MASTER]])
    first, last = spec.mesos.task_port_range
    if spec.jenkins and generation(spec.jenkins.plugin).libmesos:
        # whoever reaches one can speak as Mesos to that framework
        let_in(masters, port_plan(spec).libprocess[0], [at[Service.MESOS_MASTER]], port_plan(spec).libprocess[1])
    if spec.jenkins:
        last = port_plan(spec).libprocess[0] - 1
        low, high = port_plan(spec).http_and_inbound
    else:
        low, high = first, last
    for name in agents:
        let_in(name, PORTS[Service.MESOS_AGENT], control)
        # health checks, and operators through a control node
        let_in(name, first, control, last)
    let_in(masters, low, [name for name in agents if name != masters], high)


def _open_rules(spec: ClusterSpec) -> frozenset[Rule]:
    """Only what the services need between members, and SSH, which serves a bastion that is a member."""
    task_min, task_max = spec.mesos.task_port_range
    if spec.jenkins:
        task_max = port_plan(spec).libprocess[0] - 1
    inner = {
        (SSH_PORT, SSH_PORT),
        *((port, port) for row in TABLE.values() for port in (row.port, *row.peer_ports)),
        (task_min, task_max),
    }
    return frozenset(Rule(low, high) for low, high in inner)


def libprocess_rules(spec: ClusterSpec, ports: Iterable[Port]) -> frozenset[Rule]:
    """Of an open cluster: by which Mesos masters, and nobody else, reach the frameworks of Jenkins masters.

    One for each port of a Mesos master. Whoever reaches such a framework can speak as Mesos to it.
    """
    if spec.secured(Part.NETWORK) or spec.jenkins is None or not generation(spec.jenkins.plugin).libmesos:
        return frozenset()
    masters = {node.name for node in topology(spec).running(Service.MESOS_MASTER)}
    first, last = port_plan(spec).libprocess
    return frozenset(
        Rule(first, last, ipaddress.ip_network(port.address).with_prefixlen) for port in ports if port.name in masters
    )
