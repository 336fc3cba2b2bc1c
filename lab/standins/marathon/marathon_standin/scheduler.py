"""The scheduler: Mesos' events in, calls out, and after each of them the plan made anew.

Nothing here waits or talks to anybody: the actor runs it, writes the state and sends the calls.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .appspec import App
from .backoff import Backoff
from .clock import Clock
from .config import Config
from .deployment import RESTART, STOP, Deployment, advanced
from .exits import Crash, Exit
from .fields import MARATHON_PROTOCOLS
from .framework import framework_info
from .health import Health, HealthBook, Probe, Result, must_die, tolerated
from .instance import Instance
from .launcher import Launcher
from .outbox import Outbox
from .plan import plan, spare
from .state import State
from .tracker import Tracker

log = logging.getLogger(__name__)


class Scheduler:
    """The parts that act on the state, and the order in which they do."""

    def __init__(self, state: State, config: Config, clock: Clock) -> None:
        self.state, self.config, self.clock = state, config, clock
        self.outbox = Outbox()
        self.backoff = Backoff()
        self.health = HealthBook()
        self.launcher = Launcher(state, config, clock, self.backoff, self.outbox)
        self.tracker = Tracker(state, config, clock, self.backoff, self.outbox)
        self.connected = False
        self._subscribed_roles: list[str] = []
        self._probes: list[Probe] = []

    @property
    def roles(self) -> list[str]:
        """The roles that the framework needs: its own and those of its apps."""
        return sorted({self.config.mesos_role, *(app.spec["role"] for app in list(self.state.apps.values()))})

    def subscribed(self, framework_id: str, master: str, roles: Sequence[str]) -> None:
        """Note the subscription with ``roles`` at ``master`` (host:port, or "")."""
        if self.state.framework_id != framework_id:
            self.state.set_framework_id(framework_id)
            self.outbox.tell("scheduler_registered_event", frameworkId=framework_id, master=master)
        else:
            self.outbox.tell("scheduler_reregistered_event", master=master)
        log.info("Subscribed to Mesos as framework %s", framework_id)
        self.connected = True
        self._subscribed_roles = list(roles)
        self.launcher.subscribed()
        self.launcher.use_roles(roles)
        self.tracker.subscribed()

    def disconnected(self) -> None:
        if self.connected:
            log.warning("Disconnected from the Mesos master")
            self.outbox.tell("scheduler_disconnected_event")
        self.connected = False
        self.tracker.disconnected()
        self.outbox.drain()  # what was not sent is found out by reconciliation

    def event(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the v1 scheduler API. Raises Crash when Mesos says that we are no scheduler any more."""
        kind = event["type"]
        if kind == "SUBSCRIBED":
            content = event["subscribed"]
            address = content.get("master_info", {}).get("address", {})
            master = f"{address['ip']}:{address['port']}" if address else ""
            self.subscribed(content["framework_id"]["value"], master, content.get("roles", self.roles))
        elif kind == "OFFERS":
            self.launcher.offers(event["offers"]["offers"])
        elif kind == "UPDATE":
            self._update(event["update"]["status"])
        elif kind == "ERROR":
            raise mesos_error(event["error"]["message"])
        elif kind == "FAILURE":
            log.info("Mesos reports a failure: %s", event["failure"])
        # HEARTBEAT keeps the connection alive; RESCIND is about offers that we have answered already;
        # INVERSE_OFFERS: Marathon does not move tasks because of a maintenance window.

    def _update(self, status: Mapping[str, Any]) -> None:
        before = self.state.instances.get(status["task_id"]["value"])
        self.tracker.update(status)
        if before is not None and "healthy" in status and not before.over:
            self._checked_on_agent(before, bool(status["healthy"]))

    # --- health

    def _checked_on_agent(self, instance: Instance, healthy: bool) -> None:
        """Take in what a check on the agent said."""
        app = self.state.apps.get(instance.app_id)
        for index, check in enumerate(app.spec["healthChecks"] if app else []):
            if check["protocol"] not in MARATHON_PROTOCOLS:
                before = self.health.of(instance.id, index)
                now = self.clock()
                after = before.succeeded(now) if healthy else before.failed(now, "")
                self.health.note(instance.id, index, after)
                self._tell_health(instance, before, after)
        if instance.healthy != healthy:
            self._tell_instance_health(instance, healthy)

    def checked(self, result: Result) -> None:
        """Take in the result of a check that this Marathon has made (HealthCheckActor.handleHealthResult)."""
        probe = result.probe
        self.health.done(probe)
        instance = self.state.instances.get(probe.task_id)
        app = self.state.apps.get(instance.app_id) if instance else None
        if instance is None or app is None or instance.over or result.alive is None:
            return
        checks = app.spec["healthChecks"]
        if probe.index >= len(checks):
            return
        check, now = checks[probe.index], self.clock()
        before = self.health.of(instance.id, probe.index)
        if result.alive:
            after = before.succeeded(now)
        elif tolerated(instance, check, before, now):
            return
        else:
            self._failed(instance, app, check, before, result.cause)
            after = before.failed(now, result.cause)
        self.health.note(instance.id, probe.index, after)
        self._tell_health(instance, before, after)
        self._sum_up(instance, app)

    def _failed(self, instance: Instance, app: App, check: Mapping[str, Any], before: Health, cause: str) -> None:
        self.outbox.tell(
            "failed_health_check_event", appId=app.id, taskId=instance.instance_id, healthCheck=dict(check)
        )
        if must_die(check, before) and not instance.dying:
            log.info("Detected unhealthy %s on host %s: %s", instance.id, instance.hostname, cause)
            self.outbox.tell(
                "unhealthy_instance_kill_event",
                appId=app.id,
                taskId=instance.id,
                instanceId=instance.instance_id,
                version=app.version,
                reason=before.last_failure_cause or "unknown",
                host=instance.hostname,
                slaveId=instance.agent_id,
            )
            self.tracker.kill([instance], for_good=False)

    def _tell_health(self, instance: Instance, before: Health, after: Health) -> None:
        if before.alive != after.alive:
            self.outbox.tell(
                "health_status_changed_event",
                appId=instance.app_id,
                instanceId=instance.instance_id,
                version=instance.version,
                alive=after.alive,
            )

    def _tell_instance_health(self, instance: Instance, healthy: bool) -> None:
        self.outbox.tell(
            "instance_health_changed_event",
            instanceId=instance.instance_id,
            runSpecId=instance.app_id,
            runSpecVersion=instance.version,
            healthy=healthy,
        )

    def _sum_up(self, instance: Instance, app: App) -> None:
        """An instance is healthy if all its checks say so."""
        instance = self.state.instances[instance.id]
        healthy = all(each.alive for each in self.health.all_of(app, instance.id))
        if healthy != instance.healthy:
            self.state.put_instance(replace(instance, healthy=healthy))
            self._tell_instance_health(instance, healthy)

    def drain_probes(self) -> list[Probe]:
        """Return the health checks to make now."""
        probes, self._probes = self._probes, []
        return probes

    # --- the plan

    def settle(self) -> None:
        """Bring deployments forward, kill what is too much, and say how much is missing."""
        now = self.clock()
        if self.connected:
            self.tracker.tick()
        for instance in list(self.state.instances.values()):
            if instance.over and instance.app_id not in self.state.apps:
                self.state.remove_instance(instance.id)
        by_app = self.state.by_app()
        for deployment in list(self.state.deployments.values()):
            self._advance(deployment, by_app, now)
        restarting = {a.app_id for d in self.state.deployments.values() for a in d.current_actions if a.kind == RESTART}
        demand: dict[str, int] = {}
        for app in self.state.apps.values():
            todo = plan(app, by_app.get(app.id, []), app.id in restarting, now)
            self.tracker.kill(todo.kill)
            for instance in spare(app, by_app.get(app.id, []), todo.launch):
                self.state.remove_instance(instance.id)
            if todo.launch:
                demand[app.id] = todo.launch
        for app_id, instances in by_app.items():
            if app_id not in self.state.apps:
                self.tracker.kill(instances)
        self._use_roles()
        self.launcher.want(demand, self.connected)
        self.health.forget_all_but(self.state.instances)
        self._probes += self.health.due(self.state.apps, self.state.instances.values(), now)

    def _advance(self, deployment: Deployment, by_app: Mapping[str, Sequence[Instance]], now: float) -> None:
        after = advanced(deployment, self.state.apps, by_app, now)
        for step in range(deployment.step, after.step if after else len(deployment.steps) + 1):
            plan_json, actions = deployment.plan_json(), deployment.step_json(step)
            self.outbox.tell("deployment_step_success", plan=plan_json, currentStep=actions)
            for action in deployment.steps[step - 1]:
                if action.kind == STOP:
                    self.outbox.tell("app_terminated_event", appId=action.app_id)
        if after is None:
            log.info("Deployment %s of %s is finished", deployment.id, ", ".join(deployment.app_ids))
            self.state.remove_deployment(deployment.id)
            self.outbox.tell("deployment_success", id=deployment.id, plan=deployment.plan_json())
        elif after != deployment:
            self.state.put_deployment(after)
            self.outbox.tell("deployment_info", plan=after.plan_json(), currentStep=after.step_json(after.step))

    def _use_roles(self) -> None:
        """Have Mesos offer for the roles of all apps (UPDATE_FRAMEWORK, since Mesos 1.9)."""
        if self.connected and self._subscribed_roles != self.roles:
            self._subscribed_roles = self.roles
            self.launcher.use_roles(self.roles)
            info = framework_info(self.config, self.state.framework_id, self.roles)
            self.outbox.send("UPDATE_FRAMEWORK", "update_framework", {"framework_info": info})


def mesos_error(message: str) -> Crash:
    """Return how to end after an ERROR of the master (its texts are in src/master/master.cpp)."""
    if "removed" in message or "completed" in message.lower():
        return Crash(Exit.FRAMEWORK_HAS_BEEN_REMOVED, f"Mesos has removed this framework: {message}")
    return Crash(Exit.MESOS_SCHEDULER_ERROR, f"Mesos: {message}")
