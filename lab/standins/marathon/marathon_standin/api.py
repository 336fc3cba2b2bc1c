"""Marathon's REST API: addresses to operations (Marathon's docs/rest-api RAML and its *Resource.scala)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import labels, views
from .appspec import App
from .embeds import app_parts
from .errors import ApiError, illegal, lacking, unknown_group, unknown_task
from .events import EventBus, Subscription
from .groupapi import GroupApi
from .groups import within
from .instance import Instance
from .messages import Request, Response, Router, as_json, changed, text
from .operations import Operations, absolute, valid
from .scheduler import Scheduler

EVENTS = "/v2/events"
_EVERYTHING = {"counts", "tasks", "lastTaskFailure", "deployments"}
# What Marathon serves and the stand-in does not; a longer address below one of them is the same
_LACKING = ("/v2/pods", "/v2/plugins", "/logging", "/stats", "/ui", "/help", "/api-console", "/public")


class LeaderApi:
    """The routes that the leader serves. ``ask`` runs a function where the state may be touched.

    ``bus`` is where events come from, ``info`` returns /v2/info, ``abdicate`` begins to give up the leadership.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        ask: Callable[[Callable[[], Any]], Any],
        bus: EventBus,
        info: Callable[[], dict[str, Any]],
        abdicate: Callable[[], None],
    ) -> None:
        self._scheduler, self._state, self._ask = scheduler, scheduler.state, ask
        self._operations = Operations(scheduler)
        self._bus, self._info, self._abdicate = bus, info, abdicate
        self._router = Router(_LACKING)
        for method, pattern, handler in (*self._routes(), *GroupApi(scheduler, self._operations).routes()):
            self._router.add(method, pattern, handler)

    def answer(self, request: Request) -> Response:
        """Return the answer to ``request``, all of it made in one turn of the actor."""
        response: Response = self._ask(lambda: self._router.answer(request))
        return response

    def _routes(self) -> list[tuple[str, str, Callable[..., Response]]]:
        return [
            ("GET", "/ping", lambda _: text(200, "pong")),
            ("GET", "/v2/info", lambda _: as_json(200, self._info())),
            ("GET", "/v2/leader", lambda _: as_json(200, {"leader": self._scheduler.config.host_port})),
            ("DELETE", "/v2/leader", self._delete_leader),
            ("GET", EVENTS, self._events),
            ("GET", "/v2/apps", self._list_apps),
            ("POST", "/v2/apps", self._create_app),
            ("PUT", "/v2/apps", self._put_apps),
            ("PATCH", "/v2/apps", self._patch_apps),
            ("POST", "/v2/apps/{app_id+}/restart", self._restart_app),
            ("GET", "/v2/apps/{app_id+}/versions", self._list_versions),
            ("GET", "/v2/apps/{app_id+}/versions/{version}", self._get_version),
            ("GET", "/v2/apps/{app_id*}/tasks", self._app_tasks),
            ("DELETE", "/v2/apps/{app_id+}/tasks", self._kill_app_tasks),
            ("DELETE", "/v2/apps/{app_id+}/tasks/{task_id}", self._kill_app_task),
            ("GET", "/v2/apps/{app_id*}", self._get_app),
            ("PUT", "/v2/apps/{app_id+}", self._put_app),
            ("PATCH", "/v2/apps/{app_id+}", self._patch_app),
            ("DELETE", "/v2/apps/{app_id+}", self._delete_app),
            ("GET", "/v2/tasks", self._list_tasks),
            ("POST", "/v2/tasks/delete", self._kill_tasks),
            ("GET", "/v2/deployments", self._list_deployments),
            ("DELETE", "/v2/deployments/{deployment_id}", self._cancel_deployment),
            ("GET", "/v2/queue", self._queue),
            ("DELETE", "/v2/queue/{app_id+}/delay", self._reset_delay),
        ]

    def _delete_leader(self, request: Request) -> Response:
        for name in ("backup", "restore"):
            if request.query(name):
                raise lacking(f"{name} of the state; copy ZooKeeper's nodes")
        self._abdicate()
        return as_json(200, {"message": "Leadership abdicated"})

    def _events(self, request: Request) -> Response:
        if "text/event-stream" not in request.headers.get("accept", ""):
            return as_json(405, {"message": "HTTP method GET is not supported by this URL"})
        subscription = self._bus.subscribe(request.client, request.query("event_type"))
        return Response(200, content_type="text/event-stream;charset=utf-8", stream=_Leaving(self._bus, subscription))

    # --- apps

    def _list_apps(self, request: Request) -> Response:
        wanted_id, wanted_cmd = (request.first("id") or "").lower(), (request.first("cmd") or "").lower()
        try:
            selected = labels.parse(request.first("label") or "")
        except ValueError as exc:
            raise illegal(str(exc)) from exc
        apps = [
            app
            for app_id, app in sorted(self._state.apps.items())
            if wanted_id in app_id and wanted_cmd in app.spec.get("cmd", "").lower() and selected(app.spec["labels"])
        ]
        embed = app_parts(request.query("embed")) | {"counts", "deployments"}
        return as_json(200, {"apps": [views.app_json(app, self._scheduler, embed) for app in apps]})

    def _get_app(self, request: Request, app_id: str) -> Response:
        embed = app_parts(request.query("embed")) | _EVERYTHING
        if app_id.rpartition("/")[2] == "*":
            apps = [views.app_json(app, self._scheduler, embed) for app in self._apps_below(app_id)]
            return as_json(200, {"*": apps})
        app = self._operations.app(absolute(app_id))
        return as_json(200, {"app": views.app_json(app, self._scheduler, embed)})

    def _apps_below(self, address: str) -> list[App]:
        """Return the apps that GROUP/* names, however deep. Raises ApiError 404."""
        group_id = "/" + address.rpartition("*")[0].strip("/")
        if group_id != "/" and group_id not in self._state.groups:
            raise unknown_group(group_id)
        return [app for app_id, app in sorted(self._state.apps.items()) if within(app_id, group_id)]

    def _create_app(self, request: Request) -> Response:
        app, deployment = self._operations.create(request.json(), request.flag("force"))
        self._tell_post(request, app)
        body = views.app_json(app, self._scheduler, set()) | {"deployments": [{"id": deployment.id}]}
        body |= {"tasksStaged": 0, "tasksRunning": 0, "tasksHealthy": 0, "tasksUnhealthy": 0}
        return as_json(201, body, Location=app.id, Marathon_Deployment_Id=deployment.id)

    def _tell_post(self, request: Request, app: App) -> None:
        self._scheduler.outbox.tell(
            "api_post_event", clientIp=request.client, uri=request.path, appDefinition=app.to_json()
        )

    def _put_app(self, request: Request, app_id: str) -> Response:
        return self._change_app(request, app_id, merge=request.flag("partialUpdate", default=True), create=True)

    def _patch_app(self, request: Request, app_id: str) -> Response:
        return self._change_app(request, app_id, merge=True, create=False)

    def _change_app(self, request: Request, address: str, *, merge: bool, create: bool) -> Response:
        app_id = valid(address)
        known = app_id in self._state.apps
        deployment = self._operations.update(app_id, request.json(), request.flag("force"), merge, create)
        self._tell_post(request, self._state.apps[app_id])
        return changed(deployment) if known else changed(deployment, 201, Location=app_id)

    def _put_apps(self, request: Request) -> Response:
        merge = request.flag("partialUpdate", default=True)
        return changed(self._operations.update_many(request.json(), request.flag("force"), merge))

    def _patch_apps(self, request: Request) -> Response:
        return changed(self._operations.update_many(request.json(), request.flag("force"), create=False))

    def _delete_app(self, request: Request, app_id: str) -> Response:
        # force is the default here, and only here
        return changed(self._operations.delete(absolute(app_id), request.flag("force", default=True)))

    def _restart_app(self, request: Request, app_id: str) -> Response:
        return changed(self._operations.restart(absolute(app_id), request.flag("force")))

    def _list_versions(self, _: Request, app_id: str) -> Response:
        app = self._operations.app(absolute(app_id))
        return as_json(200, {"versions": self._state.versions_of(app.id)})

    def _get_version(self, _: Request, app_id: str, version: str) -> Response:
        return as_json(200, self._operations.version(absolute(app_id), version).to_json())

    # --- tasks

    def _tasks_json(self, instances: list[Instance]) -> list[dict[str, Any]]:
        health = self._scheduler.health
        return [views.task_json(i, self._state.apps.get(i.app_id), health) for i in views.by_age(instances)]

    def _app_tasks(self, _: Request, app_id: str) -> Response:
        if app_id.rpartition("/")[2] == "*":
            apps = self._apps_below(app_id)
        else:
            apps = [self._operations.app(absolute(app_id))]
        found = [i for app in apps for i in self._state.instances_of(app.id)]
        return as_json(200, {"tasks": self._tasks_json(found)})

    def _kill_app_tasks(self, request: Request, app_id: str) -> Response:
        host = request.first("host")
        killed, deployment = self._operations.kill(
            absolute(app_id), lambda i: host is None or host == "*" or host in i.hostname, *_kill_flags(request)
        )
        return changed(deployment) if deployment else as_json(200, {"tasks": self._tasks_json(killed)})

    def _kill_app_task(self, request: Request, app_id: str, task_id: str) -> Response:
        scale, force = _kill_flags(request)
        killed, deployment = self._operations.kill(absolute(app_id), lambda i: i.id == task_id, scale, force)
        if deployment:
            return changed(deployment)
        if not killed:
            raise unknown_task(task_id)
        return as_json(200, {"task": self._tasks_json(killed)[0]})

    def _list_tasks(self, request: Request) -> Response:
        asked = {each.lower() for each in request.query("status")[:1] + request.query("status[]")}
        wanted = {f"TASK_{status.upper()}" for status in asked & {"running", "staging"}}
        tasks = self._tasks_json(list(self._state.instances.values()))
        return as_json(200, {"tasks": [t for t in tasks if not wanted or t["state"] in wanted]})

    def _kill_tasks(self, request: Request) -> Response:
        scale, force = _kill_flags(request)
        body = request.json()
        ids = body.get("ids") if isinstance(body, dict) else None
        if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
            raise ApiError(422, {"message": "Invalid JSON", "details": [{"path": "/ids", "errors": ["expected ids"]}]})
        killed, deployment = self._operations.kill_many(ids, scale, force)
        return changed(deployment) if deployment else as_json(200, {"tasks": self._tasks_json(killed)})

    # --- deployments and the queue

    def _list_deployments(self, _: Request) -> Response:
        running = sorted(self._state.deployments.values(), key=lambda d: (d.version, d.id))
        return as_json(200, [views.deployment_json(d) for d in running])

    def _cancel_deployment(self, request: Request, deployment_id: str) -> Response:
        reverting = self._operations.cancel(deployment_id, request.flag("force"))
        return changed(reverting) if reverting else Response(202)

    def _queue(self, request: Request) -> Response:
        offers = "lastUnusedOffers" in request.query("embed")
        return as_json(200, views.queue_json(self._scheduler, offers))

    def _reset_delay(self, _: Request, app_id: str) -> Response:
        self._operations.reset_delay(absolute(app_id))
        return Response(204)


class _Leaving:
    """An event stream whose end the bus is told of."""

    def __init__(self, bus: EventBus, subscription: Subscription) -> None:
        self._bus, self._subscription = bus, subscription

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._subscription)

    def close(self) -> None:
        self._bus.unsubscribe(self._subscription)


def _kill_flags(request: Request) -> tuple[bool, bool]:
    """Return scale and force. wipe is about volumes, which the stand-in does not have: nothing is left to wipe."""
    scale = request.flag("scale")
    if scale and request.flag("wipe"):
        raise ApiError(400, {"message": "You cannot use scale and wipe at the same time."})
    return scale, request.flag("force")
