"""Mesos: one elected master that the others redirect to, its registrar and every replica of the log recovered, and the
agents that should be registered, no others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from clusterctl.amounts import amount
from clusterctl.health.check import Check, check
from clusterctl.health.expect import AgentOffer, Expected, Node
from clusterctl.health.facts import AgentFacts, MasterFacts, NodeFacts
from clusterctl.services import UNITS, Service
from clusterctl.topology import quorum

_UNASKED = NodeFacts(error="not asked yet")
AGENT_CHECKS = "agents."  # how the names of the checks about agents begin
_SCALARS = ("cpus", "mem", "disk")


def leading_master(expect: Expected, facts: Mapping[str, NodeFacts]) -> tuple[Node, MasterFacts] | None:
    """The elected master, if there is exactly one."""
    elected = [
        (node, found)
        for node in expect.running(Service.MESOS_MASTER)
        if (found := facts.get(node.name, _UNASKED).mesos_master) is not None and not found.error and found.elected
    ]
    return elected[0] if len(elected) == 1 else None


def master_checks(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[Check]:
    """The checks ``mesos.masters``, ``.leader``, ``.redirect``, ``.registrar`` and ``.log``."""
    size = expect.size[Service.MESOS_MASTER]
    nodes = expect.running(Service.MESOS_MASTER)
    silent: list[str] = []
    masters: list[tuple[Node, MasterFacts]] = []
    for node in nodes:
        seen = facts.get(node.name, _UNASKED)
        if trouble := seen.trouble(UNITS[Service.MESOS_MASTER], seen.mesos_master):
            silent.append(f"{node}: {trouble}")
        elif seen.mesos_master is not None:
            masters.append((node, seen.mesos_master))
    if len(nodes) < size:
        silent.append(f"{len(nodes)} of {size} masters have a server")
    return [
        check("mesos.masters", silent, f"{len(masters)} of {size} masters answer"),
        *_leader_checks(expect, masters),
        _log(masters, size),
    ]


def _leader_checks(expect: Expected, masters: Sequence[tuple[Node, MasterFacts]]) -> list[Check]:
    names = ("mesos.leader", "mesos.redirect", "mesos.registrar")
    elected = [(node, found) for node, found in masters if found.elected]
    if len(elected) != 1:
        seen = ", ".join(node.name for node, _ in elected) or "none"
        return [
            check(names[0], [f"elected: {seen}; expected exactly one master"], ""),
            *(check(name, ["no single elected master"], "") for name in names[1:]),
        ]
    leader, facts = elected[0]
    place = f"{leader.address}:{expect.ports[Service.MESOS_MASTER]}"
    astray = [
        f"{node}: redirects to {found.leader or f'nobody ({found.no_leader})'}, expected {place}"
        for node, found in masters
        if found.leader != place
    ]
    unrecovered = [] if facts.registrar_recovered else [f"{leader}: its registrar has not recovered"]
    return [
        check(names[0], [], leader.name),
        check(names[1], astray, f"all point to {place}"),
        check(names[2], unrecovered, f"recovered on {leader.name}"),
    ]


def _log(masters: Sequence[tuple[Node, MasterFacts]], size: int) -> Check:
    problems = []
    for node, found in masters:
        if not found.log_recovered:
            problems.append(f"{node}: its replica of the log has not recovered")
        if found.ensemble_size != size:
            problems.append(f"{node}: sees {found.ensemble_size} replicas, expected {size}")
    if len(masters) < quorum(size):
        problems.append(f"{len(masters)} of {size} masters report theirs")
    return check("mesos.log", problems, f"{size} replicas, all recovered")


def agent_checks(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[Check]:
    """The checks ``agents.registered``, ``.unexpected``, ``.attributes`` and ``.resources``, as the leader sees it.

    Agents are told apart by address: they run with ``--no-hostname_lookup``, so their host name is their fixed IP.
    """
    names = ("agents.registered", "agents.unexpected", "agents.attributes", "agents.resources")
    leader = leading_master(expect, facts)
    if leader is None or leader[1].agents is None:
        return [check(name, ["no leading master to ask"], "") for name in names]
    agents = leader[1].agents
    by_address = {agent.hostname: agent for agent in agents}
    missing: list[str] = []
    attributes: list[str] = []
    resources: list[str] = []
    for node in expect.agents:
        agent = by_address.get(node.address)
        if agent is None:
            missing.append(f"{node}: not registered at {leader[0].name}{_own_account(facts.get(node.name))}")
            continue
        if not agent.active:
            missing.append(f"{node}: registered, but {(agent.drain or 'not active').lower()}")
        offer = expect.offers[node.group]
        if not _carries(agent, offer):
            found, wanted = _pairs(agent.attributes), _pairs(offer.attributes)
            attributes.append(f"{node}: has attributes {found}, expected {wanted}")
        resources.extend(f"{node}: {text}" for text in _wrong_resources(agent, offer))
    size = expect.size[Service.MESOS_AGENT]
    if len(expect.agents) < size:
        missing.append(f"{len(expect.agents)} of {size} agents have a server")
    return [
        check(names[0], missing, f"{len(expect.agents)} of {size} agents are registered and active"),
        _unexpected(names[1], expect, agents),
        check(names[2], attributes, "as in the cluster file"),
        check(names[3], resources, "reserved and sized as in the cluster file"),
    ]


def stray_agents(expect: Expected, facts: Mapping[str, NodeFacts], addresses: Collection[str]) -> dict[str, str]:
    """Id -> address of registered agents with the attributes of one of the groups, at none of ``addresses``.

    Where ``addresses`` are those of all servers of the cluster, the agent's server was probably deleted: a master lists
    it until it has missed its pings (75 s by Mesos' defaults).
    """
    leader = leading_master(expect, facts)
    listed = (leader[1].agents or ()) if leader else ()
    return {
        agent.id: agent.hostname
        for agent in listed
        if agent.hostname not in addresses and any(_carries(agent, offer) for offer in expect.offers.values())
    }


def _carries(agent: AgentFacts, offer: AgentOffer) -> bool:
    wanted = offer.attributes
    return agent.attributes.keys() == wanted.keys() and all(
        _equal(agent.attributes[key], value) for key, value in wanted.items()
    )


def _own_account(seen: NodeFacts | None) -> str:
    """What the node of an unregistered agent says, if it was asked."""
    if seen is None:
        return ""
    if trouble := seen.error or seen.trouble(UNITS[Service.MESOS_AGENT], seen.mesos_agent):
        return f" ({trouble})"
    master = seen.mesos_agent.master if seen.mesos_agent else None
    return f" (its agent runs and takes {master or 'nobody'} for the leading master)"


def _unexpected(name: str, expect: Expected, agents: Sequence[AgentFacts]) -> Check:
    ours = {node.address for node in expect.agents} | set(expect.left_out.values())
    strangers = [agent for agent in agents if agent.hostname not in ours]
    problems = [f"agent {agent.id} at {agent.hostname} is not a node of this cluster" for agent in strangers]
    twice = [address for address, count in Counter(agent.hostname for agent in agents).items() if count > 1]
    problems += [f"{address} is registered more than once" for address in twice]
    return check(name, problems, "none")


def _wrong_resources(agent: AgentFacts, offer: AgentOffer) -> list[str]:
    """Everything must be in one place: the reservation of the group's role, or unreserved."""
    reserved = {role: held for role, held in agent.reserved.items() if any(held.get(key) for key in _SCALARS)}
    if offer.reserved is None:
        if reserved:
            return [f"has reservations for {', '.join(sorted(reserved))}, expected none"]
        held = agent.unreserved
    else:
        if set(reserved) != {offer.reserved}:
            return [f"is reserved for {', '.join(sorted(reserved)) or 'nobody'}, expected {offer.reserved}"]
        if any(agent.unreserved.get(key) for key in _SCALARS):
            return [
                f"offers {_amounts(agent.unreserved)} unreserved, expected everything reserved for {offer.reserved}"
            ]
        held = reserved[offer.reserved]
    return [
        f"has {key} {_shown(held.get(key, 'none'))}, expected {_shown(wanted)}"
        for key, wanted in offer.resources.items()
        if not _equal(held.get(key), wanted)
    ]


def _equal(found: float | str | None, wanted: float | str) -> bool:
    if isinstance(found, str) or isinstance(wanted, str) or found is None:
        return found == wanted
    # Mesos keeps scalars to three decimals (documentation: attributes and resources)
    return abs(found - wanted) < 0.001


def _shown(value: object) -> str:
    return amount(value) if isinstance(value, int | float) else str(value)


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key}:{_shown(value)}" for key, value in sorted(values.items())) or "none"


def _amounts(values: Mapping[str, float | str]) -> str:
    return ", ".join(f"{key} {_shown(values[key])}" for key in _SCALARS if values.get(key))
