"""Confinement: whether the rules for tenants' users and the hardening of units are in effect on the nodes.

Not among the checks that waits and rolls go by: a cluster that serves may come to be confined, by rolls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from clusterctl.health.check import Check, check
from clusterctl.health.expect import Expected, Node
from clusterctl.health.facts import ConfinementFacts, NodeFacts, ProcessFacts
from clusterctl.services import UNITS as UNIT_OF
from clusterctl.services import Service

BUILDS, UNITS = "builds.confined", "units.hardened"
_RULES = {
    "missing": "its rules for tenants' users are not loaded",
    "changed": "its rules for tenants' users are not those that were loaded",
    "stale": "its rules for tenants' users are older than its configuration",
}


def confinement_checks(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[Check]:
    """The checks ``builds.confined`` and ``units.hardened``, each where a node that was asked must be so."""
    asked = [
        (node, found)
        for node in (*expect.control, *expect.agents)
        if node.name in facts and (found := facts[node.name].confinement) is not None
    ]
    builds = [(node, found) for node, found in asked if node.confined.builds]
    units = [(node, found) for node, found in asked if node.confined.units]
    checks: list[Check] = []
    if builds:
        problems = [f"{node}: {trouble}" for node, each in builds for trouble in rules_trouble(node, each)]
        checks.append(check(BUILDS, problems, f"on the {len(builds)} agents that were asked"))
    if units:
        problems = [f"{node}: {trouble}" for node, each in units for trouble in units_trouble(node, each)]
        checks.append(check(UNITS, problems, f"on the {len(units)} nodes that were asked"))
    return checks


def rules_trouble(node: Node, found: ConfinementFacts) -> Iterator[str]:
    """What is wrong with the rules for tenants' users, and the command that mends it."""
    if found.error:
        yield f"can't be looked at: {found.error}"
    elif node.confined.builds and (text := _RULES.get(found.rules or "missing")):
        yield f"{text}; {_mend(node, [Service.MESOS_AGENT], configure=found.rules == 'missing')}"


def units_trouble(node: Node, found: ConfinementFacts) -> Iterator[str]:
    """The units whose processes have more rights than they should, and the command that mends it."""
    if found.error:
        yield f"can't be looked at: {found.error}"
        return
    loose = {unit: what for unit, process in found.units.items() if (what := _lacking(node, process))}
    if loose and node.confined.units:
        services = [service for service in node.services if UNIT_OF[service] in loose]
        told = ", ".join(f"{unit} {what}" for unit, what in loose.items())
        yield f"{told}; {_mend(node, services, configure=True)}"


def _lacking(node: Node, process: ProcessFacts) -> str:
    if not process.no_new_privileges:
        return "may gain privileges"
    if not process.filtered:
        return "may make any system call"
    return "sees the node's whole file system writable" if node.confined.mounts and not process.own_mounts else ""


def _mend(node: Node, services: list[Service], *, configure: bool) -> str:
    restarts = [f"`clusterctl restart FILE {service} --only {node.name}`" for service in services]
    return ", then ".join([*(["`clusterctl configure FILE`"] if configure else []), *restarts])
