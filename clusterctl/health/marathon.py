"""Marathon: one leader on which all instances agree, registered with Mesos as an active framework in its role."""

from __future__ import annotations

from collections.abc import Mapping

from clusterctl.health.check import Check, check, listed
from clusterctl.health.expect import Expected, Node
from clusterctl.health.facts import MarathonFacts, NodeFacts
from clusterctl.health.mesos import leading_master
from clusterctl.services import UNITS, Service

_UNASKED = NodeFacts(error="not asked yet")


def leading_marathon(expect: Expected, facts: Mapping[str, NodeFacts]) -> tuple[Node, MarathonFacts] | None:
    """The instance that all answering ones take for the leader."""
    named = {found.leader for _, found in _answering(expect, facts)}
    return next(
        ((node, found) for node, found in _answering(expect, facts) if named == {_place(expect, node)}),
        None,
    )


def marathon_checks(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[Check]:
    """The checks ``marathon.members``, ``.leader``, ``.framework`` and, for information, ``.deployments``."""
    size = expect.size[Service.MARATHON]
    nodes = expect.running(Service.MARATHON)
    silent = []
    for node in nodes:
        seen = facts.get(node.name, _UNASKED)
        if trouble := seen.trouble(UNITS[Service.MARATHON], seen.marathon):
            silent.append(f"{node}: {trouble}")
    if len(nodes) < size:
        silent.append(f"{len(nodes)} of {size} instances have a server")
    leader = leading_marathon(expect, facts)
    views = [
        f"{node}: takes {found.leader or f'nobody ({found.no_leader})'} for the leader"
        for node, found in _answering(expect, facts)
    ]
    disagreement = [] if leader else [*views, "expected all to name one of the instances"]
    under_way = [str(each) for each in leader[1].deployments] if leader else []
    return [
        check("marathon.members", silent, f"{len(nodes)} of {size} instances answer"),
        check("marathon.leader", disagreement, leader[0].name if leader else ""),
        check("marathon.framework", _framework_problems(expect, facts), f"active in role {expect.marathon_role}"),
        check(
            "marathon.deployments",
            [] if leader else ["no leading Marathon to ask"],
            f"{len(under_way)} under way: {listed(under_way)}" if under_way else "none under way",
        ),
    ]


def replaced_agents(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[str]:
    """Ids of agents for whose tasks Marathon waits, though another agent has registered at their address since.

    They never come back, and nobody else tells the masters: an app with ``unreachableStrategy: disabled``, as each
    Jenkins master is one, would wait for good.
    """
    marathon, master = leading_marathon(expect, facts), leading_master(expect, facts)
    if marathon is None or master is None:
        return []
    active = {agent.hostname: agent.id for agent in master[1].agents or () if agent.active}
    ghosts = [ghost for ghost in marathon[1].ghosts if ghost.agent]
    return list(dict.fromkeys(ghost.agent for ghost in ghosts if active.get(ghost.host, ghost.agent) != ghost.agent))


def _framework_problems(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[str]:
    master = leading_master(expect, facts)
    if master is None:
        return ["no leading Mesos master to ask"]
    ids = {found.framework_id for _, found in _answering(expect, facts)}
    if len(ids) != 1 or None in ids:
        return [f"framework ids: {', '.join(sorted(str(one) for one in ids)) or 'none'}; expected one and the same"]
    (framework_id,) = ids
    framework = next((one for one in master[1].frameworks if one.id == framework_id), None)
    if framework is None:
        return [f"framework {framework_id} is not registered at {master[0].name}"]
    problems = []
    if not (framework.active and framework.connected):
        state = f"active={framework.active}, connected={framework.connected}".lower()
        problems.append(f"framework {framework_id} is {state}, expected both")
    if expect.marathon_role not in framework.roles:
        roles = ", ".join(framework.roles) or "none"
        problems.append(f"framework {framework_id} has roles {roles}; expected {expect.marathon_role}")
    return problems


def _answering(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[tuple[Node, MarathonFacts]]:
    return [
        (node, found)
        for node in expect.running(Service.MARATHON)
        if (found := facts.get(node.name, _UNASKED).marathon) is not None and not (found.error or found.turning)
    ]


def _place(expect: Expected, node: Node) -> str:
    return f"{node.address}:{expect.ports[Service.MARATHON]}"
