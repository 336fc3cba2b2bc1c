"""Pure: whether an ensemble bears the loss of a member; nobody is taken away who makes the majority."""

from __future__ import annotations

from clusterctl.health.expect import UNITS, Node
from clusterctl.health.zookeeper import zookeeper_serves
from clusterctl.ops.observe.look import Look
from clusterctl.spec.model import Service
from clusterctl.topology import quorum

ENSEMBLES = (Service.ZOOKEEPER, Service.MESOS_MASTER)


def serves(look: Look, service: Service, node: Node) -> bool:
    """Whether a member takes part: a ZooKeeper as leader or follower, a master with its log recovered."""
    seen = look.facts.get(node.name)
    if seen is None or seen.error or node.status != "ACTIVE":
        return False
    if service is Service.ZOOKEEPER:
        found = seen.zookeeper
        return found is not None and not found.error and zookeeper_serves(found, look.expect.size[service])
    if service is Service.MESOS_MASTER:
        master = seen.mesos_master
        return master is not None and not master.error and master.log_recovered
    return not seen.trouble(UNITS[service], getattr(seen, service.value))


def loss(look: Look, name: str) -> str | None:
    """Why node ``name`` must not be taken away; None if its ensembles bear it.

    A member that serves may go only if all others serve, so that a majority stays whatever happens next. A dead one may
    be taken away as long as the others are a majority: there is nothing left to lose.
    """
    services = look.spec.groups[_group(look, name)].services
    for service in (each for each in ENSEMBLES if each in services):
        size = look.expect.size[service]
        serving = [node.name for node in look.expect.running(service) if serves(look, service, node)]
        others = [other for other in serving if other != name]
        if len(others) < quorum(size):
            return (
                f"{service}: {len(others)} of the other {size - 1} members serve, and {quorum(size)} are needed to "
                "carry the state over to a new one"
            )
        if name in serving and len(others) < size - 1:
            return (
                f"{service}: {name} serves, and {size - 1 - len(others)} of the others do not; it must stay until they "
                "are mended"
            )
    return None


def node_serves(look: Look, name: str) -> bool:
    """Whether a control node takes part in all its services."""
    node = next((node for node in look.expect.control if node.name == name), None)
    return node is not None and all(serves(look, service, node) for service in node.services)


def _group(look: Look, name: str) -> str:
    return name.removeprefix(f"{look.spec.cluster}-").rpartition("-")[0]
