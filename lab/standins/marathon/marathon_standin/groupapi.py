"""/v2/groups (Marathon's GroupsResource.scala): one address for a group, its apps and its versions."""

from __future__ import annotations

from collections.abc import Callable

from . import views
from .embeds import group_parts
from .groupops import GroupOperations
from .groups import ROOT, within
from .messages import Request, Response, as_json, changed
from .operations import Operations
from .scheduler import Scheduler


class GroupApi:
    """The routes for groups; to be run where the state may be touched."""

    def __init__(self, scheduler: Scheduler, operations: Operations) -> None:
        self._scheduler, self._state = scheduler, scheduler.state
        self._groups = GroupOperations(scheduler, operations)

    def routes(self) -> list[tuple[str, str, Callable[..., Response]]]:
        """Return method, pattern, handler of each."""
        return [
            ("GET", "/v2/groups", lambda request: self._get(request, "")),
            ("GET", "/v2/groups/versions", lambda request: self._versions(request, "")),
            ("GET", "/v2/groups/versions/{version}", lambda request, version: self._former(request, "", version)),
            ("GET", "/v2/groups/apps", lambda request: self._apps(request, "")),
            ("GET", "/v2/groups/{group_id+}/versions", self._versions),
            ("GET", "/v2/groups/{group_id+}/versions/{version}", self._former),
            ("GET", "/v2/groups/{group_id+}/apps", self._apps),
            ("GET", "/v2/groups/{group_id+}", self._get),
            ("POST", "/v2/groups", lambda request: self._create(request, "")),
            ("POST", "/v2/groups/{group_id+}", self._create),
            ("PUT", "/v2/groups", lambda request: self._update(request, "")),
            ("PUT", "/v2/groups/{group_id+}", self._update),
            ("PATCH", "/v2/groups/{group_id+}", self._patch),
            ("DELETE", "/v2/groups", lambda request: self._delete(request, "")),
            ("DELETE", "/v2/groups/{group_id+}", self._delete),
        ]

    def _get(self, request: Request, group_id: str) -> Response:
        of_apps, parts = group_parts(request.query("embed"))
        known = self._groups.known(self._groups.group_id(group_id))
        return as_json(200, views.group_json(known, self._scheduler, of_apps, parts))

    def _apps(self, request: Request, group_id: str) -> Response:
        of_apps, _ = group_parts(request.query("embed"))
        group = self._groups.group_id(group_id)
        apps = [app for app_id, app in sorted(self._state.apps.items()) if within(app_id, group)]
        return as_json(200, [views.app_json(app, self._scheduler, of_apps) for app in apps])

    def _versions(self, _: Request, group_id: str) -> Response:
        return as_json(200, self._groups.versions(self._groups.known(self._groups.group_id(group_id))))

    def _former(self, request: Request, group_id: str, version: str) -> Response:
        _, parts = group_parts(request.query("embed"))
        group = self._groups.group_id(group_id)
        return as_json(200, views.former_group_json(group, self._groups.root(group, version), self._state, parts))

    def _create(self, request: Request, group_id: str) -> Response:
        base = self._groups.group_id(group_id)
        deployment, made = self._groups.create(base, request.json(), request.flag("force"))
        return changed(deployment, 201, Location=made)

    def _update(self, request: Request, group_id: str) -> Response:
        base = self._groups.group_id(group_id)
        if request.flag("dryRun"):
            steps = self._groups.try_out(base, request.json())
            return as_json(200, {"steps": steps})
        return changed(self._groups.update(base, request.json(), request.flag("force")))

    def _patch(self, request: Request, group_id: str) -> Response:
        self._groups.enforce_role(self._groups.group_id(group_id), request.json())
        return Response(200)

    def _delete(self, request: Request, group_id: str) -> Response:
        group = self._groups.group_id(group_id) if group_id else ROOT
        return changed(self._groups.delete(group, request.flag("force")))
