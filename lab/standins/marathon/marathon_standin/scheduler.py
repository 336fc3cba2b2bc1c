"""The scheduler: Mesos' events in, calls out, and after each of them the plan made anew.

Nothing here waits or talks to anybody: the actor runs it, writes the state and sends the calls.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from .backoff import Backoff
from .clock import Clock
from .config import Config
from .deployment import RESTART, advanced
from .exits import Crash, Exit
from .launcher import Launcher
from .outbox import Outbox
from .plan import plan
from .state import State
from .tracker import Tracker

log = logging.getLogger(__name__)


class Scheduler:
    """The parts that act on the state, and the order in which they do."""

    def __init__(self, state: State, config: Config, clock: Clock) -> None:
        self.state, self.config, self.clock = state, config, clock
        self.outbox = Outbox()
        self.backoff = Backoff()
        self.launcher = Launcher(state, config, clock, self.backoff, self.outbox)
        self.tracker = Tracker(state, config, clock, self.backoff, self.outbox)
        self.connected = False

    def subscribed(self, framework_id: str) -> None:
        if self.state.framework_id != framework_id:
            self.state.set_framework_id(framework_id)
        log.info("Subscribed to Mesos as framework %s", framework_id)
        self.connected = True
        self.launcher.subscribed()
        self.tracker.subscribed()

    def disconnected(self) -> None:
        if self.connected:
            log.warning("Disconnected from the Mesos master")
        self.connected = False
        self.tracker.disconnected()
        self.outbox.drain()  # what was not sent is found out by reconciliation

    def event(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the v1 scheduler API. Raises Crash when Mesos says that we are no scheduler any more."""
        kind = event["type"]
        if kind == "SUBSCRIBED":
            self.subscribed(event["subscribed"]["framework_id"]["value"])
        elif kind == "OFFERS":
            self.launcher.offers(event["offers"]["offers"])
        elif kind == "UPDATE":
            self.tracker.update(event["update"]["status"])
        elif kind == "ERROR":
            raise mesos_error(event["error"]["message"])
        elif kind == "FAILURE":
            log.info("Mesos reports a failure: %s", event["failure"])
        # HEARTBEAT keeps the connection alive; RESCIND is about offers that we have answered already;
        # INVERSE_OFFERS: Marathon does not move tasks because of a maintenance window.

    def settle(self) -> None:
        """Bring deployments forward, kill what is too much, and say how much is missing."""
        now = self.clock()
        if self.connected:
            self.tracker.tick()
        by_app = self.state.by_app()
        for deployment in list(self.state.deployments.values()):
            after = advanced(deployment, self.state.apps, by_app, now)
            if after is None:
                log.info("Deployment %s of %s is finished", deployment.id, ", ".join(deployment.app_ids))
                self.state.remove_deployment(deployment.id)
            elif after != deployment:
                self.state.put_deployment(after)
        restarting = {a.app_id for d in self.state.deployments.values() for a in d.current_actions if a.kind == RESTART}
        demand: dict[str, int] = {}
        for app in self.state.apps.values():
            todo = plan(app, by_app.get(app.id, []), app.id in restarting, now)
            self.tracker.kill(todo.kill)
            if todo.launch:
                demand[app.id] = todo.launch
        for app_id, instances in by_app.items():
            if app_id not in self.state.apps:
                self.tracker.kill(instances)
        self.launcher.want(demand, self.connected)


def mesos_error(message: str) -> Crash:
    """Return how to end after an ERROR of the master (its texts are in src/master/master.cpp)."""
    if "removed" in message or "completed" in message.lower():
        return Crash(Exit.FRAMEWORK_HAS_BEEN_REMOVED, f"Mesos has removed this framework: {message}")
    return Crash(Exit.MESOS_SCHEDULER_ERROR, f"Mesos: {message}")
