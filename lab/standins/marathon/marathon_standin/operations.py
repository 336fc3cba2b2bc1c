"""What a client may ask for: create, update, delete, restart apps, kill tasks, cancel deployments.

Each returns data for the answer and raises ApiError. Run by the actor; the scheduler's next plan does the work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import errors
from .appspec import App, Spec, complete, new_app, read
from .checks import FieldError
from .clock import iso
from .deployment import Deployment, deployment_of
from .fields import path_id
from .instance import Instance
from .scheduler import Scheduler

log = logging.getLogger(__name__)


class Operations:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._state, self._config, self._clock = scheduler.state, scheduler.config, scheduler.clock

    # --- apps

    def create(self, body: Any, force: bool) -> tuple[App, Deployment]:
        given = read(body)
        if "id" not in given:
            raise errors.invalid_json([("/id", "error.path.missing")])
        if given["id"] in self._state.apps:
            raise errors.ApiError(409, {"message": f"An app with id [{given['id']}] already exists."})
        app = self._next(given, None)
        return app, self._deploy({app.id: app}, force)

    def update(self, app_id: str, body: Any, force: bool, merge: bool = True) -> tuple[Deployment, bool]:
        """PUT and PATCH of one app; return the deployment and whether the app is new."""
        given = read(body)
        if given.setdefault("id", app_id) != app_id:
            raise errors.not_valid([("/id", f"the body says {given['id']}, the address {app_id}")])
        before = self._state.apps.get(app_id)
        return self._deploy({app_id: self._next(given, before, merge)}, force), before is None

    def update_many(self, body: Any, force: bool, merge: bool = True) -> Deployment:
        """PUT of a list of apps: one deployment of them all."""
        if not isinstance(body, list):
            raise errors.invalid_json([("", "error.expected.jsarray")])
        changes: dict[str, App | None] = {}
        for index, item in enumerate(body):
            given = read(item)
            if "id" not in given or given["id"] in changes:
                raise errors.not_valid([(f"({index})/id", "every app needs an id, each another")])
            changes[given["id"]] = self._next(given, self._state.apps.get(given["id"]), merge)
        return self._deploy(changes, force)

    def delete(self, app_id: str, force: bool) -> Deployment:
        self.app(app_id)
        return self._deploy({app_id: None}, force)

    def restart(self, app_id: str, force: bool) -> Deployment:
        before = self.app(app_id)
        return self._deploy({app_id: new_app(before.spec, before, self._clock(), restart=True)}, force)

    def app(self, app_id: str) -> App:
        """Return the app. Raises ApiError 404."""
        app = self._state.apps.get(app_id)
        if app is None:
            raise errors.unknown_app(app_id)
        return app

    def _next(self, given: Spec, before: App | None, merge: bool = True) -> App:
        self._check_room(given["id"], before)
        others = [app for app in self._state.apps.values() if app.id != given["id"]]
        used = {port["port"] for app in others for port in app.spec["portDefinitions"]}
        spec = complete(given, before.spec if before else None, self._config, used, merge)
        return new_app(spec, before, self._clock())

    def _check_room(self, app_id: str, before: App | None) -> None:
        if before is not None:
            return
        limit = self._config.max_apps
        if limit is not None and len(self._state.apps) >= limit:
            raise errors.not_valid([("/apps", f"This Marathon instance may only handle up to {limit} Apps!")])
        for other in self._state.apps:
            if other.startswith(app_id + "/") or app_id.startswith(other + "/"):
                raise errors.not_valid([("/id", f"{app_id} and {other}: one would be an app and a group at once")])

    # --- deployments

    def _deploy(self, changes: Mapping[str, App | None], force: bool) -> Deployment:
        """Make ``changes`` (None deletes) one deployment. Locked apps are refused, or with ``force`` freed."""
        held = sorted({d for app_id in changes for d in self._state.locks(app_id)})
        if held and not force:
            raise errors.locked(held)
        limit = self._config.max_running_deployments
        if len(self._state.deployments) - len(held) >= limit:
            message = f"Max number ({limit}) of running deployments is reached; try later or cancel one."
            raise errors.ApiError(403, {"message": message})
        for deployment_id in held:
            self._state.remove_deployment(deployment_id)
        by_app = self._state.by_app()
        deployment = deployment_of(
            {i: (self._state.apps.get(i), app, bool(by_app.get(i))) for i, app in changes.items()}, iso(self._clock())
        )
        for app_id, app in changes.items():
            if app is None:
                self._state.remove_app(app_id)
            else:
                self._state.put_app(app)
                # A new version begins without delay; so does a scaling by hand.
                self._scheduler.backoff.reset(app_id)
        self._state.put_deployment(deployment)
        self._scheduler.outbox.count["deployments"] += 1
        log.info("Deployment %s of %s", deployment.id, ", ".join(deployment.app_ids))
        return deployment

    def cancel(self, deployment_id: str, force: bool) -> Deployment | None:
        """Revert a deployment by another one, or with ``force`` only stop it (then None is returned)."""
        deployment = self._state.deployments.get(deployment_id)
        if deployment is None:
            raise errors.ApiError(404, {"message": f"DeploymentPlan {deployment_id} does not exist"})
        if force:
            log.info("Cancelling deployment %s", deployment_id)
            self._state.remove_deployment(deployment_id)
            return None
        back: dict[str, App | None] = {}
        for app_id, before in deployment.before.items():
            current = self._state.apps.get(app_id)
            back[app_id] = new_app(before.spec, current or before, self._clock()) if before else None
        return self._deploy(back, force=True)

    # --- tasks

    def kill(
        self, app_id: str, wanted: Callable[[Instance], bool], scale: bool, force: bool
    ) -> tuple[list[Instance], Deployment | None]:
        """Kill the app's tasks that are ``wanted``; with ``scale`` the app shrinks by as many."""
        self.app(app_id)
        return self._kill([i for i in self._state.instances_of(app_id) if wanted(i)], [app_id], scale, force)

    def kill_many(self, task_ids: Sequence[str], scale: bool, force: bool) -> tuple[list[Instance], Deployment | None]:
        """Kill tasks of any apps. Raises ApiError 400 for an unknown task id."""
        unknown = [i for i in task_ids if i not in self._state.instances]
        if unknown:
            raise errors.ApiError(400, {"message": f"Invalid task id {unknown[0]}"})
        found = [self._state.instances[i] for i in task_ids]
        return self._kill(found, sorted({i.app_id for i in found}), scale, force)

    def _kill(
        self, found: list[Instance], app_ids: Sequence[str], scale: bool, force: bool
    ) -> tuple[list[Instance], Deployment | None]:
        deployment = None
        if scale:
            changes: dict[str, App | None] = {}
            for app in map(self.app, app_ids):
                count = sum(1 for i in found if i.app_id == app.id and i.goal == "Running")
                spec = {**app.spec, "instances": max(0, app.instances - count)}
                changes[app.id] = new_app(spec, app, self._clock())
            deployment = self._deploy(changes, force)
        self._scheduler.tracker.kill(found)
        return found, deployment

    def reset_delay(self, app_id: str) -> None:
        if app_id not in self._scheduler.launcher.demand:
            raise errors.ApiError(404, {"message": f"Application {app_id} not found in tasks queue."})
        self._scheduler.backoff.reset(app_id)


def absolute(text: str) -> str:
    """Return the app id that an address names. Raises ApiError 404 when it can be none."""
    try:
        return path_id(text)
    except FieldError as exc:
        raise errors.unknown_app("/" + text.strip("/")) from exc
