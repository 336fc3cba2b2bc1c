"""Pure: the names of a cluster's secrets, and of the principals that they belong to.

A Mesos principal has one secret (``mesos/PRINCIPAL``), whatever it uses it for. Each group of agents is a principal of
its own: a stolen one can offer only what its group may. Each Jenkins master is one, so that a developer who administers
it can't be another.
"""

from __future__ import annotations

from clusterctl.services import Service
from clusterctl.spec.jenkins import MAX_SLOTS
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import WITH_SECRETS, Part

MARATHON = "marathon"
OPERATOR = "operator"
PROBE = "probe"
AGENT_HTTP = "node"  # of an agent's own API: known to its node and to operators

ZOOKEEPER_SUPER = "zookeeper/super"
ZOOKEEPER_QUORUM = "zookeeper/quorum"
ZOOKEEPER_MESOS = "zookeeper/mesos"
ZOOKEEPER_MARATHON = "zookeeper/marathon"
MARATHON_HTTP = "marathon/http"
MESOS_AGENT_HTTP = "mesos/agent-http"


def mesos_secret(principal: str) -> str:
    """The name of a Mesos principal's secret."""
    return f"mesos/{principal}"


def principal_of(principal: str, epoch: int) -> str:
    """Who somebody is in an epoch: with the next secret he is another one, so that masters can know both.

    Not so Marathon, whose framework outlives all its starts: Mesos lets none change its principal. A Jenkins master is
    a new framework at each start. Nothing else has a '.' in its name.
    """
    return principal if epoch == 1 or principal == MARATHON else f"{principal}.{epoch}"


def login_secret(principal: str) -> str:
    """The name of the secret by which a principal of masters or of agents logs in."""
    return MESOS_AGENT_HTTP if principal == AGENT_HTTP else mesos_secret(principal)


def agent_principal(group: str) -> str:
    """The principal of a group's agents."""
    return f"agent-{group}"


def jenkins_principal(slot: int) -> str:
    """The principal of the Jenkins master in a slot, and of its framework."""
    if not 1 <= slot <= MAX_SLOTS:
        raise ValueError(f"no slot {slot}: 1 to {MAX_SLOTS}")
    return f"jenkins-{slot:03d}"


def mesos_principals(spec: ClusterSpec) -> tuple[str, ...]:
    """Everybody whom the masters know."""
    slots = range(1, spec.jenkins.max_masters + 1) if spec.jenkins else ()
    agents = (agent_principal(group) for group in spec.groups_of(Service.MESOS_AGENT))
    return (MARATHON, *map(jenkins_principal, slots), *agents, OPERATOR, PROBE)


def names(spec: ClusterSpec) -> tuple[str, ...]:
    """All secrets of a cluster, also of parts that are open."""
    return tuple(name for part in WITH_SECRETS for name in names_of(spec, part))


def names_of(spec: ClusterSpec, part: Part) -> tuple[str, ...]:
    """Those that a part of the cluster uses where it is closed."""
    if part is Part.ZOOKEEPER:
        return ZOOKEEPER_SUPER, ZOOKEEPER_QUORUM, ZOOKEEPER_MESOS, ZOOKEEPER_MARATHON
    if part is Part.MESOS:
        return (*map(mesos_secret, mesos_principals(spec)), MESOS_AGENT_HTTP)
    return (MARATHON_HTTP,) if part is Part.MARATHON else ()
