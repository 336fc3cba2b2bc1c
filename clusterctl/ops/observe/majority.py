"""Pure: whether an ensemble bears the loss of a member; nobody is taken away who makes the majority."""

from __future__ import annotations

from clusterctl.health.expect import Node
from clusterctl.health.leaders import takes_part
from clusterctl.ops.observe.look import Look
from clusterctl.services import ENSEMBLES, UNITS, Service
from clusterctl.topology import quorum


def loss(look: Look, name: str) -> str | None:
    """Why node ``name`` must not be taken away; None if its ensembles bear it.

    A member that serves may go only if all others serve, so that a majority stays whatever happens next. A dead one may
    be taken away as long as the others are a majority: there is nothing left to lose.
    """
    services = look.spec.groups[_group(look, name)].services
    for service in (each for each in ENSEMBLES if each in services):
        size = look.expect.size[service]
        serving = [node.name for node in look.expect.running(service) if _serves(look, service, node)]
        others = [other for other in serving if other != name]
        if len(others) < quorum(size):
            return (
                f"{service}: {len(others)} of the other {size - 1} members serve, and {quorum(size)} are needed to "
                "carry the state over to a new one"
            )
        if name in serving and len(others) < size - 1:
            return (
                f"{service}: {name} serves, and {size - 1 - len(others)} of the others do not; it must stay until they "
                "are repaired"
            )
    return None


def hopeless(look: Look, name: str) -> bool:
    """Whether the others can't become a majority by themselves: too few of them have a server that runs."""
    for service in (each for each in ENSEMBLES if each in look.spec.groups[_group(look, name)].services):
        others = [n for n in look.expect.running(service) if n.name != name and n.status not in ("SHUTOFF", "ERROR")]
        if len(others) < quorum(look.expect.size[service]):
            return True
    return False


def others_serve(look: Look, service: Service, name: str) -> bool:
    """Whether the members besides ``name`` are a majority that takes part."""
    others = [node for node in look.expect.running(service) if node.name != name]
    return sum(_serves(look, service, node) for node in others) >= quorum(look.expect.size[service])


def node_serves(look: Look, name: str) -> bool:
    """Whether a control node takes part in all its services."""
    node = next((node for node in look.expect.control if node.name == name), None)
    return node is not None and all(_serves(look, service, node) for service in node.services)


def lacks(look: Look, name: str) -> list[str]:
    """What a control node lacks to take part in all its services; empty if it does."""
    node = next((node for node in look.expect.control if node.name == name), None)
    if node is None:
        return [f"{name} has no server"]
    seen = look.facts.get(name)
    if seen is None or seen.error or node.status != "ACTIVE":
        return [f"{name}: {seen.error if seen and seen.error else f'its server is {node.status}'}"]
    return [
        f"{name}: {service}: {seen.trouble(UNITS[service], getattr(seen, service.value)) or 'does not take part yet'}"
        for service in node.services
        if not _serves(look, service, node)
    ]


def _group(look: Look, name: str) -> str:
    return name.removeprefix(f"{look.spec.cluster}-").rpartition("-")[0]


def _serves(look: Look, service: Service, node: Node) -> bool:
    return takes_part(service, look.expect, node, look.facts.get(node.name))
