"""Pure: what must hold before and after each step of a roll. A gate gives the problems that are left; none opens it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from clusterctl.health.check import Check
from clusterctl.health.disks import NAME as DISKS
from clusterctl.health.disks import disk_trouble
from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts
from clusterctl.health.leaders import takes_part
from clusterctl.health.marathon import marathon_checks
from clusterctl.health.mesos import AGENT_CHECKS, master_checks
from clusterctl.health.zookeeper import votes, zookeeper_checks
from clusterctl.ops.observe.look import Look
from clusterctl.secrets.marathon_files import CURL_FILE
from clusterctl.services import UNITS, Service
from clusterctl.spec.security import Part
from clusterctl.topology import quorum

CHANGED = ("agents.attributes", "agents.resources")  # checks that fail until agents are as a changed file wants them


def healthy(look: Look, service: Service, *, absent: Collection[str] = (), overlook: tuple[str, ...] = ()) -> list[str]:
    """Problems of the whole cluster before a step of ``service``.

    Args:
        absent: nodes of ``service`` that this run has left failed, or that an interrupted run has left stopped; their
            absence is not a problem.
        overlook: names of checks that need not hold.
    """
    ignored = (*overlook, *(_own_checks(service) if absent else ()))
    problems = _texts(check for check in look.failed if not check.name.startswith(ignored))
    if absent and service is Service.MESOS_AGENT:
        problems += [
            f"{node}: not registered and active"
            for node in look.expect.agents
            if node.name not in absent and node.name not in look.agent_ids
        ]
    elif absent and service is Service.MARATHON:
        problems += _present_marathons(look, absent)
    if service is Service.MARATHON:
        problems += deployments(look)
    return problems


def out(look: Look, service: Service) -> set[str]:
    """Members of a control service that take no part, while all others do and have a leader; none without a leader."""
    running = look.expect.running(service)
    if len(running) != look.expect.size[service] or look.leader(service) is None:
        return set()
    return {n.name for n in running if not takes_part(service, look.expect, n, look.facts.get(n.name))}


def leaderless(look: Look, service: Service) -> set[str]:
    """ZooKeepers that take no part, of nodes that answer, where none leads."""
    if service is not Service.ZOOKEEPER or look.leader(service) is not None:
        return set()
    return {
        node.name
        for node in look.expect.running(service)
        if (seen := look.facts.get(node.name)) is not None
        and not seen.error
        and not takes_part(service, look.expect, node, seen)
    }


def in_vain(look: Look, service: Service, left: Collection[str]) -> bool:
    """Whether ZooKeepers may vote for ever, unless one of ``left`` is restarted with its new list.

    Either none leads. Or those that follow a leader are too few for whoever has the longer list, which is that of
    ``look``: of four members three are a majority, of three two. Both may also be an election that is under way.
    """
    if none_leads := leaderless(look, service):
        return bool(none_leads & set(left))
    if service is not Service.ZOOKEEPER or not left:
        return False
    size = look.expect.size[service]
    voting = [node.name for node in look.expect.running(service) if votes(look.facts.get(node.name))]
    return size - len(out(look, service)) < quorum(size) and only_out(look, service, voting)


def only_out(look: Look, service: Service, names: Collection[str]) -> bool:
    """Whether all that is wrong is that some of ``names`` take no part in a control service.

    A restart of one of them takes nothing away.
    """
    sick = out(look, service)
    if not sick or not sick <= set(names):
        return False
    if any(check.name == DISKS for check in look.failed):
        return False  # what a full disk has stopped doesn't come back by a restart
    prefix = {Service.ZOOKEEPER: "zookeeper.", Service.MESOS_MASTER: "mesos."}.get(service, "marathon.")
    elsewhere = [check for check in look.failed if not check.name.startswith(prefix)]
    at = tuple(f"{name} (" for name in sick)
    return all(part.startswith(at) for check in elsewhere for part in check.detail.split("; "))


def full(look: Look, names: Collection[str]) -> list[str]:
    """Disks without room of these nodes, of those that were asked."""
    return [
        f"{DISKS}: {node}: {trouble}"
        for node in look.nodes(names)
        for disk in (look.facts[node.name].disks if node.name in look.facts else ())
        if (trouble := disk_trouble(disk))
    ]


def of_disks(problem: str) -> bool:
    """Whether a problem of ``healthy`` or ``full`` is a disk without room."""
    return problem.startswith(f"{DISKS}: ")


def _own_checks(service: Service) -> tuple[str, ...]:
    # ZooKeepers and masters that are missing are never overlooked: a majority is at stake
    return {Service.MESOS_AGENT: (AGENT_CHECKS,), Service.MARATHON: ("marathon.members",)}.get(service, ())


def _present_marathons(look: Look, absent: Collection[str]) -> list[str]:
    problems = []
    for node in look.expect.running(Service.MARATHON):
        seen = look.facts[node.name]
        if node.name not in absent and (trouble := seen.trouble(UNITS[Service.MARATHON], seen.marathon)):
            problems.append(f"{node}: {trouble}")
    return problems


def deployments(look: Look) -> list[str]:
    """Marathon must have none under way before and after its roll (its documentation on deployments)."""
    where = next((node for node in look.expect.control if node.name == look.leader(Service.MARATHON)), None)
    at = f"{where.address}:{look.expect.ports[Service.MARATHON]}" if where else ""
    curl = f"sudo curl -K {CURL_FILE}" if look.spec.secured(Part.MARATHON) else "curl"
    found = []
    for each in look.deployments:
        stop = f"{curl} -X DELETE 'http://{at}/v2/deployments/{each.id}?force=true'"
        on = where.name if where else "NODE"
        found.append(
            f"Marathon's deployment {each} is under way; if it can't end, `clusterctl ssh FILE {on} {stop}` stops it"
        )
    return found


def zookeeper(look: Look) -> list[str]:
    """Exactly one leader, and N-1 followers in sync with it."""
    return _failed(zookeeper_checks(look.expect, look.facts))


def masters(look: Look, ids: Mapping[str, str]) -> list[str]:
    """One elected master that the others know, registrar and logs recovered, the whole ensemble, and every agent back.

    Args:
        ids: node name -> id, of the agents that were registered before the step.
    """
    problems = _failed(master_checks(look.expect, look.facts))
    known = look.agent_ids
    return problems or [
        f"agent {name} has not registered again as {wanted} (but as {known[name]})"
        if name in known
        else f"agent {name} has not registered again yet"
        for name, wanted in ids.items()
        if known.get(name) != wanted
    ]


def marathon(look: Look, framework: str | None, absent: Collection[str] = ()) -> list[str]:
    """One leader, active with the framework id that it had before, nothing being deployed.

    Args:
        absent: instances that are stopped for an upgrade.
    """
    checks = marathon_checks(look.expect, look.facts)
    problems = _failed([check for check in checks if not absent or check.name != "marathon.members"])
    if absent:
        problems += _present_marathons(look, absent)
    if not problems and look.framework != framework:
        problems = [f"Marathon has framework id {look.framework}, and had {framework}: its tasks would be orphaned"]
    return problems or deployments(look)


def gate(service: Service, look: Look, before: Look) -> list[str]:
    """The gate after a step of a control service."""
    if service is Service.ZOOKEEPER:
        return zookeeper(look)
    if service is Service.MESOS_MASTER:
        return masters(look, before.agent_ids)
    return marathon(look, before.framework)


def agents(look: Look, names: Collection[str], ids: Mapping[str, str]) -> dict[str, str]:
    """Name -> what is missing, of the agents ``names``; a new process must have registered under the old id.

    Args:
        ids: node name -> agent id before the step; of one that was not registered, any will do.
    """
    missing = {}
    for node in look.nodes(names):
        if trouble := _agent_trouble(look, node, ids.get(node.name)):
            missing[node.name] = trouble
    return missing


def _agent_trouble(look: Look, node: Node, wanted: str | None) -> str:
    if problems := registered(look, node.name):
        return problems[0]
    own = look.facts[node.name].mesos_agent
    if own is not None and wanted not in (None, own.id):
        return f"its agent came back as {own.id}, and was {wanted}"
    listed = look.agent_ids.get(node.name)
    return "" if listed and listed == (wanted or listed) else "the leading master does not list it as active"


def registered(look: Look, name: str) -> list[str]:
    """Whether an agent says of itself that it is registered, under whatever id, drained or not."""
    seen = look.facts.get(name, NodeFacts(error="not asked"))
    if trouble := seen.error or seen.trouble(UNITS[Service.MESOS_AGENT], seen.mesos_agent):
        return [trouble]
    own = seen.mesos_agent
    return [] if own is not None and own.registered else ["its agent has not registered again yet"]


def serves(look: Look, service: Service, name: str) -> list[str]:
    """Whether one node takes part in its service again; the others' state is not looked at."""
    if service is Service.MESOS_AGENT:
        missing = [] if name in look.agent_ids else ["the leading master does not list it as active"]
        return registered(look, name) or missing
    seen = look.facts.get(name, NodeFacts(error="it has no server"))
    trouble = seen.error or seen.trouble(UNITS[service], getattr(seen, service.value))
    return [trouble] if trouble else []


def renewed(look: Look, node: Node, old: str) -> list[str]:
    """An agent with a new identity: registered and active under another id than ``old``, and nothing left of that."""
    if look.agent_ids.get(node.name) in (None, old):
        return [f"{node}: has not registered under a new id yet"]
    return []


def _failed(checks: Sequence[Check]) -> list[str]:
    return _texts(check for check in checks if not check.ok)


def _texts(checks: Iterable[Check]) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in checks]
