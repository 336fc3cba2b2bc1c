"""The driver against a master that says what a test wants: registration, builds, refusals, and the end of all of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from clusterctl.errors import ClusterctlError
from clusterctl.load.plan import Canary, FrameworkGroup, LoadPlan
from clusterctl.load.result import LoadResult
from clusterctl.ops.loadtest import driver as module
from clusterctl.ops.loadtest.driver import _Driver
from clusterctl.ops.loadtest.masters import Endpoint, MasterMap

Json = dict[str, Any]
ONE_BUILD = LoadPlan(
    groups=(FrameworkGroup(name="jenkins", kind="on_demand", count=1, builds=1, over_s=0, run_s=1),), limit_s=5
)


def record(event: Json) -> bytes:
    text = json.dumps(event).encode()
    return str(len(text)).encode() + b"\n" + text


class Master:
    """Offers each subscriber one agent, and lets its tasks finish at once.

    Attributes:
        subscriptions: how the next ones are answered: an HTTP status, or an event instead of an offer; then well.
        refuse: kinds of calls that are answered with 400.
        leader: what it names as such; itself by default.
    """

    def __init__(self) -> None:
        self.subscriptions: list[int | Json] = []
        self.refuse: set[str] = set()
        self.leader = ""
        self.calls: list[Json] = []
        self.frameworks: dict[str, str] = {}
        self._streams: dict[str, web.StreamResponse] = {}

    async def redirect(self, _request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"//{self.leader}"})

    async def summary(self, _request: web.Request) -> web.Response:
        known = [{"id": key, "name": name, "connected": True} for key, name in self.frameworks.items()]
        return web.json_response({"frameworks": known})

    async def teardown(self, request: web.Request) -> web.Response:
        self.frameworks.pop(str((await request.post())["frameworkId"]))
        return web.Response()

    async def operator(self, _request: web.Request) -> web.Response:
        metrics = [{"name": "master/cpus_total", "value": 8.0}]
        return web.json_response({"type": "GET_METRICS", "get_metrics": {"metrics": metrics}})

    async def scheduler(self, request: web.Request) -> web.StreamResponse:
        call = await request.json()
        self.calls.append(call)
        if call["type"] == "SUBSCRIBE":
            return await self._subscribe(request, call)
        framework_id = call["framework_id"]["value"]
        if call["type"] in self.refuse:
            return web.Response(status=400, text="no")
        if call["type"] == "TEARDOWN":
            self.frameworks.pop(framework_id)
        if call["type"] == "ACCEPT":
            task = call["accept"]["operations"][0]["launch"]["task_infos"][0]
            for state in ("TASK_RUNNING", "TASK_FINISHED"):
                status = {"task_id": task["task_id"], "agent_id": task["agent_id"], "state": state, "uuid": "u"}
                await self._streams[framework_id].write(record({"type": "UPDATE", "update": {"status": status}}))
        return web.Response(status=202)

    async def _subscribe(self, request: web.Request, call: Json) -> web.StreamResponse:
        how = self.subscriptions.pop(0) if self.subscriptions else 200
        if isinstance(how, int) and how != 200:
            return web.Response(status=how, text="not you")
        framework_id = f"id-{len(self.calls)}"
        stream = web.StreamResponse(headers={"Mesos-Stream-Id": f"stream of {framework_id}"})
        await stream.prepare(request)
        self.frameworks[framework_id] = call["subscribe"]["framework_info"]["name"]
        self._streams[framework_id] = stream
        await stream.write(record({"type": "SUBSCRIBED", "subscribed": {"framework_id": {"value": framework_id}}}))
        if isinstance(how, dict):
            self.frameworks.pop(framework_id)
            await stream.write(record(how))
            return stream
        resources = [{"name": n, "type": "SCALAR", "scalar": {"value": 100}} for n in ("cpus", "mem")]
        offer = {"id": {"value": "o"}, "agent_id": {"value": "a"}, "resources": resources}
        await stream.write(record({"type": "OFFERS", "offers": {"offers": [offer]}}))
        while framework_id in self.frameworks:
            await asyncio.sleep(0.01)
        return stream


def drive(plan: LoadPlan, master: Master, before: Callable[[MasterMap], None] = lambda _masters: None) -> LoadResult:
    """Runs the plan on the master; at the end it must have no framework."""

    async def work() -> LoadResult:
        app = web.Application()
        app.router.add_get("/master/redirect", master.redirect)
        app.router.add_get("/master/state-summary", master.summary)
        app.router.add_post("/master/teardown", master.teardown)
        app.router.add_post("/api/v1", master.operator)
        app.router.add_post("/api/v1/scheduler", master.scheduler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address = "{}:{}".format(*runner.addresses[0])
        master.leader = master.leader or address
        masters = MasterMap([Endpoint(address)])
        before(masters)
        try:
            return await _Driver(plan, masters, "demo", lambda _text: None).run()
        finally:
            await runner.cleanup()

    result = asyncio.run(work())
    assert master.frameworks == {}
    return result


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLE_S", 0)
    monkeypatch.setattr("clusterctl.ops.loadtest.link._AGAIN_S", 0.01)
    monkeypatch.setattr("clusterctl.ops.loadtest.clean._DEADLINE_S", 0.5)
    monkeypatch.setattr("clusterctl.ops.loadtest.clean._PAUSE_S", 0.01)


def kinds(master: Master) -> list[str]:
    return [call["type"] for call in master.calls]


def test_a_build_from_its_arrival_to_its_end() -> None:
    master = Master()
    result = drive(ONE_BUILD, master)
    assert result.ended == "complete"
    assert kinds(master) == ["SUBSCRIBE", "ACCEPT", "ACKNOWLEDGE", "ACKNOWLEDGE", "TEARDOWN"]
    assert all(call["framework_id"] == {"value": "id-1"} for call in master.calls[1:])
    (build,) = result.builds
    assert build.state == "TASK_FINISHED"
    (framework,) = result.frameworks
    assert (framework.registrations, framework.offers, framework.refused) == (1, 1, 0)
    assert result.samples[0].cpus_total == 8
    assert result.leaders == (master.leader,)


@pytest.mark.parametrize("status", [503, 404, 307])
def test_a_master_that_is_not_ready_is_asked_again(status: int) -> None:
    master = Master()
    master.subscriptions = [status]
    assert drive(ONE_BUILD, master).builds[0].state == "TASK_FINISHED"
    assert kinds(master)[:2] == ["SUBSCRIBE", "SUBSCRIBE"]


def test_a_framework_that_is_not_let_in_fails_the_test() -> None:
    master = Master()
    master.subscriptions = [403]
    with pytest.raises(ClusterctlError, match=r"does not let clusterctl-loadtest-.* subscribe: HTTP 403 not you"):
        drive(ONE_BUILD, master)


def test_one_that_is_removed_registers_again_with_a_new_id() -> None:
    master = Master()
    master.subscriptions = [{"type": "ERROR", "error": {"message": "Framework has been removed"}}]
    result = drive(ONE_BUILD, master)
    assert result.builds[0].state == "TASK_FINISHED"
    assert result.frameworks[0].registrations == 2


def test_what_can_not_leave_is_removed() -> None:
    master = Master()
    master.refuse = {"TEARDOWN"}
    result = drive(ONE_BUILD, master)  # which sees that nothing is left
    assert kinds(master)[-1] == "TEARDOWN"
    assert result.frameworks[0].refused == 1


def test_refused_acceptance_is_told_and_the_limit_ends_it() -> None:
    master = Master()
    master.refuse = {"ACCEPT"}
    result = drive(ONE_BUILD.model_copy(update={"limit_s": 0.5}), master)
    assert (result.ended, result.frameworks[0].refused) == ("limit", 1)
    assert result.builds[0].finished_s is None


def test_a_leader_that_is_not_on_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    master = Master()
    master.leader = "10.9.9.9:5050"
    monkeypatch.setattr(MasterMap.leader, "__defaults__", (0.1,))
    monkeypatch.setattr("clusterctl.ops.loadtest.masters._LOOK_EVERY_S", 0.1)
    with pytest.raises(
        ClusterctlError, match=r"names 10.9.9.9:5050 as leader, which is not in the list[\s\S]*may be left"
    ):
        drive(ONE_BUILD, master)


def test_base_tasks_that_do_not_run_end_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BASE_DEADLINE_S", 0.3)
    master = Master()
    master.refuse = {"ACCEPT"}
    plan = ONE_BUILD.model_copy(update={"canary": Canary(role="ops")})
    with pytest.raises(ClusterctlError, match="1 base tasks did not run within") as caught:
        drive(plan, master)
    assert "free for role 'ops'? ACCEPT: HTTP 400 no" in str(caught.value.hint)
