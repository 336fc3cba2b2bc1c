"""What the API shows of the state: JSON of apps, tasks, deployments, the queue. Field names: Marathon's RAML."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from .appspec import App
from .backoff import Backoff
from .clock import iso
from .deployment import Deployment
from .instance import RUNNING, STAGING, Instance, ready
from .launcher import QueueStats
from .matcher import REASONS
from .scheduler import Scheduler
from .state import State

Json = dict[str, Any]


def app_json(app: App, state: State, embed: Collection[str]) -> Json:
    """Return the app with counts and, by ``embed`` (tasks, deployments, lastTaskFailure), what was asked for."""
    instances = state.instances_of(app.id)
    result = app.to_json() | counts(app, instances)
    if "deployments" in embed or "tasks" in embed:  # embedding tasks brings deployments along (RAML: apps.tasks)
        result["deployments"] = [{"id": deployment_id} for deployment_id in state.locks(app.id)]
    if "tasks" in embed:
        result["tasks"] = [task_json(i, app) for i in by_age(instances)]
    if "lastTaskFailure" in embed and app.id in state.failures:
        result["lastTaskFailure"] = state.failures[app.id]
    return result


def counts(app: App, instances: Sequence[Instance]) -> Json:
    checks = bool(app.spec["healthChecks"])
    return {
        "tasksStaged": sum(1 for i in instances if i.state in (STAGING, "TASK_STARTING", "TASK_CREATED")),
        "tasksRunning": sum(1 for i in instances if i.state == RUNNING),
        "tasksHealthy": sum(1 for i in instances if checks and ready(i, checks)),
        "tasksUnhealthy": sum(1 for i in instances if checks and i.healthy is False),
    }


def by_age(instances: Collection[Instance]) -> list[Instance]:
    return sorted(instances, key=lambda i: (i.app_id, i.created_at, i.id))


def task_json(instance: Instance, app: App | None) -> Json:
    """Return one task; ``app`` is None when it is being deleted."""
    result: Json = {
        "appId": instance.app_id,
        "id": instance.id,
        "host": instance.hostname,
        "slaveId": instance.agent_id,
        "ports": instance.host_ports,
        # A launch that Mesos has not confirmed yet is staging to the API.
        "state": STAGING if instance.state == "TASK_CREATED" else instance.state,
        "stagedAt": iso(instance.staged_at or instance.created_at),
        "version": instance.version,
        "role": instance.role,
        "ipAddresses": [],
    }
    if instance.started_at is not None:
        result["startedAt"] = iso(instance.started_at)
    if app is not None:
        result["servicePorts"] = [port["port"] for port in app.spec["portDefinitions"]]
        if instance.healthy is not None:
            result["healthCheckResults"] = [{"alive": instance.healthy, "instanceId": instance.id}]
    return result


def deployment_json(deployment: Deployment) -> Json:
    return {
        "id": deployment.id,
        "version": deployment.version,
        "affectedApps": deployment.app_ids,
        "affectedPods": [],
        "steps": [{"actions": [{"action": a.kind, "app": a.app_id} for a in step]} for step in deployment.steps],
        "currentActions": [
            {"action": a.kind, "app": a.app_id, "readinessCheckResults": []} for a in deployment.current_actions
        ],
        "currentStep": deployment.step,
        "totalSteps": len(deployment.steps),
    }


def deployment_result(deployment: Deployment) -> Json:
    """Return the answer to a change (deployments_result in the RAML)."""
    return {"version": deployment.version, "deploymentId": deployment.id}


def queue_json(scheduler: Scheduler) -> Json:
    """Return /v2/queue: what waits to be launched, and why it still does."""
    now = scheduler.clock()
    return {
        "queue": [
            _queue_item(scheduler.state.apps[app_id], count, scheduler.launcher.stats[app_id], scheduler.backoff, now)
            for app_id, count in sorted(scheduler.launcher.demand.items())
            if count
        ]
    }


def _queue_item(app: App, count: int, stats: QueueStats, backoff: Backoff, now: float) -> Json:
    left = backoff.left(app, now)
    summary: Json = {"processedOffersCount": stats.processed, "unusedOffersCount": stats.unused}
    if stats.last_used_at is not None:
        summary["lastUsedOfferAt"] = iso(stats.last_used_at)
    if stats.last_unused_at is not None:
        summary["lastUnusedOfferAt"] = iso(stats.last_unused_at)
    last = [reason for reason in stats.last_reasons.values() if reason is not None]
    summary["rejectSummaryLastOffers"] = _funnel({r: last.count(r) for r in REASONS}, len(stats.last_reasons))
    summary["rejectSummaryLaunchAttempt"] = _funnel({r: stats.reasons[r] for r in REASONS}, stats.processed)
    return {
        "count": count,
        "role": app.spec["role"],
        "app": app.to_json(),
        "since": iso(stats.since),
        "delay": {"timeLeftSeconds": round(left), "overdue": left == 0},
        "processedOffersSummary": summary,
    }


def _funnel(declined: dict[str, int], processed: int) -> list[Json]:
    """Each reason with how many offers came as far as it and how many it turned down."""
    result = []
    for reason in REASONS:
        result.append({"reason": reason, "declined": declined[reason], "processed": processed})
        processed -= declined[reason]
    return result
