"""The scheduler of plugin 0.x and 1.x (JenkinsScheduler at tags mesos-0.16 and mesos-1.0.0). Pure."""

from __future__ import annotations

import logging
from typing import Any

from .cloud import Cloud
from .offers import (
    TERMINAL,
    Json,
    Request,
    attributes_match,
    classic_task,
    decline,
    in_maintenance,
    kill,
    launch,
    scalar,
    usable,
)
from .scheduler import Host

log = logging.getLogger("org.jenkinsci.plugins.mesos.JenkinsScheduler")
_AFFINITY = 10  # agents that are remembered, to be used again first
_LAUNCH_FILTER_S = 1.0
_SHORT_DECLINE_S = 5.0  # 1.x says it; 0.x says nothing, which is the same


class ClassicScheduler:
    """Requests, launched tasks, and the rule by which an on-demand framework leaves."""

    def __init__(self, cloud: Cloud, jenkins_url: str, host: Host, recent: dict[str, None], swallow: bool) -> None:
        """``recent`` is shared by all schedulers of a JVM, least recently used agent first.

        ``swallow``: a dead thread of 1.x's earlier scheduler takes the first offers off the shared queue (#328).
        """
        self._cloud, self._jenkins_url, self._host, self._recent = cloud, jenkins_url, host, recent
        self._swallow = swallow
        self._started = host.clock()
        self._requests: list[Request] = []
        self._launched: set[str] = set()
        self._finished: set[str] = set()

    def request(self, request: Request) -> None:
        self._requests.append(request)
        self._host.send({"type": "REVIVE"})

    def terminate(self, name: str) -> None:
        if name in self._launched:
            log.info("Killing mesos task %s", name)
            self._host.send(kill(name))
        else:
            for request in self._requests:
                if request.name == name:
                    log.info("Removing enqueued mesos task %s", name)
                    self._requests.remove(request)
                    self._host.task_ended(name, "removed from the queue")
                    return
            log.warning("Asked to kill unknown mesos task %s", name)
        self._finished.add(name)
        if self._cloud.on_demand:
            self.supervise()

    def offers(self, offers: list[Json]) -> None:
        if self._swallow:
            self._swallow = False
            log.error("Offer processing thread failed with exception: %d offers stay outstanding", len(offers))
            return
        before = len(self._requests)
        for offer in self._arranged(offers):
            self._offer(offer)
        if before != len(self._requests):
            created, pending = before - len(self._requests), len(self._requests)
            log.info("Created %d tasks from %d offers (%d pending requests).", created, len(offers), pending)
        elif self._requests:
            log.info("Did not match any of the %d offers (%d pending requests)", len(offers), len(self._requests))
        if self._cloud.generation == 1 and offers and not self._requests:
            self._host.send({"type": "SUPPRESS"})

    def _offer(self, offer: Json) -> None:
        second = self._cloud.generation == 1
        if not self._requests and (second or not self._host.builds_wait()):
            self._host.send(decline(offer, self._cloud.decline_s))
            return
        if not in_maintenance(offer, self._host.clock()):
            for request in self._requests:
                if self._matches(offer, request):
                    self._requests.remove(request)
                    if self._launch(offer, request):
                        return
                    break
        self._host.send(decline(offer, _SHORT_DECLINE_S if second else None))

    def _arranged(self, offers: list[Json]) -> list[Json]:
        """Return the offers with those of recently used agents first, the most recent foremost."""
        order = {agent: rank for rank, agent in enumerate(self._recent)}
        return sorted(offers, key=lambda offer: -order.get(offer["agent_id"]["value"], -1))

    def _matches(self, offer: Json, request: Request) -> bool:
        resources = usable(offer, self._cloud.role or "*")
        return (
            request.cpus <= scalar(resources, "cpus")
            and request.mem_mib <= scalar(resources, "mem")
            and attributes_match(offer, request.template.attributes)
        )

    def _launch(self, offer: Json, request: Request) -> bool:
        if request.name in self._launched or request.name in self._finished:
            log.info("Task %s has already been launched or finished, refusing the offer", request.name)
            return False
        secret = self._host.secret_of(request.name)
        task = classic_task(self._cloud, request, offer, self._jenkins_url, secret)
        self._host.send(launch(offer, [task], _LAUNCH_FILTER_S))
        self._launched.add(request.name)
        self._finished.add(request.name)
        self._remember(offer["agent_id"]["value"])
        return True

    def _remember(self, agent: str) -> None:
        self._recent.pop(agent, None)
        self._recent[agent] = None
        while len(self._recent) > _AFFINITY:
            del self._recent[next(iter(self._recent))]

    def update(self, status: dict[str, Any]) -> None:
        name, state = status["task_id"]["value"], status["state"]
        if name not in self._launched:
            log.debug("Ignoring status update %s for unknown task %s", state, name)
            return
        if state == "TASK_RUNNING":
            self._host.task_running(name)
        elif state in TERMINAL:
            self._launched.discard(name)
            self._host.task_ended(name, f"{state}: {status.get('message', '')}")
        if self._cloud.on_demand:
            self.supervise()

    def supervise(self) -> None:
        """Leave if nothing is to be done; a scheduler lives for a minute at least."""
        if self._host.has_nodes():
            return
        self._launched.clear()
        if self._requests:
            return
        if self._host.clock() - self._started <= self._host.minute_s:
            log.info("Not stopping scheduler because it has been created too recently.")
            return
        log.info("No active tasks, or slaves or pending slave requests. Stopping the scheduler.")
        self._host.leave()
