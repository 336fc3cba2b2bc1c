"""The scheduler of plugin 2.x (MesosApi on mesosphere/usi). Pure."""

from __future__ import annotations

import logging
from typing import Any

from .cloud import Cloud
from .offers import TERMINAL, Json, Request, attributes_match, decline, kill, launch, scalar, second_task, take, usable
from .scheduler import Host

log = logging.getLogger("org.jenkinsci.plugins.mesos.MesosApi")
_DEBOUNCE_S = 5.0  # usi.scheduler.revive.debounce-revive-interval
_UNREACHABLE = {"TASK_UNREACHABLE"}


class UsiScheduler:
    """Pods that wait and pods that were launched. Never leaves; kills tasks that it does not know."""

    def __init__(self, cloud: Cloud, jenkins_url: str, host: Host) -> None:
        self._cloud, self._jenkins_url, self._host = cloud, jenkins_url, host
        self._waiting: list[Request] = []
        self._launched: set[str] = set()
        self._suppressed = False
        self._revive_wanted = False
        self._revived_at: float | None = None

    def request(self, request: Request) -> None:
        self._waiting.append(request)
        self._revive_wanted = True
        self.tick()

    def subscribed(self) -> None:
        """A subscription begins unsuppressed."""
        self._suppressed = False
        self.tick()

    def tick(self) -> None:
        """Revive at most every 5 s."""
        now = self._host.clock()
        if self._revive_wanted and (self._revived_at is None or now - self._revived_at >= _DEBOUNCE_S):
            self._revive_wanted, self._revived_at, self._suppressed = False, now, False
            self._host.send({"type": "REVIVE", "revive": {"roles": [self._cloud.role]}})

    def terminate(self, name: str) -> None:
        for request in self._waiting:
            if request.name == name:
                self._waiting.remove(request)
                self._host.task_ended(name, "removed from the queue")
                return
        log.info("Killing task %s", name)
        self._host.send(kill(name))

    def offers(self, offers: list[Json]) -> None:
        for offer in offers:
            self._offer(offer)
        if not self._waiting and not self._suppressed:
            self._suppressed = True
            self._host.send({"type": "SUPPRESS", "suppress": {"roles": [self._cloud.role]}})

    def _offer(self, offer: Json) -> None:
        left, tasks = usable(offer, self._cloud.role or "*"), []
        for request in list(self._waiting):
            wanted = {"cpus": request.cpus, "mem": request.mem_mib, "disk": request.disk_mib}
            enough = all(amount == 0 or amount <= scalar(left, name) for name, amount in wanted.items())
            if not enough or not attributes_match(offer, request.template.attributes):
                continue
            secret = self._host.secret_of(request.name)
            task = second_task(self._cloud, request, {**offer, "resources": left}, self._jenkins_url, secret)
            tasks.append(task)
            left = _without(left, take(left, wanted))
            self._waiting.remove(request)
            self._launched.add(request.name)
        self._host.send(launch(offer, tasks, None) if tasks else decline(offer, None))

    def update(self, status: dict[str, Any]) -> None:
        name, state = status["task_id"]["value"], status["state"]
        over = state in TERMINAL or state in _UNREACHABLE
        if name not in self._launched:
            if not over:
                log.info("Killing the unknown task %s", name)
                self._host.send(kill(name))
            return
        if state == "TASK_RUNNING":
            self._host.task_running(name)
        elif over:
            self._launched.discard(name)
            self._host.task_ended(name, f"{state}: {status.get('message', '')}")


def _without(resources: list[Json], taken: list[Json]) -> list[Json]:
    """Return the resources less what was taken of them."""
    left = []
    amounts = {(t["name"], t.get("role", "*")): t["scalar"]["value"] for t in taken}
    for resource in resources:
        amount = amounts.get((resource["name"], resource.get("role", "*")), 0.0)
        if amount == 0.0:
            left.append(resource)
        elif resource["scalar"]["value"] > amount:
            left.append({**resource, "scalar": {"value": resource["scalar"]["value"] - amount}})
    return left
