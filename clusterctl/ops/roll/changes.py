"""Pure: what a changed cluster file means for each agent, decided before any agent is touched.

The rules are those of the policy ``additive`` that agents run with (Mesos 1.11, src/slave/compatibility.cpp):
attributes and resources may be added; scalar resources and ranges may grow; whatever else changes makes the agent
refuse to recover under its id. Host name and port are not compared: an agent is known by its address, which a server
keeps for life.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from clusterctl.amounts import amount
from clusterctl.health.expect import AgentOffer, Expected, Node
from clusterctl.health.facts import AgentFacts, NodeFacts
from clusterctl.health.mesos import leading_master
from clusterctl.resources import Flavor, Server
from clusterctl.spec.model import ClusterSpec

Value = float | str


class Kind(StrEnum):
    """What a change takes."""

    UNCHANGED = "unchanged"
    ADDITIVE = "additive"  # restart; tasks live
    NEW_IDENTITY = "new identity"  # drain, drop the old id, start; tasks move
    REFUSED = "refused"


@dataclass(frozen=True)
class AgentChange:
    """What one agent needs, and why."""

    node: str
    kind: Kind
    reasons: tuple[str, ...]
    tasks: int = 0

    @property
    def line(self) -> str:
        """For a person: one line."""
        cost = {
            Kind.ADDITIVE: "restart, tasks keep running",
            Kind.NEW_IDENTITY: f"drain and new agent id, {self.tasks} running tasks move",
        }.get(self.kind)
        return f"{self.node}: {self.kind}{f' ({cost})' if cost else ''}{': ' if self.reasons else ''}" + "; ".join(
            self.reasons
        )

    def to_json(self) -> dict[str, object]:
        """``{"node", "kind", "reasons", "tasks"}``."""
        return {"node": self.node, "kind": str(self.kind), "reasons": list(self.reasons), "tasks": self.tasks}


def other_flavors(spec: ClusterSpec, servers: Iterable[Server], flavors: Iterable[Flavor]) -> dict[str, str]:
    """Server id -> why its agent can't take over the file's resources: the server was made with another flavor."""
    names = {key: flavor.name for flavor in flavors for key in (flavor.id, flavor.name)}
    found = {}
    for server in servers:
        group = spec.groups.get(server.group)
        wanted = names.get(group.flavor, group.flavor) if group else server.flavor
        if server.flavor != wanted:
            found[server.id] = f"its server has flavor {server.flavor}, and the file says {wanted}: replace the server"
    return found


def agent_changes(
    expect: Expected, facts: Mapping[str, NodeFacts], refused: Mapping[str, str] | None = None
) -> list[AgentChange]:
    """The change of every agent, from what the leading master reports of it.

    An agent that the master does not report is refused: nobody knows which identity it would come back with.

    Args:
        refused: server id -> reason, for those that are refused whatever the master says (``other_flavors``).
    """
    refused = refused or {}
    leader = leading_master(expect, facts)
    if leader is None or leader[1].agents is None:
        return [AgentChange(node.name, Kind.REFUSED, ("no leading master to ask",)) for node in expect.agents]
    listed = leader[1].agents
    counts = Counter(agent.hostname for agent in listed)
    by_address = {agent.hostname: agent for agent in listed}
    return [
        _change(
            node,
            expect.offers[node.group],
            by_address.get(node.address),
            refused.get(node.server_id) or ("registered more than once" if counts[node.address] > 1 else None),
        )
        for node in expect.agents
    ]


def _change(node: Node, offer: AgentOffer, agent: AgentFacts | None, why_not: str | None) -> AgentChange:
    """Args: why_not: the reason to refuse that is known already."""
    if agent is None:
        why_not = why_not or (
            "not registered at the leading master; `clusterctl configure FILE` starts its agent if that is stopped"
        )
        return AgentChange(node.name, Kind.REFUSED, (why_not,))
    broken = (*_lost_attributes(agent, offer), *_lost_resources(agent, offer))
    added = (*_added_attributes(agent, offer), *_added_resources(agent, offer))
    if nothing := [key for key in ("cpus", "mem") if not offer.resources.get(key)]:
        why_not = why_not or f"would offer no {' and no '.join(nothing)}: its flavor is all mesos.agent_reserve"
    elif not agent.active and agent.drain is None:
        why_not = why_not or "registered, but not active"
    elif added and not broken and agent.drain is not None:
        why_not = why_not or f"is {agent.drain.lower()}; reactivate it, or remove it, first"
    if why_not:
        return AgentChange(node.name, Kind.REFUSED, (why_not,), agent.tasks)
    if broken:
        return AgentChange(node.name, Kind.NEW_IDENTITY, broken, agent.tasks)
    return AgentChange(node.name, Kind.ADDITIVE if added else Kind.UNCHANGED, added, agent.tasks)


def _lost_attributes(agent: AgentFacts, offer: AgentOffer) -> Iterator[str]:
    for name, found in sorted(agent.attributes.items()):
        wanted = offer.attributes.get(name)
        if wanted is None:
            yield f"attribute {name} is removed"
        elif not _attribute_kept(found, wanted):
            yield f"attribute {name} changes from {_shown(found)} to {_shown(wanted)}"


def _attribute_kept(found: Value, wanted: Value) -> bool:
    ranges = _ranges(found), _ranges(wanted)
    if ranges[0] is not None and ranges[1] is not None:
        return _within(ranges[0], ranges[1])
    if isinstance(found, str) or isinstance(wanted, str):
        return found == wanted
    return round(found, 3) == round(wanted, 3)


def _added_attributes(agent: AgentFacts, offer: AgentOffer) -> Iterator[str]:
    for name, wanted in sorted(offer.attributes.items()):
        found = agent.attributes.get(name)
        if found is None:
            yield f"attribute {name}:{_shown(wanted)} is new"
        elif _ranges(found) != _ranges(wanted):
            yield f"attribute {name} grows from {_shown(found)} to {_shown(wanted)}"


def _lost_resources(agent: AgentFacts, offer: AgentOffer) -> Iterator[str]:
    wanted_role = offer.reserved
    for role, held in _by_role(agent).items():
        present = {key: value for key, value in held.items() if not _empty(value)}
        if not present:
            continue
        if role != wanted_role:
            whom = f"reserved for {role}" if role else "unreserved"
            yield f"{', '.join(sorted(present))} {whom}, wanted {_place(wanted_role)}"
            continue
        for key, found in sorted(present.items()):
            wanted = offer.resources.get(key)
            if wanted is None or _empty(wanted):
                yield f"{key} is removed"
            elif not _covers(wanted, found):
                yield f"{key} shrinks from {_shown(found)} to {_shown(wanted)}"


def _added_resources(agent: AgentFacts, offer: AgentOffer) -> Iterator[str]:
    held = _by_role(agent).get(offer.reserved, {})
    for key, wanted in sorted(offer.resources.items()):
        found = held.get(key)
        if found is None or _empty(found):
            if not _empty(wanted):
                yield f"{key} {_shown(wanted)} is new"
        elif not _covers(found, wanted):
            yield f"{key} grows from {_shown(found)} to {_shown(wanted)}"


def _by_role(agent: AgentFacts) -> dict[str | None, Mapping[str, Value]]:
    """Resources by the role that they are reserved for; None: unreserved."""
    found: dict[str | None, Mapping[str, Value]] = {None: agent.unreserved}
    found.update(agent.reserved)
    return found


def _place(role: str | None) -> str:
    return f"reserved for {role}" if role else "unreserved"


def _covers(larger: Value, smaller: Value) -> bool:
    """Whether ``smaller <= larger``, as Mesos compares values (scalars to three decimals)."""
    outer, inner = _ranges(larger), _ranges(smaller)
    if outer is not None and inner is not None:
        return _within(inner, outer)
    if isinstance(larger, str) or isinstance(smaller, str):
        return larger == smaller
    return round(smaller, 3) <= round(larger, 3)


def _within(inner: list[tuple[int, int]], outer: list[tuple[int, int]]) -> bool:
    return all(any(low <= start and end <= high for low, high in outer) for start, end in inner)


def _ranges(value: Value) -> list[tuple[int, int]] | None:
    """``[1-5, 7-9]`` as joined, sorted pairs; None if it is not such a text."""
    if not isinstance(value, str) or not re.fullmatch(r"\[\s*\d+-\d+(\s*,\s*\d+-\d+)*\s*\]", value):
        return None
    joined: list[tuple[int, int]] = []
    for low, high in sorted((int(low), int(high)) for low, high in re.findall(r"(\d+)-(\d+)", value)):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _empty(value: Value) -> bool:
    return value == 0 or value in ("", "[]")


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else amount(value)
