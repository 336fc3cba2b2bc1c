"""What a client may ask for about groups: create, change, scale, go back, delete (GroupsResource, GroupApiService)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import errors
from .appspec import App, new_app, read
from .checks import FieldError
from .deployment import Deployment
from .fields import path_id
from .groups import ROOT, Group, Root, made, parent_of, within
from .operations import Operations, timestamp
from .scheduler import Scheduler


class GroupOperations:
    """As ``Operations``, through which it works."""

    def __init__(self, scheduler: Scheduler, operations: Operations) -> None:
        self._state, self._config, self._clock = scheduler.state, scheduler.config, scheduler.clock
        self._operations = operations

    def group_id(self, text: str) -> str:
        """Return the group that an address names, whether it is there or not. Raises ApiError 422."""
        return canonical(text, ROOT, "/id")

    def known(self, group_id: str, logged: bool = False) -> str:
        """Return the id of a group that is there. Raises ApiError 404."""
        if group_id != ROOT and group_id not in self._state.groups:
            raise errors.unknown_group(group_id, logged=logged)
        return group_id

    def versions(self, group_id: str) -> list[str]:
        """Return the versions of the tree that hold the group, the oldest first."""
        return sorted(version for version, root in self._state.roots.items() if root.holds(group_id))

    def root(self, group_id: str, version: object) -> Root:
        """Return the tree at a version. Raises ApiError 404 if it does not hold the group."""
        text = timestamp(version)
        root = self._state.roots.get(text)
        if root is None or not root.holds(group_id):
            raise errors.unknown_group(group_id, text)
        return root

    def create(self, base: str, body: Any, force: bool) -> tuple[Deployment, str]:
        """POST: return the deployment and the group's id. Raises ApiError 409 if it is there."""
        given = _object(body)
        group_id = canonical(given["id"], base, "/id") if given.get("id") is not None else base
        if group_id == ROOT or group_id in self._state.groups:
            raise errors.conflict(f"Group {group_id} is already created. Use PUT to change this group.")
        if group_id in self._state.apps:
            raise errors.conflict(f"An app with the path {group_id} already exists.")
        return self.update(base, body, force), group_id

    def update(self, base: str, body: Any, force: bool) -> Deployment:
        """PUT: go back to a version, or scale, or change the structure, whichever the body asks for."""
        changes, groups = self._changes(base, body)
        return self._operations.deploy(changes, force, groups)

    def try_out(self, base: str, body: Any) -> list[dict[str, Any]]:
        """PUT with dryRun: return the steps that it would take."""
        changes, _ = self._changes(base, body)
        planned = self._operations.planned(changes)
        return [planned.step_json(n + 1) for n in range(len(planned.steps))]

    def _changes(self, base: str, body: Any) -> tuple[dict[str, App | None], dict[str, Group | None]]:
        given = _object(body)
        group_id = canonical(given["id"], base, "/id") if given.get("id") is not None else base
        if given.get("version") is not None:
            return self._back_to(group_id, given["version"])
        if given.get("scaleBy") is not None:
            return self._scaled(group_id, given["scaleBy"]), {}
        changes: dict[str, App | None] = {}
        groups: dict[str, Group | None] = {}
        self._structure(group_id, given, changes, groups)
        return changes, groups

    def enforce_role(self, group_id: str, body: Any) -> None:
        """PATCH of a top-level group: whether its apps must have its name as role. No deployment comes of it."""
        given = _object(body)
        if parent_of(group_id) != ROOT or group_id == ROOT:
            raise errors.not_valid([("/", "Path is not a top-level path")])
        group = self._state.groups[self.known(group_id)]
        self._state.put_group(replace(group, enforce_role=_flag(given)))

    def delete(self, group_id: str, force: bool) -> Deployment:
        """Delete the group with all that is in it; the root loses its content."""
        self.known(group_id, logged=True)
        changes: dict[str, App | None] = {i: None for i in self._state.apps if within(i, group_id)}
        groups: dict[str, Group | None] = {i: None for i in self._state.groups if within(i, group_id) or i == group_id}
        return self._operations.deploy(changes, force, groups)

    def _back_to(self, group_id: str, version: object) -> tuple[dict[str, App | None], dict[str, Group | None]]:
        text = timestamp(version)
        root = self._state.roots.get(text)
        if root is None or not root.holds(group_id):
            raise errors.illegal(f"Group {group_id} not available in version {text}")
        now = self._clock()
        changes: dict[str, App | None] = {i: None for i in self._state.apps if within(i, group_id)}
        for app_id, app_version in root.apps.items():
            if within(app_id, group_id):
                then = self._state.versions[app_id, app_version]
                changes[app_id] = new_app(then.spec, self._state.apps.get(app_id), now)
        groups: dict[str, Group | None] = {i: None for i in self._state.groups if within(i, group_id)}
        groups |= {i: group for i, group in root.groups.items() if within(i, group_id) or i == group_id}
        return changes, groups

    def _scaled(self, group_id: str, factor: object) -> dict[str, App | None]:
        if isinstance(factor, bool) or not isinstance(factor, int | float):
            raise errors.invalid_json([("/scaleBy", "error.expected.jsnumber")])
        if not 0 <= factor < math.inf:
            raise errors.invalid_json([("/scaleBy", "error.min")])
        now = self._clock()
        return {
            app.id: new_app({**app.spec, "instances": math.ceil(app.instances * factor)}, app, now)
            for app in list(self._state.apps.values())
            if within(app.id, group_id)
        }

    def _structure(
        self,
        group_id: str,
        given: Mapping[str, Any],
        changes: dict[str, App | None],
        groups: dict[str, Group | None],
    ) -> None:
        """What is given replaces what is there: apps and groups not named in a list that is given are deleted."""
        version = self._operations.next_version()
        before = self._state.groups.get(group_id)
        if group_id != ROOT:
            enforce = before.enforce_role if before and "enforceRole" not in given else None
            group = made(group_id, version, self._config.enforce_role if enforce is None else enforce)
            if "enforceRole" in given and group.enforce_role is not None:
                group = replace(group, enforce_role=_flag(given))
            groups[group_id] = replace(group, dependencies=_dependencies(given, before))
        if given.get("apps") is not None:
            coming = {key: group for key, group in groups.items() if group is not None}
            named = self._apps(group_id, given["apps"], coming)
            changes |= {i: None for i in self._state.apps if parent_of(i) == group_id and i not in named}
            changes |= named
        if given.get("groups") is None:
            return
        kept = set()
        for item in _list(given["groups"], "groups"):
            child = _object(item)
            if child.get("id") is None:
                raise errors.invalid_json([("/groups/id", "error.path.missing")])
            child_id = canonical(child["id"], group_id, "/groups/id")
            kept.add(child_id)
            self._structure(child_id, child, changes, groups)
        for gone in [i for i in self._state.groups if parent_of(i) == group_id and i not in kept]:
            changes |= {i: None for i in self._state.apps if within(i, gone)}
            groups |= {i: None for i in self._state.groups if within(i, gone) or i == gone}

    def _apps(self, group_id: str, items: Any, coming: Mapping[str, Group]) -> dict[str, App | None]:
        named: dict[str, App | None] = {}
        for item in _list(items, "apps"):
            body = _object(item)
            if body.get("id") is None:
                raise errors.invalid_json([("/apps/id", "error.path.missing")])
            app_id = canonical(body["id"], group_id, "/apps/id")
            if parent_of(app_id) != group_id:
                raise errors.not_valid([("/apps/id", f"Identifier is not child of '{group_id}'")])
            given = read({**body, "id": app_id})
            named[app_id] = self._operations.next_app(given, self._state.apps.get(app_id), False, coming)
        return named


def canonical(text: Any, base: str, where: str) -> str:
    """Return a path, relative to ``base`` unless it begins with /. Raises ApiError 422."""
    if isinstance(text, str) and not text.strip("/"):
        return base
    full = text if not isinstance(text, str) or text.startswith("/") else f"{base.rstrip('/')}/{text}"
    try:
        return path_id(full)
    except FieldError as exc:
        raise errors.not_valid([(where, str(exc))]) from exc


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise errors.invalid_json([("", "error.expected.jsobject")])
    if body.get("pods"):
        raise errors.lacking("pods")
    return body


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise errors.invalid_json([(f"/{name}", "error.expected.jsarray")])
    return value


def _flag(given: Mapping[str, Any]) -> bool:
    value = given.get("enforceRole")
    if value is not None and not isinstance(value, bool):
        raise errors.invalid_json([("/enforceRole", "error.expected.jsboolean")])
    return bool(value)


def _dependencies(given: Mapping[str, Any], before: Group | None) -> list[str]:
    value = given.get("dependencies")
    if value:
        raise errors.lacking("dependencies of groups")
    return before.dependencies if before and value is None else []
