"""What the API shows of the state: JSON of apps, tasks, deployments, the queue. Field names: Marathon's RAML."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import Any

from .appspec import App
from .backoff import Backoff
from .clock import iso
from .deployment import Deployment
from .groups import Root, children
from .health import Health, HealthBook
from .instance import RUNNING, STAGING, Instance
from .launcher import QueueStats
from .matcher import REASONS
from .resources import reservation_role
from .scheduler import Scheduler
from .state import State

Json = dict[str, Any]


def app_json(app: App, scheduler: Scheduler, embed: Collection[str]) -> Json:
    """Return the app and, by ``embed`` (see ``embeds``), what was asked for."""
    state = scheduler.state
    instances = state.instances_of(app.id)
    result = app.to_json()
    if "counts" in embed:
        result |= counts(app, instances, scheduler.health)
    if "deployments" in embed:
        result["deployments"] = [{"id": deployment_id} for deployment_id in state.locks(app.id)]
    if "readiness" in embed:
        result["readinessCheckResults"] = []
    if "tasks" in embed:
        result["tasks"] = [task_json(i, app, scheduler.health) for i in by_age(instances)]
    if "lastTaskFailure" in embed and app.id in state.failures:
        result["lastTaskFailure"] = state.failures[app.id]
    if "taskStats" in embed:  # the name in the answer is Marathon's (app.raml), other than the word that asks for it
        result["tasksStats"] = task_stats(app, instances, scheduler.health, scheduler.clock())
    return result


def counts(app: App, instances: Sequence[Instance], health: HealthBook) -> Json:
    found = _counts(app, instances, health)
    return {f"tasks{name.capitalize()}": count for name, count in found.items()}


def _counts(app: App, instances: Sequence[Instance], health: HealthBook) -> dict[str, int]:
    checked = [health.all_of(app, i.id) for i in instances if i.state == RUNNING] if app.spec["healthChecks"] else []
    return {
        "staged": sum(1 for i in instances if i.state in (STAGING, "TASK_STARTING", "TASK_CREATED")),
        "running": sum(1 for i in instances if i.state == RUNNING),
        "healthy": sum(1 for each in checked if all(health.alive for health in each)),
        "unhealthy": sum(1 for each in checked if any(_seen(health) and not health.alive for health in each)),
    }


def _seen(health: Health) -> bool:
    return health.last_success is not None or health.last_failure is not None


def task_stats(app: App, instances: Sequence[Instance], health: HealthBook, now: float) -> Json:
    """Return statistics of the running tasks, in all and by version (TaskStatsByVersion.scala)."""
    running = [i for i in instances if not i.over]
    parts = {
        "startedAfterLastScaling": [i for i in running if i.version >= app.scaling_version],
        "withLatestConfig": [i for i in running if i.version >= app.config_version],
        "withOutdatedConfig": [i for i in running if i.version < app.config_version],
        "totalSummary": running,
    }
    return {name: {"stats": _stats(app, part, health, now)} for name, part in parts.items() if part}


def _stats(app: App, instances: Sequence[Instance], health: HealthBook, now: float) -> Json:
    stats: Json = {"counts": _counts(app, instances, health)}
    ages = [now - i.started_at for i in instances if i.started_at is not None]
    if ages:
        stats["lifeTime"] = {"averageSeconds": sum(ages) / len(ages), "medianSeconds": median(ages)}
    return stats


def by_age(instances: Collection[Instance]) -> list[Instance]:
    return sorted(instances, key=lambda i: (i.app_id, i.created_at, i.id))


def task_json(instance: Instance, app: App | None, health: HealthBook) -> Json:
    """Return one task; ``app`` is None when it is being deleted. One that has ended has no times, ports and version."""
    result: Json = {
        "appId": instance.app_id,
        "id": instance.id,
        "host": instance.hostname,
        "slaveId": instance.agent_id,
        "ports": [] if instance.over else instance.host_ports,
        # A launch that Mesos has not confirmed yet is staging to the API.
        "state": STAGING if instance.state == "TASK_CREATED" else instance.state,
        "role": instance.role,
        "ipAddresses": [],
        "localVolumes": [],
        "servicePorts": [port["port"] for port in app.spec["portDefinitions"]] if app else [],
        "healthCheckResults": [each.to_json(instance.instance_id) for each in _results(instance, app, health)],
    }
    if not instance.over:
        result |= {"stagedAt": iso(instance.staged_at or instance.created_at), "version": instance.version}
        if instance.started_at is not None:
            result["startedAt"] = iso(instance.started_at)
    return result


def _results(instance: Instance, app: App | None, health: HealthBook) -> list[Health]:
    return health.all_of(app, instance.id) if app and instance.state == RUNNING else []


def group_json(group_id: str, scheduler: Scheduler, of_apps: Collection[str], parts: Collection[str]) -> Json:
    """Return a group with what is in it (group.raml, GroupInfo)."""
    state = scheduler.state
    root_version = max(state.roots, default="1970-01-01T00:00:00.000Z")
    return _group_json(
        group_id,
        Root(root_version, {}, state.groups),
        {app_id: app_json(app, scheduler, of_apps) for app_id, app in state.apps.items()},
        parts,
    )


def former_group_json(group_id: str, root: Root, state: State, parts: Collection[str]) -> Json:
    """Return the group as it was at the version of ``root``."""
    apps = {app_id: state.versions[app_id, version].to_json() for app_id, version in root.apps.items()}
    return _group_json(group_id, root, apps, parts)


def _group_json(group_id: str, root: Root, apps: Mapping[str, Json], parts: Collection[str]) -> Json:
    group = root.groups.get(group_id)
    result: Json = {
        "id": group_id,
        "dependencies": group.dependencies if group else [],
        "version": group.version if group else root.version,
    }
    if group is not None and group.enforce_role is not None:
        result["enforceRole"] = group.enforce_role
    if "group.apps" in parts:
        result["apps"] = [apps[app_id] for app_id in children(group_id, apps)]
    if "group.pods" in parts:
        result["pods"] = []
    if "group.groups" in parts:
        inner = children(group_id, root.groups)
        result["groups"] = [_group_json(child, root, apps, parts) for child in inner]
    return result


def deployment_json(deployment: Deployment) -> Json:
    return {
        "id": deployment.id,
        "version": deployment.version,
        "affectedApps": deployment.app_ids,
        "affectedPods": [],
        "steps": [deployment.step_json(n + 1) for n in range(len(deployment.steps))],
        "currentActions": [
            {"action": a.kind, "app": a.app_id, "readinessCheckResults": []} for a in deployment.current_actions
        ],
        "currentStep": deployment.step,
        "totalSteps": len(deployment.steps),
    }


def deployment_result(deployment: Deployment) -> Json:
    """Return the answer to a change (deployments_result in the RAML)."""
    return {"version": deployment.version, "deploymentId": deployment.id}


def queue_json(scheduler: Scheduler, offers: bool) -> Json:
    """Return /v2/queue: what waits to be launched, and why it still does; with ``offers`` those turned down last."""
    now = scheduler.clock()
    return {
        "queue": [
            _queue_item(scheduler.state.apps[app_id], count, scheduler.launcher.stats[app_id], scheduler.backoff, now)
            | ({"lastUnusedOffers": _unused(scheduler.launcher.stats[app_id])} if offers else {})
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


def _unused(stats: QueueStats) -> list[Json]:
    """The last offer of each agent that was not used (queue.raml, UnusedOffer)."""
    return [
        {"offer": offer_json(offer), "reason": [reason], "timestamp": iso(time)}
        for offer, reason, time in stats.unused_offers.values()
    ]


def offer_json(offer: Mapping[str, Any]) -> Json:
    """Return an offer of Mesos as /v2/queue shows it (offer.raml)."""
    return {
        "id": offer["id"]["value"],
        "agentId": offer["agent_id"]["value"],
        "hostname": offer["hostname"],
        "resources": [{"name": r["name"], "role": reservation_role(r)} | _value(r) for r in offer.get("resources", [])],
        "attributes": [{"name": a["name"]} | _value(a) for a in offer.get("attributes", [])],
    }


def _value(thing: Mapping[str, Any]) -> Json:
    kind = thing["type"]
    if kind == "SCALAR":
        return {"scalar": thing["scalar"]["value"]}
    if kind == "RANGES":
        return {"ranges": [{"begin": r["begin"], "end": r["end"]} for r in thing["ranges"].get("range", [])]}
    return {"set": thing["set"].get("item", [])} if kind == "SET" else {"text": thing["text"]["value"]}


def _funnel(declined: dict[str, int], processed: int) -> list[Json]:
    """Each reason with how many offers came as far as it and how many it turned down."""
    result = []
    for reason in REASONS:
        result.append({"reason": reason, "declined": declined[reason], "processed": processed})
        processed -= declined[reason]
    return result
