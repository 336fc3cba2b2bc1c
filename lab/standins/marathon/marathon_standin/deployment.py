"""Deployments: the steps of a change, and whether a step is done. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .appspec import App, without_instances
from .instance import Instance
from .plan import is_old, is_settled

START, SCALE, RESTART, STOP = "StartApplication", "ScaleApplication", "RestartApplication", "StopApplication"


@dataclass(frozen=True)
class Action:
    kind: str
    app_id: str


@dataclass(frozen=True)
class Deployment:
    """``step`` counts from 1. ``before`` are the apps as they were (None: not there), for the way back."""

    id: str
    version: str
    steps: tuple[tuple[Action, ...], ...]
    before: Mapping[str, App | None]
    step: int = 1

    @property
    def app_ids(self) -> list[str]:
        return sorted(self.before)

    @property
    def current_actions(self) -> tuple[Action, ...]:
        return self.steps[self.step - 1] if self.step <= len(self.steps) else ()

    def step_json(self, step: int) -> dict[str, Any]:
        """Return a step (counted from 1) as API and events show it."""
        if step > len(self.steps):
            return {"actions": []}
        return {"actions": [{"action": a.kind, "app": a.app_id} for a in self.steps[step - 1]]}

    def plan_json(self) -> dict[str, Any]:
        """Return the plan as events show it (deploymentPlan.raml)."""
        steps = [self.step_json(n + 1) for n in range(len(self.steps))]
        return {"id": self.id, "steps": steps, "version": self.version}

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "version": self.version,
            "steps": [[{"action": a.kind, "app": a.app_id} for a in step] for step in self.steps],
            "before": {app_id: app.to_json() if app else None for app_id, app in self.before.items()},
            "step": self.step,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Deployment:
        steps = tuple(tuple(Action(a["action"], a["app"]) for a in step) for step in data["steps"])
        before = {app_id: App.from_json(app) if app else None for app_id, app in data["before"].items()}
        return Deployment(data["id"], data["version"], steps, before, data["step"])


def deployment_of(changes: Mapping[str, tuple[App | None, App | None, bool]], version: str) -> Deployment:
    """Return the deployment of ``changes``: app id -> (before, after, whether instances of that id still run)."""
    starts, works = [], []
    for app_id, (before, after, running) in sorted(changes.items()):
        kind = _kind(before, after, running)
        if before is None and kind == SCALE:
            starts.append(Action(START, app_id))
        if kind is not None:
            works.append(Action(kind, app_id))
    steps = tuple(tuple(step) for step in (starts, works) if step)
    return Deployment(str(uuid.uuid4()), version, steps, {app_id: change[0] for app_id, change in changes.items()})


def _kind(before: App | None, after: App | None, running: bool) -> str | None:
    if after is None:
        return STOP
    if before is None:
        return RESTART if running else SCALE  # leftovers of a deleted namesake have to go
    if after.config_version != before.config_version or without_instances(after.spec) != without_instances(before.spec):
        return RESTART
    return SCALE if after.instances != before.instances else None


def advanced(
    deployment: Deployment, apps: Mapping[str, App], by_app: Mapping[str, Sequence[Instance]], now: float
) -> Deployment | None:
    """Return the deployment at the step that is still to be done, None when none is left."""
    while deployment.step <= len(deployment.steps):
        if not all(_done(action, apps, by_app.get(action.app_id, ()), now) for action in deployment.current_actions):
            return deployment
        deployment = replace(deployment, step=deployment.step + 1)
    return None


def _done(action: Action, apps: Mapping[str, App], instances: Sequence[Instance], now: float) -> bool:
    app = apps.get(action.app_id)
    if action.kind == STOP:
        return not instances
    if action.kind == START or app is None:
        return True
    if action.kind == RESTART and any(is_old(app, instance) for instance in instances):
        return False
    return is_settled(app, instances, now)
