"""Clocks: whether those of the nodes agree.

A wrong one stops no service at once. What it does is harder to see: Marathon dates the versions of apps by its leader's
clock, builds take files for older or newer than they are, and logs tell another order of what happened.

Not among the checks that waits and rolls go by: a node that has just booted may not have set its clock yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from clusterctl.health.check import Check, check
from clusterctl.health.expect import Expected, Node
from clusterctl.health.facts import NodeFacts

NAME = "clocks"
# Jenkins calls a larger difference between its own clock and a node's dangerous (hudson.util.ClockDifference)
LIMIT_S = 5.0


def clock_checks(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[Check]:
    """The check ``clocks`` of the nodes that were asked; none where fewer than two tell."""
    told = _told(expect, facts)
    if len(told) < 2:
        return []
    troubles = clock_troubles(expect, facts)
    problems = [f"{node}: {troubles[node.name]}" for node, _ in told if node.name in troubles]
    return [check(NAME, problems, f"of {len(told)} nodes, none is more than {LIMIT_S:g} s away from the others")]


def clock_troubles(expect: Expected, facts: Mapping[str, NodeFacts]) -> dict[str, str]:
    """By node name, those whose clocks are surely too far from that of the node in the middle, and how far.

    When a node was asked is known only to within the time that question and answer were on their way. That counts in
    favour of its clock.
    """
    told = sorted(_told(expect, facts), key=lambda each: sum(each[1]))
    if not told:
        return {}
    middle, (earliest_s, latest_s) = told[(len(told) - 1) // 2]
    found = {}
    for node, (least_s, most_s) in told:
        ahead_s, behind_s = least_s - latest_s, earliest_s - most_s
        if max(ahead_s, behind_s) > LIMIT_S:
            found[node.name] = (
                f"its clock is {max(ahead_s, behind_s):.0f} s {'ahead of' if ahead_s > behind_s else 'behind'} that of "
                f"{middle.name}, expected {LIMIT_S:g} s at most; `clusterctl ssh FILE {node.name} timedatectl` shows "
                "what sets it"
            )
    return found


def _told(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[tuple[Node, tuple[float, float]]]:
    return [
        (node, ahead)
        for node in (*expect.control, *expect.agents)
        if node.name in facts and (clock := facts[node.name].clock) and (ahead := clock.ahead_s)
    ]
