"""Who leads a service, and whether a member takes part in it: one answer for every command."""

from __future__ import annotations

from collections.abc import Mapping

from clusterctl.health.expect import Expected, Node
from clusterctl.health.facts import NodeFacts
from clusterctl.health.marathon import leading_marathon
from clusterctl.health.mesos import leading_master
from clusterctl.health.zookeeper import leading_zookeeper, zookeeper_serves
from clusterctl.services import UNITS, Service

_LEADING = {
    Service.ZOOKEEPER: leading_zookeeper,
    Service.MESOS_MASTER: leading_master,
    Service.MARATHON: leading_marathon,
}


def leader_of(service: Service, expect: Expected, facts: Mapping[str, NodeFacts]) -> str | None:
    """Name of the node that leads ``service``; None where there is no single leader (as for agents)."""
    find = _LEADING.get(service)
    found = find(expect, facts) if find else None
    return found[0].name if found else None


def takes_part(service: Service, expect: Expected, node: Node, seen: NodeFacts | None) -> bool:
    """Whether a member takes part: a ZooKeeper as leader or follower, a master with its log recovered, any other if it
    answers.
    """
    if seen is None or seen.error or node.status != "ACTIVE":
        return False
    if service is Service.ZOOKEEPER:
        found = seen.zookeeper
        return found is not None and not found.error and zookeeper_serves(found, expect.size[service])
    if service is Service.MESOS_MASTER:
        master = seen.mesos_master
        return master is not None and not master.error and master.log_recovered
    return not seen.trouble(UNITS[service], getattr(seen, service.value))
