"""Status updates, kills and reconciliation: keeping what we know of the tasks in step with Mesos."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .backoff import Backoff
from .clock import Clock, iso
from .config import Config
from .instance import ALIVE, CONDITIONS, TERMINAL, UNREACHABLE, Effect, Instance, expunged, overdue, updated
from .outbox import Outbox
from .state import State

log = logging.getLogger(__name__)
# Marathon's own logger, by whose name operators look for its lines on status updates
_updates = logging.getLogger("mesosphere.marathon.MarathonScheduler")

_FAILURES = frozenset(["TASK_FAILED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE", "TASK_GONE_BY_OPERATOR"])


class Tracker:
    """Knows nothing of offers: what is missing is found out by the scheduler's next plan."""

    def __init__(self, state: State, config: Config, clock: Clock, backoff: Backoff, outbox: Outbox) -> None:
        self._state, self._config, self._clock = state, config, clock
        self._backoff, self._outbox = backoff, outbox
        self._next_reconcile_at = float("inf")

    def subscribed(self) -> None:
        """Mesos may have missed, or done, anything meanwhile: ask at once, and again from time to time."""
        self._next_reconcile_at = self._clock() + self._config.reconciliation_initial_delay / 1000
        self.reconcile()
        for instance in list(self._state.instances.values()):
            if instance.dying:
                self._kill_again(instance)

    def disconnected(self) -> None:
        self._next_reconcile_at = float("inf")

    def reconcile(self) -> None:
        """Ask for the state of every known task, then for all tasks that Mesos knows of us."""
        tasks = [
            {"task_id": {"value": i.id}, "agent_id": {"value": i.agent_id}}
            for i in self._state.instances.values()
            if not i.over
        ]
        if tasks:
            self._outbox.send("RECONCILE", "reconcile", {"tasks": tasks})
        self._outbox.send("RECONCILE", "reconcile", {"tasks": []})

    def update(self, status: Mapping[str, Any]) -> None:
        """Take in a status update, and acknowledge it if it wants that."""
        task_id, state = status["task_id"]["value"], status["state"]
        _updates.info("Received status update for task %s: %s (%s)", task_id, state, status.get("message", ""))
        self._outbox.count[f"mesos.task-updates.{state.lower().replace('_', '-')}"] += 1
        instance = self._state.instances.get(task_id)
        if instance is not None:
            self._apply(instance, status)
        elif state in TERMINAL:
            self._tell_of_unknown(task_id, state)
        elif state in ALIVE and state != "TASK_KILLING":
            log.warning("Killing %s: it is no task of any app", task_id)
            self._send_kill(task_id, status.get("agent_id"))
        if "uuid" in status:
            ids = {"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]}
            self._outbox.send("ACKNOWLEDGE", "acknowledge", ids)

    def _tell_of_unknown(self, task_id: str, state: str) -> None:
        instance_id, _, _ = task_id.partition("._app.")
        path = "/" + instance_id.rpartition(".instance-")[0].replace("_", "/")
        self._outbox.tell(
            "unknown_instance_terminated_event",
            instanceId=instance_id,
            runSpecId=path,
            condition=CONDITIONS.get(state, "Unknown"),
        )

    def _apply(self, instance: Instance, status: Mapping[str, Any]) -> None:
        now, state = self._clock(), status["state"]
        after, effect = updated(instance, status, now)
        app = self._state.apps.get(instance.app_id)
        if after is None or (after.over and app is None):
            self._state.remove_instance(instance.id)
        elif after != instance:
            self._state.put_instance(after)
        if state != instance.state and not instance.over:
            log.info("%s is %s: %s", instance.id, state, status.get("message") or status.get("reason") or "-")
            self._tell(instance, status)
        if app is None:
            return
        if state in _FAILURES or effect is Effect.SLOW_DOWN:
            self._state.put_failure(app.id, _failure(instance, status, now))
        if effect is Effect.SLOW_DOWN and instance.goal == "Running":
            self._backoff.add(app, now)
        elif effect is Effect.RESET:
            self._backoff.reset(app.id)

    def _tell(self, instance: Instance, status: Mapping[str, Any]) -> None:
        """Tell clients of a task's new state: once as Mesos has it, once as Marathon's condition."""
        networks = status.get("container_status", {}).get("network_infos", [])
        addresses = [address for network in networks for address in network.get("ip_addresses", [])]
        self._outbox.tell(
            "status_update_event",
            slaveId=instance.agent_id,
            taskId=instance.id,
            taskStatus=status["state"],
            message=status.get("message", ""),
            appId=instance.app_id,
            host=instance.hostname,
            ipAddresses=[
                {"ipAddress": each["ip_address"], "protocol": each.get("protocol", "IPv4")} for each in addresses
            ],
            ports=instance.host_ports,
            version=instance.version,
        )
        self.tell_condition(instance, CONDITIONS.get(status["state"], "Unknown"))

    def tell_condition(self, instance: Instance, condition: str) -> None:
        self._outbox.tell(
            "instance_changed_event",
            instanceId=instance.instance_id,
            condition=condition,
            runSpecId=instance.app_id,
            agentId=instance.agent_id,
            host=instance.hostname,
            runSpecVersion=instance.version,
        )

    def kill(self, instances: Iterable[Instance], for_good: bool = True) -> None:
        """Kill the instances' tasks; ``tick`` repeats it until Mesos says that they are gone.

        Without ``for_good`` the instances stay wanted, and are launched again.
        """
        for given in instances:
            instance = self._state.instances.get(given.id)
            if instance is None:
                continue
            goal = "Stopped" if for_good else instance.goal
            if instance.over:
                if for_good:
                    self._state.remove_instance(instance.id)
            elif not (instance.dying and instance.goal == goal):
                log.info("Killing %s", instance.id)
                self._kill_again(replace(instance, goal=goal))

    def _kill_again(self, instance: Instance) -> None:
        self._state.put_instance(replace(instance, kills_sent=instance.kills_sent + 1, last_kill_at=self._clock()))
        self._send_kill(instance.id, {"value": instance.agent_id})

    def _send_kill(self, task_id: str, agent_id: Mapping[str, str] | None) -> None:
        body: dict[str, Any] = {"task_id": {"value": task_id}}
        if agent_id:
            body["agent_id"] = dict(agent_id)
        self._outbox.send("KILL", "kill", body)

    def tick(self) -> None:
        """Look at what time alone has changed. To be called while connected to Mesos."""
        now = self._clock()
        for instance in list(self._state.instances.values()):
            app = self._state.apps.get(instance.app_id)
            strategy = app.spec["unreachableStrategy"] if app else {"expungeAfterSeconds": 0}
            if instance.state == UNREACHABLE and expunged(instance, strategy, now):
                log.info("Forgetting %s: its agent %s is unreachable", instance.id, instance.agent_id)
                self._state.remove_instance(instance.id)
            elif instance.dying:
                if now - instance.last_kill_at >= self._config.kill_retry_timeout / 1000:
                    self._kill_again(instance)
            elif self._is_overdue(instance, now):
                log.warning("Killing %s: still %s", instance.id, instance.state)
                self.kill([instance], for_good=False)
        if now >= self._next_reconcile_at:
            self._next_reconcile_at = now + self._config.reconciliation_interval / 1000
            self.reconcile()

    def _is_overdue(self, instance: Instance, now: float) -> bool:
        confirm, launch = self._config.task_launch_confirm_timeout, self._config.task_launch_timeout
        return overdue(instance, confirm / 1000, launch / 1000, now)


def _failure(instance: Instance, status: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Return ``lastTaskFailure`` as the API shows it."""
    return {
        "appId": instance.app_id,
        "host": instance.hostname,
        "message": status.get("message", ""),
        "state": status["state"],
        "taskId": instance.id,
        "slaveId": instance.agent_id,
        "timestamp": iso(now),
        "version": instance.version,
    }
