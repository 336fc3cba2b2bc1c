"""Calls of Mesos' v1 scheduler API as JSON (include/mesos/v1/scheduler/scheduler.proto, docs/scheduler-http-api.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]


def framework_info(
    name: str, role: str, user: str, *, failover_s: float = 0.0, framework_id: str | None = None
) -> Json:
    """As the Jenkins plugin registers: one role and no capabilities.

    Args:
        failover_s: how long masters keep the framework without a connection.
    """
    info: Json = {"user": user, "name": name, "role": role, "checkpoint": True, "failover_timeout": failover_s}
    if framework_id is not None:
        info["id"] = {"value": framework_id}
    return info


def subscribe(info: Json) -> Json:
    """SUBSCRIBE; with the id that ``info`` may have, the framework comes back."""
    call: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
    if "id" in info:
        call["framework_id"] = info["id"]
    return call


def accept(offer: Mapping[str, Any], task: Json, refuse_s: float) -> Json:
    """ACCEPT: launches one task; the rest of the offer is declined for ``refuse_s``."""
    return {
        "type": "ACCEPT",
        "accept": {
            "offer_ids": [offer["id"]],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task]}}],
            "filters": {"refuse_seconds": refuse_s},
        },
    }


def decline(offers: Iterable[Mapping[str, Any]], refuse_s: float) -> Json:
    """DECLINE."""
    ids = [offer["id"] for offer in offers]
    return {"type": "DECLINE", "decline": {"offer_ids": ids, "filters": {"refuse_seconds": refuse_s}}}


def acknowledge(status: Mapping[str, Any]) -> Json:
    """ACKNOWLEDGE an update, which must have a ``uuid``."""
    return {"type": "ACKNOWLEDGE", "acknowledge": {key: status[key] for key in ("agent_id", "task_id", "uuid")}}


def sleep_task(task_id: str, offer: Mapping[str, Any], resources: Sequence[Json], seconds: float) -> Json:
    """A task of one command that sleeps."""
    return {
        "name": f"task {task_id}",
        "task_id": {"value": task_id},
        "agent_id": offer["agent_id"],
        "command": {"value": f"exec sleep {seconds:g}"},
        "resources": list(resources),
    }


def take(offer: Mapping[str, Any], cpus: float, mem_mib: float) -> list[Json] | None:
    """Resources of an offer for a task, those reserved for the framework's role first; None if it has not enough.

    An offer names a resource several times where part of it is reserved.
    """
    taken: list[Json] = []
    for name, wanted in (("cpus", cpus), ("mem", mem_mib)):
        left = wanted
        pieces = [piece for piece in offer.get("resources", ()) if piece["name"] == name and "revocable" not in piece]
        for piece in sorted(pieces, key=lambda piece: piece.get("role", "*") == "*"):
            part = min(left, piece["scalar"]["value"])
            if part > 0:
                taken.append({**piece, "scalar": {"value": round(part, 3)}})
                left = round(left - part, 3)  # Mesos' scalars have three digits
        if left > 0:
            return None
    return taken
