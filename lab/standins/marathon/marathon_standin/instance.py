"""An instance of an app and what a status update makes of it. Pure.

An instance has one Mesos task after another: when a task ends, the instance stays, with the ended task and its host,
until it is launched again or no longer wanted (Marathon since 1.8). Its name stays, the number of the attempt counts.

Rules: Marathon docs/task-handling.md and docs/unreachable.md; which ends slow down the next launch: its
NotifyRateLimiterStep (failed, finished, dropped, gone, error; not killed; a drained agent resets the delay).
"""

from __future__ import annotations

import re
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


_TASK_ID = re.compile(r"(?P<instance>.+)\.(?P<container>[^.]+)\.(?P<attempt>\d+)")
# What Task.Id.parse accepts
_PARSEABLE = re.compile(r"(.+)\.(instance-|marathon-)([^_.]+)[._]([^.]+)(\.\d+)?|(.+)[._]([^_.]+)(\.\d+)?")

# Mesos' states as Marathon's conditions, which its events show
CONDITIONS = {
    "TASK_CREATED": "Provisioned",
    "TASK_STAGING": "Staging",
    "TASK_STARTING": "Starting",
    "TASK_RUNNING": "Running",
    "TASK_KILLING": "Killing",
    "TASK_FINISHED": "Finished",
    "TASK_FAILED": "Failed",
    "TASK_KILLED": "Killed",
    "TASK_ERROR": "Error",
    "TASK_LOST": "Dropped",
    "TASK_DROPPED": "Dropped",
    "TASK_GONE": "Gone",
    "TASK_GONE_BY_OPERATOR": "Gone",
    "TASK_UNKNOWN": "Unknown",
    "TASK_UNREACHABLE": "Unreachable",
}


def is_task_id(text: str) -> bool:
    """Return whether ``text`` can be a task id at all, of whatever app."""
    return _PARSEABLE.fullmatch(text) is not None


@dataclass(frozen=True)
class Instance:
    """Times are seconds since the epoch. ``goal`` is "Running", or "Stopped" once it is to go for good.

    ``id`` is that of the task, INSTANCE._app.ATTEMPT.
    """

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

    @property
    def instance_id(self) -> str:
        found = _TASK_ID.fullmatch(self.id)
        return found["instance"] if found else self.id

    @property
    def next_id(self) -> str:
        """The id of the task that follows this one in the same instance."""
        found = _TASK_ID.fullmatch(self.id)
        return f"{found['instance']}.{found['container']}.{int(found['attempt']) + 1}" if found else f"{self.id}.2"

    @property
    def over(self) -> bool:
        """Whether its task has ended, and the instance waits to be launched again."""
        return self.state in TERMINAL

    @property
    def dying(self) -> bool:
        """Whether it was told to end and has not yet."""
        return self.kills_sent > 0 and not self.over

    @property
    def condition(self) -> str:
        return CONDITIONS.get(self.state, "Unknown")

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
    """Return the instance after Mesos' ``status`` (v1 TaskStatus), None if it is gone, and the effect on delays."""
    state = status["state"]
    if instance.over:
        return instance, Effect.NONE  # told again, or a task that had been given up for lost
    if state in TERMINAL:
        after = replace(instance, state=state, healthy=None, unreachable_since=None, kills_sent=0)
        left = after if instance.goal == "Running" else None
        if status.get("reason") in ("REASON_AGENT_DRAINING", "REASON_SLAVE_DRAINING"):
            return left, Effect.RESET
        unhealthy = state == "TASK_KILLED" and status.get("healthy") is False
        return left, Effect.SLOW_DOWN if state in _SLOWS_DOWN or unhealthy else Effect.NONE
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
    up = instance.state == RUNNING and instance.goal == "Running" and not instance.dying
    return up and (instance.healthy is True or not has_health_checks)
