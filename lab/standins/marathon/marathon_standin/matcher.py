"""Does an app fit an offer? Pure; the reasons for a no are Marathon's, as /v2/queue shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .appspec import App
from .constraints import Place, first_unmet, place_of
from .resources import Choose, Purse, Resource

# In the order in which they are looked at.
REASONS = (
    "UnfulfilledRole",
    "UnfulfilledConstraint",
    "AgentMaintenance",
    "InsufficientCpus",
    "InsufficientMemory",
    "InsufficientDisk",
    "InsufficientPorts",
)
_SCALARS = (("cpus", "InsufficientCpus"), ("mem", "InsufficientMemory"), ("disk", "InsufficientDisk"))


class OpenOffer:
    """An offer that is being used up: ``purse`` shrinks with every task that is put on it."""

    def __init__(self, offer: Mapping[str, Any]) -> None:
        self.raw = offer
        self.id: str = offer["id"]["value"]
        self.agent_id: str = offer["agent_id"]["value"]
        self.place: Place = place_of(offer)
        self.role: str = offer.get("allocation_info", {}).get("role", "*")
        self.purse = Purse(offer.get("resources", []))
        self._unavailability = offer.get("unavailability")

    def in_maintenance(self, now: float, draining_seconds: float) -> bool:
        """Return whether the agent's maintenance window is on, or begins within ``draining_seconds``."""
        if not self._unavailability:
            return False
        start = self._unavailability["start"]["nanoseconds"] / 1e9
        duration = self._unavailability.get("duration", {}).get("nanoseconds")
        end = float("inf") if duration is None else start + duration / 1e9
        return bool(start - draining_seconds <= now < end)


@dataclass(frozen=True)
class Fit:
    """What a task of the app gets: resources for Mesos, host ports in the order of its port definitions."""

    resources: Sequence[Resource]
    host_ports: Sequence[int]


def match(app: App, offer: OpenOffer, placed: Sequence[Place], maintenance: bool, choose: Choose) -> Fit | str:
    """Take the share of one task of ``app`` out of ``offer`` and return it, or return the reason for a no.

    ``placed`` are the places of the app's other instances.
    """
    spec = app.spec
    roles = spec["acceptedResourceRoles"]
    if not offer.purse.has_role(roles):
        return "UnfulfilledRole"
    if first_unmet(offer.place, placed, spec["constraints"], app.instances) is not None:
        return "UnfulfilledConstraint"
    if maintenance:
        return "AgentMaintenance"
    purse = offer.purse.copy()
    resources: list[Resource] = []
    for name, reason in _SCALARS:
        taken = purse.take_scalar(name, spec[name], roles)
        if taken is None:
            return reason
        resources.extend(taken)
    wanted = [port["port"] if spec["requirePorts"] else 0 for port in spec["portDefinitions"]]
    ports = purse.take_ports(wanted, roles, choose)
    if ports is None:
        return "InsufficientPorts"
    offer.purse = purse
    return Fit(resources + ports[1], ports[0])
