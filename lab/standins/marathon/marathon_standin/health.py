"""Health of running tasks: results of checks in, what they mean out (Marathon's Health.scala, HealthCheckActor.scala).

Pure but for the book itself, which is in memory only: a new leader knows nothing until it has checked, as Marathon's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .appspec import App
from .clock import iso
from .fields import MARATHON_PROTOCOLS
from .instance import RUNNING, Instance

_FIRST_S = 5.0  # HealthCheck.DefaultFirstHealthCheckAfter


@dataclass(frozen=True)
class Health:
    """What one check has found about one task. Times are seconds since the epoch."""

    first_success: float | None = None
    last_success: float | None = None
    last_failure: float | None = None
    last_failure_cause: str | None = None
    failures: int = 0  # one after another

    @property
    def alive(self) -> bool:
        if self.last_success is None:
            return False
        return self.last_failure is None or self.last_success > self.last_failure

    def succeeded(self, now: float) -> Health:
        first = self.first_success if self.first_success is not None else now
        return replace(self, first_success=first, last_success=now, failures=0)

    def failed(self, now: float, cause: str) -> Health:
        return replace(self, last_failure=now, last_failure_cause=cause, failures=self.failures + 1)

    def to_json(self, instance_id: str) -> dict[str, Any]:
        """Return the health as the API shows it (healthCheck.raml, Health)."""
        times = {
            "firstSuccess": self.first_success,
            "lastSuccess": self.last_success,
            "lastFailure": self.last_failure,
        }
        result: dict[str, Any] = {
            "alive": self.alive,
            "consecutiveFailures": self.failures,
            "instanceId": instance_id,
        }
        result |= {name: iso(time) for name, time in times.items() if time is not None}
        return result | ({"lastFailureCause": self.last_failure_cause} if self.last_failure_cause else {})


@dataclass(frozen=True)
class Probe:
    """A check to be made now: number ``index`` of the app's, of a task at ``host``:``port``."""

    task_id: str
    index: int
    protocol: str
    host: str
    port: int
    path: str
    timeout_s: float
    ignore_1xx: bool


@dataclass(frozen=True)
class Result:
    """``alive`` None: the answer says nothing either way (HTTP 1xx that the check ignores)."""

    probe: Probe
    alive: bool | None
    cause: str = ""


class HealthBook:
    """The health of all tasks by task id and number of the check."""

    def __init__(self) -> None:
        self._health: dict[tuple[str, int], Health] = {}
        self._next: dict[tuple[str, int], float] = {}
        self._under_way: set[tuple[str, int]] = set()

    def of(self, task_id: str, index: int) -> Health:
        return self._health.get((task_id, index), Health())

    def all_of(self, app: App, task_id: str) -> list[Health]:
        """Return the health of a task by each of the app's checks, in order."""
        return [self.of(task_id, index) for index in range(len(app.spec["healthChecks"]))]

    def note(self, task_id: str, index: int, health: Health) -> None:
        self._health[task_id, index] = health

    def forget_all_but(self, task_ids: Collection[str]) -> None:
        for book in (self._health, self._next):
            for key in [key for key in book if key[0] not in task_ids]:
                del book[key]

    def done(self, probe: Probe) -> None:
        self._under_way.discard((probe.task_id, probe.index))

    def due(self, apps: Mapping[str, App], instances: Collection[Instance], now: float) -> list[Probe]:
        """Return the checks that are to be made now, each of them once until ``done``."""
        probes = []
        for instance in instances:
            app = apps.get(instance.app_id)
            if app is None or instance.state != RUNNING:
                continue
            for index, check in enumerate(app.spec["healthChecks"]):
                key = (instance.id, index)
                if check["protocol"] not in MARATHON_PROTOCOLS or key in self._under_way:
                    continue
                interval = check["intervalSeconds"]
                start = instance.started_at if instance.started_at is not None else now
                if now < self._next.get(key, start + min(interval, _FIRST_S)):
                    continue
                port = port_of(check, instance.host_ports)
                if port is None:  # an instance of an older version with fewer ports
                    continue
                self._next[key] = now + interval
                self._under_way.add(key)
                probes.append(_probe(instance, index, check, port))
        return probes


def port_of(check: Mapping[str, Any], host_ports: list[int]) -> int | None:
    """Return the port that a check is about, None if the task has no such port."""
    if "port" in check:
        return int(check["port"])
    index = check.get("portIndex", 0)
    return host_ports[index] if index < len(host_ports) else None


def _probe(instance: Instance, index: int, check: Mapping[str, Any], port: int) -> Probe:
    return Probe(
        task_id=instance.id,
        index=index,
        protocol=check["protocol"],
        host=instance.hostname,
        port=port,
        path="/" + check.get("path", "").removeprefix("/"),
        timeout_s=float(check["timeoutSeconds"]),
        ignore_1xx=check.get("ignoreHttp1xx", False),
    )


def tolerated(instance: Instance, check: Mapping[str, Any], health: Health, now: float) -> bool:
    """Return whether a failure does not count: the task is not up, or in its grace period and not healthy before."""
    if instance.state != RUNNING or instance.started_at is None:
        return True
    return health.first_success is None and instance.started_at + check["gracePeriodSeconds"] > now


def must_die(check: Mapping[str, Any], before: Health) -> bool:
    """Return whether a failure after ``before`` ends the task.

    Marathon compares the failures before this one (HealthCheckActor.checkConsecutiveFailures), so it kills at failure
    number maxConsecutiveFailures + 1.
    """
    limit = int(check["maxConsecutiveFailures"])
    return limit > 0 and before.failures >= limit
