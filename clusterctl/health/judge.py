"""Pure: everything that was found -> the checks that decide whether a cluster is healthy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from clusterctl.health.check import Check, check
from clusterctl.health.clocks import clock_checks
from clusterctl.health.confinement import confinement_checks
from clusterctl.health.disks import disk_checks
from clusterctl.health.expect import Expected, Node
from clusterctl.health.facts import BootFacts, NodeFacts
from clusterctl.health.jenkins import jenkins_checks
from clusterctl.health.marathon import marathon_checks
from clusterctl.health.mesos import agent_checks, master_checks
from clusterctl.health.zookeeper import zookeeper_checks, zookeeper_serves
from clusterctl.resources import Server
from clusterctl.services import UNITS, Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import topology

BOOTED = "done"


def judge(
    spec: ClusterSpec, servers: Iterable[Server], expect: Expected, facts: Mapping[str, NodeFacts]
) -> list[Check]:
    """The checks that waits and gates go by, those of the foundation first.

    Args:
        facts: by node name; of every control node, and of those agents that were asked.
    """
    return [
        server_check(spec, servers, expect.left_out),
        boot_check(expect, facts),
        *disk_checks(expect, facts),
        *zookeeper_checks(expect, facts),
        *master_checks(expect, facts),
        *agent_checks(expect, facts),
        *marathon_checks(expect, facts),
        *jenkins_checks(expect, facts),
    ]


def judge_all(
    spec: ClusterSpec, servers: Iterable[Server], expect: Expected, facts: Mapping[str, NodeFacts]
) -> list[Check]:
    """All checks: those of ``judge``, and what is wrong with a cluster that serves all the same."""
    return [*judge(spec, servers, expect, facts), *confinement_checks(expect, facts), *clock_checks(expect, facts)]


def server_check(spec: ClusterSpec, servers: Iterable[Server], left_out: Collection[str] = ()) -> Check:
    """The check ``servers``: as many as the file says, each ACTIVE, but for the agents ``left_out``."""
    top = topology(spec)
    problems: list[str] = []
    out: Counter[str] = Counter()
    by_group: dict[str, list[Server]] = {}
    by_node: dict[str, list[Server]] = {}
    for server in servers:
        if (server.node or server.name) in left_out:
            out[server.group] += server.node is None
            continue
        by_group.setdefault(server.group, []).append(server)
        if server.node is not None:
            by_node.setdefault(server.node, []).append(server)
        if server.status != "ACTIVE" or server.task_state == "deleting":
            state = server.task_state or server.status
            problems.append(f"{server.name} is {state}{f': {server.fault}' if server.fault else ''}, expected ACTIVE")
    for node in (each for each in top.nodes if each.name not in left_out):
        count = len(by_node.get(node.name, ()))
        if count != 1:
            problems.append(f"{node.name} has {count or 'no'} server{'s' * (count > 1)}, expected one")
    for pool in top.pools:
        count = sum(server.node is None for server in by_group.get(pool.group, ()))
        if count != pool.count - out[pool.group]:
            problems.append(f"group {pool.group} has {count} servers, expected {pool.count - out[pool.group]}")
    wanted = {node.name for node in top.nodes}
    problems += [f"{name} is not in the cluster file" for name in sorted(set(by_node) - wanted)]
    problems += [f"group {name} is not in the cluster file" for name in sorted(set(by_group) - set(spec.groups))]
    size = top.size - len(left_out)
    return check("servers", problems, f"{size} of {top.size} are active")


def boot_check(expect: Expected, facts: Mapping[str, NodeFacts]) -> Check:
    """The check ``boot``: the post-install script ended well on control nodes, and on agents that were asked."""
    problems = [] if expect.control else ["no control node has an address yet"]
    asked = [*expect.control, *(node for node in expect.agents if node.name in facts)]
    for node in asked:
        seen = facts.get(node.name, NodeFacts(error="not asked yet"))
        if seen.error:
            problems.append(f"{node}: not reached: {seen.error}")
        elif seen.boot.state != BOOTED:
            problems.append(f"{node}: {boot_text(seen.boot)}, expected {BOOTED}")
    return check("boot", problems, f"finished on the {len(asked)} nodes that were asked")


def boot_text(boot: BootFacts) -> str:
    """How far a boot is, in words."""
    if boot.error:
        return f"its boot left no report ({boot.error})"
    at = f" at step '{boot.step}'" if boot.step else ""
    return f"its boot is {boot.state or 'unknown'}{at}{f': {boot.detail}' if boot.detail else ''}"


def node_ready(expect: Expected, node: Node, seen: NodeFacts | None) -> bool:
    """Whether a control node has booted and its services are up and know their leaders; whether they agree with the
    other nodes' is for ``judge``.
    """
    if seen is None or seen.error or seen.boot.state != BOOTED:
        return False
    parts = {
        Service.ZOOKEEPER: seen.zookeeper,
        Service.MESOS_MASTER: seen.mesos_master,
        Service.MARATHON: seen.marathon,
    }
    if any(seen.trouble(UNITS[service], part) for service, part in parts.items() if service in node.services):
        return False
    return (
        (seen.zookeeper is None or zookeeper_serves(seen.zookeeper, expect.size[Service.ZOOKEEPER]))
        and (seen.mesos_master is None or seen.mesos_master.leader is not None)
        and (seen.marathon is None or seen.marathon.leader is not None)
    )
