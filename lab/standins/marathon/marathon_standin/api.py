"""Marathon's REST API as far as the toolkit needs it: addresses to operations (Marathon's docs/rest-api RAML)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from . import views
from .appspec import App
from .deployment import Deployment
from .errors import ApiError, unknown_task
from .instance import Instance
from .messages import Request, Response, Router, as_json, text
from .operations import Operations, absolute
from .scheduler import Scheduler

T = TypeVar("T")
Ask = Callable[[Callable[[], T]], T]


class LeaderApi:
    """The routes that the leader serves. ``ask`` runs a function where the state may be touched.

    ``info`` returns /v2/info, ``abdicate`` begins to give up the leadership.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        ask: Callable[[Callable[[], Any]], Any],
        info: Callable[[], dict[str, Any]],
        abdicate: Callable[[], None],
    ) -> None:
        self._scheduler, self._state, self._ask = scheduler, scheduler.state, ask
        self._operations = Operations(scheduler)
        self._info, self._abdicate = info, abdicate
        self._router = Router()
        for method, pattern, handler in self._routes():
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
            ("GET", "/v2/apps", self._list_apps),
            ("POST", "/v2/apps", self._create_app),
            ("PUT", "/v2/apps", self._put_apps),
            ("PATCH", "/v2/apps", self._put_apps),
            ("POST", "/v2/apps/{app_id+}/restart", self._restart_app),
            ("GET", "/v2/apps/{app_id+}/tasks", self._app_tasks),
            ("DELETE", "/v2/apps/{app_id+}/tasks", self._kill_app_tasks),
            ("DELETE", "/v2/apps/{app_id+}/tasks/{task_id}", self._kill_app_task),
            ("GET", "/v2/apps/{app_id+}", self._get_app),
            ("PUT", "/v2/apps/{app_id+}", self._put_app),
            ("PATCH", "/v2/apps/{app_id+}", self._put_app),
            ("DELETE", "/v2/apps/{app_id+}", self._delete_app),
            ("GET", "/v2/tasks", self._list_tasks),
            ("POST", "/v2/tasks/delete", self._kill_tasks),
            ("GET", "/v2/deployments", self._list_deployments),
            ("DELETE", "/v2/deployments/{deployment_id}", self._cancel_deployment),
            ("GET", "/v2/queue", lambda _: as_json(200, views.queue_json(self._scheduler))),
            ("DELETE", "/v2/queue/{app_id+}/delay", self._reset_delay),
        ]

    def _delete_leader(self, request: Request) -> Response:
        for name in ("backup", "restore"):
            if request.query(name):
                raise ApiError(422, {"message": f"the stand-in does not support {name}; copy ZooKeeper's nodes"})
        self._abdicate()
        return as_json(200, {"message": "Leadership abdicated"})

    # --- apps

    def _list_apps(self, request: Request) -> Response:
        if request.query("label"):
            raise ApiError(422, {"message": "the stand-in does not support label selectors"})
        wanted_id, wanted_cmd = "".join(request.query("id")).lower(), "".join(request.query("cmd")).lower()
        apps = [
            app
            for app_id, app in sorted(self._state.apps.items())
            if wanted_id in app_id and wanted_cmd in app.spec.get("cmd", "").lower()
        ]
        embed = _embed(request, "apps")
        return as_json(200, {"apps": [views.app_json(app, self._state, embed) for app in apps]})

    def _get_app(self, request: Request, app_id: str) -> Response:
        app = self._operations.app(absolute(app_id))
        # One app is shown with everything unless certain parts are asked for.
        embed = _embed(request, "app") or {"tasks", "deployments", "lastTaskFailure"}
        return as_json(200, {"app": views.app_json(app, self._state, embed)})

    def _create_app(self, request: Request) -> Response:
        app, deployment = self._operations.create(request.json(), request.flag("force"))
        return self._created(app, deployment)

    def _created(self, app: App, deployment: Deployment) -> Response:
        body = views.app_json(app, self._state, {"tasks"}) | {"deployments": [{"id": deployment.id}]}
        return as_json(201, body, Location=app.id, Marathon_Deployment_Id=deployment.id)

    def _put_app(self, request: Request, app_id: str) -> Response:
        merge = request.method == "PATCH" or request.flag("partialUpdate", default=True)
        path = absolute(app_id)
        deployment, is_new = self._operations.update(path, request.json(), request.flag("force"), merge)
        if is_new:
            return _changed(deployment, 201, Location=path)
        return _changed(deployment)

    def _put_apps(self, request: Request) -> Response:
        merge = request.method == "PATCH" or request.flag("partialUpdate", default=True)
        return _changed(self._operations.update_many(request.json(), request.flag("force"), merge))

    def _delete_app(self, request: Request, app_id: str) -> Response:
        return _changed(self._operations.delete(absolute(app_id), request.flag("force")))

    def _restart_app(self, request: Request, app_id: str) -> Response:
        return _changed(self._operations.restart(absolute(app_id), request.flag("force")))

    # --- tasks

    def _tasks_json(self, instances: list[Instance]) -> list[dict[str, Any]]:
        return [views.task_json(i, self._state.apps.get(i.app_id)) for i in views.by_age(instances)]

    def _app_tasks(self, _: Request, app_id: str) -> Response:
        app = self._operations.app(absolute(app_id))
        return as_json(200, {"tasks": self._tasks_json(self._state.instances_of(app.id))})

    def _kill_app_tasks(self, request: Request, app_id: str) -> Response:
        host = request.query("host")
        killed, deployment = self._operations.kill(
            absolute(app_id), lambda i: not host or host[-1] in ("*", i.hostname), *_kill_flags(request)
        )
        return _changed(deployment) if deployment else as_json(200, {"tasks": self._tasks_json(killed)})

    def _kill_app_task(self, request: Request, app_id: str, task_id: str) -> Response:
        app = self._operations.app(absolute(app_id))
        if all(i.id != task_id for i in self._state.instances_of(app.id)):
            raise unknown_task(task_id)
        killed, deployment = self._operations.kill(app.id, lambda i: i.id == task_id, *_kill_flags(request))
        return _changed(deployment) if deployment else as_json(200, {"task": self._tasks_json(killed)[0]})

    def _list_tasks(self, request: Request) -> Response:
        wanted = {f"TASK_{status.upper()}" for status in request.query("status") + request.query("status[]")}
        tasks = self._tasks_json(list(self._state.instances.values()))
        return as_json(200, {"tasks": [t for t in tasks if not wanted or t["state"] in wanted]})

    def _kill_tasks(self, request: Request) -> Response:
        body = request.json()
        ids = body.get("ids") if isinstance(body, dict) else None
        if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
            raise ApiError(400, {"message": 'Invalid JSON: expected {"ids": ["task1", ...]}'})
        killed, deployment = self._operations.kill_many(ids, *_kill_flags(request))
        return _changed(deployment) if deployment else as_json(200, {"tasks": self._tasks_json(killed)})

    # --- deployments and the queue

    def _list_deployments(self, _: Request) -> Response:
        running = sorted(self._state.deployments.values(), key=lambda d: (d.version, d.id))
        return as_json(200, [views.deployment_json(d) for d in running])

    def _cancel_deployment(self, request: Request, deployment_id: str) -> Response:
        reverting = self._operations.cancel(deployment_id, request.flag("force"))
        return _changed(reverting) if reverting else Response(202)

    def _reset_delay(self, _: Request, app_id: str) -> Response:
        self._operations.reset_delay(absolute(app_id))
        return Response(204)


def _changed(deployment: Deployment, status: int = 200, **headers: str) -> Response:
    return as_json(status, views.deployment_result(deployment), Marathon_Deployment_Id=deployment.id, **headers)


def _kill_flags(request: Request) -> tuple[bool, bool]:
    """Return scale and force; wipe is about volumes, which the stand-in does not have."""
    if request.flag("wipe"):
        raise ApiError(422, {"message": "the stand-in has no volumes to wipe"})
    return request.flag("scale"), request.flag("force")


def _embed(request: Request, prefix: str) -> set[str]:
    """Return the parts that ?embed= asks for: "apps.tasks" and "app.tasks" both give "tasks"."""
    known = {"tasks", "counts", "count", "deployments", "lastTaskFailure", "failures"}
    wanted = set()
    for value in request.query("embed"):
        part = value.removeprefix("apps.").removeprefix("app.")
        if part not in known:
            raise ApiError(422, {"message": f"the stand-in does not support embed={value} ({prefix}.<part>: {known})"})
        wanted |= {"tasks", "deployments", "lastTaskFailure"} if part == "failures" else {part}
    return wanted
