"""The routes: Jenkins' remote API as far as drivers and operators of the lab need it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from . import tree
from .buildqueue import Item
from .core import Jenkins
from .errors import Refused
from .http import Request, Response, Router, page
from .job import Build, Job, check_name, read_definition, with_element
from .views import Views

_DELETION_S = 15.0  # jenkins.model.queue.ItemDeletion: for how long builds may take to stop
_XML_TYPES = ("application/xml", "text/xml")


def as_json(request: Request, form: str, value: Any) -> Response:
    """Return a value in the form asked for (json or python), cut by ``tree``."""
    if wanted := request.parameter("tree"):
        value = tree.select(value, tree.parse(wanted))
    if form == "json":
        return Response(200, json.dumps(value, ensure_ascii=False).encode(), "application/json;charset=utf-8")
    if form == "python":
        return Response(200, repr(value).encode(), "text/x-python;charset=utf-8")
    raise Refused(404, f"the stand-in's API has the forms json and python, not {form}")


class JobApi:
    """Jobs, builds and the queue. Called under the Jenkins' lock."""

    def __init__(self, jenkins: Jenkins, views: Views) -> None:
        self._jenkins, self._views = jenkins, views

    def register(self, router: Router) -> None:
        router.add("POST", "/createItem", self.create)
        router.add("GET", "/job/{name}", self.show)
        router.add("GET", "/job/{name}/api/{form}", self._api)
        router.add("GET", "/job/{name}/config.xml", self.config)
        router.add("POST", "/job/{name}/config.xml", self.reconfigure)
        router.add("POST", "/job/{name}/doDelete", self.delete)
        for verb, disabled in (("enable", False), ("disable", True)):
            router.add("POST", f"/job/{{name}}/{verb}", self._switch(disabled))
        router.add("POST", "/job/{name}/build", self.build)
        router.add("POST", "/job/{name}/buildWithParameters", self.build_with_parameters)
        router.add("GET", "/job/{name}/{number}/api/{form}", self._of_build(self._build_api))
        router.add("GET", "/job/{name}/{number}/consoleText", self._of_build(self._console))
        router.add("GET", "/job/{name}/{number}/console", self._of_build(self._console))
        router.add("GET POST", "/job/{name}/{number}/logText/progressiveText", self._of_build(self._progressive))
        for verb in ("stop", "term", "kill"):
            router.add("POST", f"/job/{{name}}/{{number}}/{verb}", self._of_build(self._stop))
        router.add("POST", "/job/{name}/{number}/doDelete", self._of_build(self._delete_build))
        router.add("GET", "/queue/api/{form}", lambda r, form: as_json(r, form, self._views.queue()))
        router.add("GET", "/queue/item/{number}/api/{form}", self.item)
        router.add("POST", "/queue/cancelItem", self.cancel)

    def _job(self, name: str) -> Job:
        job = self._jenkins.jobs.get(name)
        if job is None:
            raise Refused(404, f"Not Found: there is no job {name!r}")
        return job

    def _build(self, job: Job, number: str) -> Build:
        build = job.last_build if number == "lastBuild" else None
        if number.isdigit():
            build = job.builds.get(int(number))
        if build is None:
            raise Refused(404, f"Not Found: {job.name} has no build {number!r}")
        return build

    def _of_build(self, handler: Callable[..., Response]) -> Callable[..., Response]:
        def handle(request: Request, name: str, number: str, **more: str) -> Response:
            return handler(request, self._build(self._job(name), number), **more)

        return handle

    # --- jobs

    def create(self, request: Request) -> Response:
        name = request.parameter("name").strip()
        check_name(name)
        if name in self._jenkins.jobs:
            raise Refused(400, f"A job already exists with the name ‘{name}’")
        directory = self._jenkins.settings.home / "jobs" / name
        if request.parameter("mode") == "copy":
            text = self._job(request.parameter("from")).config_path.read_text(encoding="utf-8")
        else:
            if not request.headers.get("content-type", "").startswith(_XML_TYPES):
                raise Refused(400, "Content-Type must be application/xml or text/xml")
            text = self._text(request)
        job = Job(directory, read_definition(text))
        job.write_config(self._labelled(text))
        self._jenkins.jobs[name] = job
        return Response(200)

    @staticmethod
    def _text(request: Request) -> str:
        try:
            return request.body.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise Refused(500, f"the job's XML is no UTF-8: {exc}") from exc

    def _labelled(self, text: str) -> str:
        """Return the text with the label of the cloud's default node if it has none (MesosItemListener, 0.x, 1.x)."""
        if read_definition(text).label is not None:
            return text
        for cloud in self._jenkins.clouds[:1]:
            for template in cloud.cloud.templates:
                if template.default and template.label:
                    return with_element(with_element(text, "assignedNode", template.label), "canRoam", False)
        return text

    def show(self, request: Request, name: str) -> Response:
        job = self._job(name)
        lines = [f"<li><a href='{number}/console'>#{number}</a> {b.result}</li>" for number, b in job.builds.items()]
        return page(200, name, f"<h1>{name}</h1><ul>{''.join(lines)}</ul><p>{self._jenkins.name}</p>")

    def _api(self, request: Request, name: str, form: str) -> Response:
        return as_json(request, form, self._views.job(self._job(name)))

    def config(self, request: Request, name: str) -> Response:
        return Response(200, self._job(name).config_path.read_bytes(), "application/xml")

    def reconfigure(self, request: Request, name: str) -> Response:
        self._job(name).write_config(self._labelled(self._text(request)))
        return Response(200)

    def delete(self, request: Request, name: str) -> Response:
        """Delete a job; what it builds is stopped, for which it waits as Jenkins does (ItemDeletion)."""
        job = self._job(name)
        self._jenkins.queue.cancel_of(job)
        nodes = list(self._jenkins.nodes.values())
        for build in list(job.running()):
            self._jenkins.runner.stop(build, nodes, _caller(request))
        if not self._jenkins.wait_until(lambda: not any(job.running()), time.monotonic() + _DELETION_S):
            raise Refused(500, f"Failed to delete {name}: its builds did not stop within {_DELETION_S:g} s")
        del self._jenkins.jobs[name]
        shutil.rmtree(job.directory)
        return self._found("")

    def _switch(self, disabled: bool) -> Callable[..., Response]:
        def switch(request: Request, name: str) -> Response:
            job = self._job(name)
            job.write_config(with_element(job.config_path.read_text(encoding="utf-8"), "disabled", disabled))
            return self._found(f"job/{quote(name)}/")

        return switch

    def _found(self, path: str) -> Response:
        return Response(302, headers={"Location": self._views.root + path})

    # --- building

    def build(self, request: Request, name: str) -> Response:
        job = self._job(name)
        if job.definition.parameters:
            raise Refused(400, f"{name} is parameterized: POST to buildWithParameters")
        item, _ = self._schedule(request, job, {})
        return self._created(item)

    def build_with_parameters(self, request: Request, name: str) -> Response:
        job = self._job(name)
        if not job.definition.parameters:
            raise Refused(500, f"java.lang.IllegalStateException: {name} is not parameterized")
        given = request.parameters()
        values = {each: given.get(each, default) for each, default in job.definition.parameters.items()}
        item, is_new = self._schedule(request, job, values)
        return self._created(item, 201 if is_new else 303)

    def _schedule(self, request: Request, job: Job, parameters: Mapping[str, str]) -> tuple[Item, bool]:
        if job.definition.disabled:
            raise Refused(409, f"{job.name} is not buildable")
        quiet = job.definition.quiet_period_s
        default = self._jenkins.config.quiet_period_s if quiet is None else quiet
        cause = f"Started by user {_caller(request)}"
        return self._jenkins.queue.schedule(job, _delay(request.parameter("delay"), default), parameters, cause)

    def _created(self, item: Item, status: int = 201) -> Response:
        return Response(status, headers={"Location": f"{self._views.root}queue/item/{item.id}/"})

    # --- builds

    def _build_api(self, request: Request, build: Build, form: str) -> Response:
        return as_json(request, form, self._views.build(build))

    def _console(self, request: Request, build: Build) -> Response:
        return Response(200, build.log_path.read_bytes(), "text/plain;charset=utf-8")

    def _progressive(self, request: Request, build: Build) -> Response:
        text = build.log_path.read_bytes()
        start = request.parameter("start", "0")
        begin = int(start) if start.isdigit() and int(start) <= len(text) else 0
        more = {"X-More-Data": "true"} if build.result is None else {}
        headers = {"X-Text-Size": str(len(text)), **more}
        return Response(200, text[begin:], "text/plain;charset=utf-8", headers)

    def _stop(self, request: Request, build: Build) -> Response:
        self._jenkins.runner.stop(build, list(self._jenkins.nodes.values()), _caller(request))
        return self._found(f"job/{quote(build.job.name)}/")

    def _delete_build(self, request: Request, build: Build) -> Response:
        if build.result is None:
            raise Refused(400, "the build runs: stop it first")
        build.job.delete_build(build)
        return self._found(f"job/{quote(build.job.name)}/")

    # --- the queue

    def _item(self, number: str) -> Item:
        item = self._jenkins.queue.items.get(int(number)) if number.isdigit() else None
        if item is None:
            raise Refused(404, f"Not Found: there is no queue item {number!r}; they go 5 minutes after they left")
        return item

    def item(self, request: Request, number: str, form: str) -> Response:
        return as_json(request, form, self._views.item(self._item(number)))

    def cancel(self, request: Request) -> Response:
        item = self._item(request.parameter("id"))
        if item.state != "left":
            self._jenkins.queue.cancel(item)
        return Response(204)


def _caller(request: Request) -> str:
    return request.headers.get("x-caller") or "anonymous"


def _delay(text: str, default_s: float) -> float:
    """Return the seconds of ``delay``: "0sec", "3", or nothing for the quiet period. Raises Refused."""
    number = text.removesuffix("sec").removesuffix("secs").strip()
    if not number:
        return default_s
    if not number.isdigit():
        raise Refused(400, f"Invalid delay {text!r}: expected a number of seconds such as 3sec")
    return float(number)
