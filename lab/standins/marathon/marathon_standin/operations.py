"""What a client may ask for: create, update, delete, restart apps, kill tasks, cancel deployments.

Each returns data for the answer and raises ApiError. Run by the actor; the scheduler's next plan does the work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from . import errors
from .appspec import App, Spec, complete, new_app, read
from .checks import FieldError
from .clock import iso, version_after
from .deployment import Deployment, deployment_of
from .fields import path_id
from .groups import ROOT, Group, missing, parent_of, roles_for
from .instance import Instance, is_task_id
from .scheduler import Scheduler

log = logging.getLogger(__name__)


class Operations:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._state, self._config, self._clock = scheduler.state, scheduler.config, scheduler.clock

    # --- apps

    def create(self, body: Any, force: bool) -> tuple[App, Deployment]:
        given = self._given(body, None)
        if given["id"] in self._state.apps:
            raise errors.conflict(f"An app with id [{given['id']}] already exists.")
        app = self.next_app(given, None)
        return app, self.deploy({app.id: app}, force)

    def update(self, app_id: str, body: Any, force: bool, merge: bool = True, create: bool = True) -> Deployment:
        """PUT and PATCH of one app. The id of the address counts, whatever the body says."""
        before = self._state.apps.get(app_id)
        app = self._updated(app_id, self._given(body, app_id), body, before, merge, create)
        return self.deploy({app_id: app}, force)

    def update_many(self, body: Any, force: bool, merge: bool = True, create: bool = True) -> Deployment:
        """PUT and PATCH of a list of apps: one deployment of them all; of two with one id the second counts."""
        if not isinstance(body, list):
            raise errors.invalid_json([("", "error.expected.jsarray")])
        changes: dict[str, App | None] = {}
        for item in body:
            if isinstance(item, dict) and item.get("id") is None:
                raise errors.illegal("requirement failed: App Update must have app id set")
            given = self._given(item, None)
            app_id = given["id"]
            before = changes.get(app_id) or self._state.apps.get(app_id)
            changes[app_id] = self._updated(app_id, given, item, before, merge, create)
        return self.deploy(changes, force)

    def _given(self, body: Any, app_id: str | None) -> Spec:
        """Return the fields that ``body`` gives, with ``app_id`` as id if that is known from elsewhere."""
        if app_id is not None and isinstance(body, dict):
            body = {**body, "id": app_id}
        given = read(body)
        if "id" not in given:
            raise errors.invalid_json([("/id", "error.path.missing")])
        return given

    def _updated(self, app_id: str, given: Spec, body: Any, before: App | None, merge: bool, create: bool) -> App:
        version = body.get("version")
        if before is None and not create:
            raise errors.unknown_app(app_id, logged=True)
        if before is not None and merge and version is not None:
            if set(given) != {"id"}:
                message = "The 'version' field may only be combined with the 'id' field."
                raise errors.not_valid([("/", message)])
            return new_app(self.version(app_id, version, logged=True).spec, before, self._clock())
        return self.next_app(given, before, merge)

    def version(self, app_id: str, version: object, logged: bool = False) -> App:
        """Return a former definition. Raises ApiError 404, or 422 for what is no time."""
        text = timestamp(version)
        found = self._state.versions.get((app_id, text))
        if found is None:
            raise errors.unknown_app(app_id, None if logged else text, logged)
        return found

    def delete(self, app_id: str, force: bool) -> Deployment:
        self.app(app_id, logged=True)
        return self.deploy({app_id: None}, force)

    def restart(self, app_id: str, force: bool) -> Deployment:
        before = self.app(app_id, logged=True)
        return self.deploy({app_id: new_app(before.spec, before, self._clock(), restart=True)}, force)

    def app(self, app_id: str, logged: bool = False) -> App:
        """Return the app. Raises ApiError 404."""
        app = self._state.apps.get(app_id)
        if app is None:
            raise errors.unknown_app(app_id, logged=logged)
        return app

    def next_app(
        self, given: Spec, before: App | None, merge: bool = True, groups: Mapping[str, Group] | None = None
    ) -> App:
        """Return the next version of an app (the first if ``before`` is None), checked and complete.

        ``groups`` are those that come to be, or are changed, along with it.
        """
        self._check_room(given["id"], before)
        others = [app for app in self._state.apps.values() if app.id != given["id"]]
        used = {port["port"] for app in others for port in app.spec["portDefinitions"]}
        existing = before.spec["role"] if before else None
        known = {**self._state.groups, **(groups or {})}
        roles = roles_for(given["id"], self._config.mesos_role, known, existing, self._config.enforce_role)
        spec = complete(given, before.spec if before else None, self._config, used, roles, merge)
        return new_app(spec, before, self._clock())

    def _check_room(self, app_id: str, before: App | None) -> None:
        if before is not None:
            return
        limit = self._config.max_apps
        if limit is not None and len(self._state.apps) >= limit:
            raise errors.not_valid([("/apps", f"This Marathon instance may only handle up to {limit} Apps!")])
        if app_id in self._state.groups:
            raise errors.not_valid([("/id", f"{app_id} is a group; an app can't have its name")])
        for other in self._state.apps:
            if other.startswith(app_id + "/") or app_id.startswith(other + "/"):
                raise errors.not_valid([("/id", f"{app_id} and {other}: one would be an app and a group at once")])

    # --- deployments

    def deploy(
        self, changes: Mapping[str, App | None], force: bool, groups: Mapping[str, Group | None] | None = None
    ) -> Deployment:
        """Make ``changes`` (None deletes) of apps and groups one deployment.

        Locked apps are refused, or with ``force`` freed.
        """
        held = sorted({d for app_id in changes for d in self._state.locks(app_id)})
        if held and not force:
            raise errors.locked(held)
        limit = self._config.max_running_deployments
        if len(self._state.deployments) - len(held) >= limit:
            message = f"Max number ({limit}) of running deployments is reached; try later or cancel one."
            raise errors.ApiError(403, {"message": message}, logged=True)
        for deployment_id in held:
            self._give_up(deployment_id)
        deployment = self.planned(changes)
        for app_id, app in changes.items():
            if app is None:
                self._state.remove_app(app_id)
            else:
                self._state.put_app(app)
                # A new version begins without delay; so does a scaling by hand.
                self._scheduler.backoff.reset(app_id)
        self._change_groups(changes, groups or {}, deployment.version)
        self._state.put_deployment(deployment)
        self._state.keep_root(deployment.version, self._config.zk_max_versions)
        self._tell(deployment, changes)
        log.info("Deployment %s of %s", deployment.id, ", ".join(deployment.app_ids))
        return deployment

    def planned(self, changes: Mapping[str, App | None]) -> Deployment:
        """Return the deployment that ``changes`` would make."""
        by_app = self._state.by_app()
        running = {i: any(not instance.over for instance in by_app.get(i, ())) for i in changes}
        return deployment_of(
            {i: (self._state.apps.get(i), app, running[i]) for i, app in changes.items()}, self.next_version()
        )

    def next_version(self) -> str:
        """Return a version of the whole tree: now, and after all others."""
        return version_after(max(self._state.roots, default=None), self._clock())

    def _change_groups(
        self, changes: Mapping[str, App | None], groups: Mapping[str, Group | None], version: str
    ) -> None:
        for group_id, group in groups.items():
            if group is None:
                self._state.remove_group(group_id)
            else:
                self._state.put_group(group)
        there = [app_id for app_id, app in changes.items() if app is not None]
        there += [group_id for group_id, group in groups.items() if group is not None]
        for group in missing(there, self._state.groups, version, self._config.enforce_role):
            self._state.put_group(group)

    def _tell(self, deployment: Deployment, changes: Mapping[str, App | None]) -> None:
        outbox = self._scheduler.outbox
        outbox.count["deployments"] += 1
        group_id = parent_of(next(iter(changes))) if len(changes) == 1 else ROOT
        outbox.tell("group_change_success", groupId=group_id, version=deployment.version)
        for app in filter(None, changes.values()):
            for check in app.spec["healthChecks"]:
                outbox.tell("add_health_check_event", appId=app.id, version=app.version, healthCheck=check)
        outbox.tell("deployment_info", plan=deployment.plan_json(), currentStep=deployment.step_json(1))

    def _give_up(self, deployment_id: str) -> None:
        """End a deployment that is not finished."""
        deployment = self._state.deployments[deployment_id]
        self._state.remove_deployment(deployment_id)
        self._scheduler.outbox.tell("deployment_failed", id=deployment_id, plan=deployment.plan_json())

    def cancel(self, deployment_id: str, force: bool) -> Deployment | None:
        """Revert a deployment by another one, or with ``force`` only stop it (then None is returned)."""
        deployment = self._state.deployments.get(deployment_id)
        if deployment is None:
            raise errors.ApiError(404, {"message": f"DeploymentPlan {deployment_id} does not exist"})
        if force:
            log.info("Canceling deployment [%s]", deployment_id)
            self._give_up(deployment_id)
            return None
        back: dict[str, App | None] = {}
        for app_id, before in deployment.before.items():
            current = self._state.apps.get(app_id)
            back[app_id] = new_app(before.spec, current or before, self._clock()) if before else None
        return self.deploy(back, force=True)

    # --- tasks

    def kill(
        self, app_id: str, wanted: Callable[[Instance], bool], scale: bool, force: bool
    ) -> tuple[list[Instance], Deployment | None]:
        """Kill the app's tasks that are ``wanted``; with ``scale`` the app shrinks by as many."""
        self.app(app_id)
        return self._kill([i for i in self._state.instances_of(app_id) if wanted(i)], [app_id], scale, force)

    def kill_many(self, task_ids: Sequence[str], scale: bool, force: bool) -> tuple[list[Instance], Deployment | None]:
        """Kill tasks of any apps; those that are not there are passed over. Raises ApiError 400 for what is no id."""
        for task_id in task_ids:
            if not is_task_id(task_id):
                raise errors.ApiError(400, {"message": f"Invalid task id '{task_id}'. [{task_id}]"})
        found = [self._state.instances[i] for i in dict.fromkeys(task_ids) if i in self._state.instances]
        return self._kill(found, sorted({i.app_id for i in found}), scale, force)

    def _kill(
        self, found: list[Instance], app_ids: Sequence[str], scale: bool, force: bool
    ) -> tuple[list[Instance], Deployment | None]:
        """Without ``scale`` the instances stay wanted: they are launched again (TaskKiller.kill)."""
        deployment = None
        if scale:
            changes: dict[str, App | None] = {}
            for app in map(self.app, app_ids):
                count = sum(1 for i in found if i.app_id == app.id and not i.over and not i.dying)
                spec = {**app.spec, "instances": max(0, app.instances - count)}
                changes[app.id] = new_app(spec, app, self._clock())
            deployment = self.deploy(changes, force)
        self._scheduler.tracker.kill(found, for_good=scale)
        return found, deployment

    def reset_delay(self, app_id: str) -> None:
        if app_id not in self._scheduler.launcher.demand:
            raise errors.ApiError(404, {"message": f"Application {app_id} not found in tasks queue."})
        self._scheduler.backoff.reset(app_id)


def timestamp(value: object) -> str:
    """Return a version as Marathon writes it. Raises ApiError 422 when it is no time."""
    try:
        return iso(datetime.fromisoformat(str(value)).timestamp())
    except ValueError as exc:
        raise errors.illegal(f'Invalid format: "{value}"') from exc


def valid(text: str) -> str:
    """Return the app id that an address names. Raises ApiError 422 when it can be none."""
    try:
        return path_id(text)
    except FieldError as exc:
        raise errors.not_valid([("/id", str(exc))]) from exc


def absolute(text: str) -> str:
    """Return the app id that an address names. Raises ApiError 404 when it can be none."""
    try:
        return path_id(text)
    except FieldError as exc:
        raise errors.unknown_app("/" + text.strip("/")) from exc
