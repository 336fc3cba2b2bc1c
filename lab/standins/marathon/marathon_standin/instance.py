"""An instance of an app (one Mesos task) and what a status update makes of it. Pure.

Rules: Marathon docs/task-handling.md and docs/unreachable.md; which ends slow down the next launch: its
NotifyRateLimiterStep (failed, finished, dropped, gone, error; not killed; a drained agent resets the delay).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from .constraints import Place

RUNNING, STAGING, UNREACHABLE, KILLING = "TASK_RUNNING", "TASK_STAGING", "TASK_UNREACHABLE", "TASK_KILLING"
CREATED = "TASK_CREATED"  # our own: the launch is on its way, Mesos has not reported yet

ALIVE = frozenset({STAGING, "TASK_STARTING", RUNNING, KILLING})
TERMINAL = frozenset(
    [
        "TASK_FINISHED",
        "TASK_FAILED",
        "TASK_KILLED",
        "TASK_ERROR",
        "TASK_LOST",
        "TASK_DROPPED",
        "TASK_GONE",
        "TASK_GONE_BY_OPERATOR",
        "TASK_UNKNOWN",
    ]
)
_SLOWS_DOWN = frozenset(["TASK_FINISHED", "TASK_FAILED", "TASK_ERROR", "TASK_DROPPED", "TASK_GONE", "TASK_LOST"])


@dataclass(frozen=True)
class Instance:
    """Times are seconds since the epoch. ``goal`` is "Running", or "Stopped" once a kill was decided."""

    id: str
    app_id: str
    version: str
    role: str
    agent_id: str
    hostname: str
    attributes: dict[str, str] = field(default_factory=dict)
    host_ports: list[int] = field(default_factory=list)
    state: str = CREATED
    goal: str = "Running"
    created_at: float = 0.0
    staged_at: float | None = None
    started_at: float | None = None
    unreachable_since: float | None = None
    healthy: bool | None = None
    kills_sent: int = 0
    last_kill_at: float = 0.0

    @property
    def place(self) -> Place:
        return Place(self.hostname, self.attributes)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Instance:
        return Instance(**data)


class Effect(Enum):
    """What an update means for the app's launch delay."""

    NONE = "none"
    SLOW_DOWN = "slow down"
    RESET = "reset"


def updated(instance: Instance, status: Mapping[str, Any], now: float) -> tuple[Instance | None, Effect]:
    """Return the instance after Mesos' ``status`` (v1 TaskStatus), None if it is over, and the effect on delays."""
    state = status["state"]
    if state in TERMINAL:
        if status.get("reason") in ("REASON_AGENT_DRAINING", "REASON_SLAVE_DRAINING"):
            return None, Effect.RESET
        unhealthy = state == "TASK_KILLED" and status.get("healthy") is False
        return None, Effect.SLOW_DOWN if state in _SLOWS_DOWN or unhealthy else Effect.NONE
    if state == UNREACHABLE:
        since = instance.unreachable_since if instance.unreachable_since is not None else now
        return replace(instance, state=state, unreachable_since=since), Effect.NONE
    return replace(
        instance,
        state=state,
        healthy=status.get("healthy", instance.healthy),
        unreachable_since=None,
        staged_at=instance.staged_at if instance.staged_at is not None else now,
        started_at=now if state == RUNNING and instance.started_at is None else instance.started_at,
    ), Effect.NONE


def inactive(instance: Instance, strategy: Any, now: float) -> bool:
    """Return whether an unreachable instance no longer counts, so that another is launched for it."""
    return _unreachable_for(instance, strategy, "inactiveAfterSeconds", now)


def expunged(instance: Instance, strategy: Any, now: float) -> bool:
    """Return whether an unreachable instance is forgotten, so that it is killed should it come back."""
    return _unreachable_for(instance, strategy, "expungeAfterSeconds", now)


def _unreachable_for(instance: Instance, strategy: Any, limit: str, now: float) -> bool:
    if strategy == "disabled" or instance.unreachable_since is None:
        return False
    return bool(now - instance.unreachable_since >= strategy[limit])


def overdue(instance: Instance, confirm_timeout_s: float, launch_timeout_s: float, now: float) -> bool:
    """Return whether the launch was not confirmed, or the task did not come up, in its time."""
    if instance.state == CREATED:
        return now - instance.created_at > confirm_timeout_s
    starting = instance.state in (STAGING, "TASK_STARTING")
    return starting and now - (instance.staged_at or instance.created_at) > launch_timeout_s


def ready(instance: Instance, has_health_checks: bool) -> bool:
    """Return whether the instance counts as up for a deployment."""
    up = instance.state == RUNNING and instance.goal == "Running"
    return up and (instance.healthy is True or not has_health_checks)
