"""The load test with real masters, on a tier in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.load.plan import Canary, FrameworkGroup, LoadPlan
from clusterctl.ops.jenkins.create import create
from clusterctl.ops.loadtest.clean import LeftError
from clusterctl.ops.loadtest.tier import left, remove, run_masters
from clusterctl.remote.jenkinsnodes import Asked, Reply
from clusterctl.remote.marathons import Answer, Call
from tests.unit.ops.jenkins.world import World

OF_BUILDS = ("/createItem", "/job/", "/queue/item/")
METRICS = {"master/cpus_total": 8.0, "master/frameworks_active": 3.0}


class Building:
    """The nodes of a world, whose masters run the builds of a load test: each waits 2 s and takes 5 s."""

    def __init__(self, world: World) -> None:
        self._nodes, self._clock = world.nodes, world.clock
        self.posted: dict[tuple[str, str], float] = {}
        self.broken: set[str] = set()  # masters whose builds never start
        self.interrupt_at: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._nodes, name)

    def call(self, asked: Sequence[Asked]) -> dict[str, Any]:
        if self.interrupt_at is not None and self._clock.now >= self.interrupt_at:
            raise KeyboardInterrupt
        ours = [each for each in asked if all(call["path"].startswith(OF_BUILDS) for call in each.calls)]
        rest = self._nodes.call([each for each in asked if each not in ours])
        return rest | {each.name: [self._reply(each.name, call) for call in each.calls] for each in ours}

    def _reply(self, master: str, call: Mapping[str, Any]) -> Reply:
        parts = call["path"].split("/")
        if "createItem" in call["path"]:
            return Reply(200, {}, "")
        if parts[1] == "queue":
            job = parts[3]
            since = self.posted[master, job]
            started = master not in self.broken and self._clock.now >= since + 2
            run = {"executable": {"number": 1}} if started else {}
            return Reply(200, {}, {"inQueueSince": since * 1000, **run})
        job = parts[2].removeprefix("loadtest-")
        if call["method"] == "POST":
            self.posted[master, job] = self._clock.now
            return Reply(201, {"location": f"http://m/queue/item/{job}/"}, "")
        began = self.posted[master, job] + 2
        over = self._clock.now >= began + 5
        result = {"result": "SUCCESS", "duration": 5000} if over else {"result": None, "duration": 0}
        return Reply(200, {}, {"building": not over, "timestamp": began * 1000, **result})


class World10(World):
    """A world whose Mesos has metrics, and whose Marathon tells when it staged the canary's tasks."""

    def __init__(self) -> None:
        super().__init__(max_masters=4)
        self.building = Building(self)
        vars(self)["nodes"] = self.building  # the same protocol
        mesos, marathon = self.mesos.call, self.marathon.call

        def metrics(calls: Sequence[Mapping[str, Any]], agents: Sequence[str] = ()) -> list[Any]:
            mesos(calls, agents)
            return [METRICS if call["type"] == "GET_METRICS" else None for call in calls]

        def staged(calls: Sequence[Call]) -> list[Answer]:
            return [self._canary(call) or marathon([call])[0] for call in calls]

        self.mesos.call = metrics  # type: ignore[method-assign]
        self.marathon.call = staged  # type: ignore[method-assign]

    def _canary(self, call: Call) -> Answer | None:
        path = call.path.partition("?")[0].removeprefix("/v2/apps")
        if call.method != "GET" or "loadtest" not in path:
            return None
        tasks = [
            {"id": f"t{number}", "stagedAt": f"2026-01-01T00:00:0{number}Z"}
            for number in range(1, self.marathon.apps[path]["instances"] + 1)
        ]
        return Answer(200, {"app": {"tasks": tasks, "versionInfo": {"lastScalingAt": "2026-01-01T00:00:01Z"}}})


def plan(builds: int = 3, limit_s: float = 200, canary: Canary | None = None) -> LoadPlan:
    group = FrameworkGroup(
        name="jenkins", kind="on_demand", count=2, builds=builds, arrival="steady", start_s=2, over_s=20, run_s=5
    )
    return LoadPlan(groups=(group,), canary=canary, limit_s=limit_s)


def test_a_whole_test() -> None:
    world = World10()
    result = run_masters(world.tier(), plan(canary=Canary(turns=1, start_s=4)))
    assert (result.mode, result.ended) == ("masters", "complete")
    assert len(result.builds) == 6
    assert {(build.state, build.tries) for build in result.builds} == {("SUCCESS", 1)}
    assert [build.agent_s for build in result.builds] == [pytest.approx(build.queued_s + 2) for build in result.builds]
    assert [each.name for each in result.frameworks] == [
        f"jenkins-loadtest-{result.run}-{number:02d}" for number in (0, 1)
    ]
    assert [turn.wait_s for turn in result.canary] == [1]
    assert result.samples[0].cpus_total == 8
    assert result.driver.latest_s <= 1
    assert world.marathon.apps == {}
    assert not any(world.nodes.homes_at.values())


def test_what_never_gets_an_agent_starves_until_the_limit() -> None:
    world = World10()
    tier = world.tier()
    real = world.building.call

    def broken(asked: Sequence[Asked]) -> dict[str, Any]:
        world.building.broken |= {each.name for each in asked if each.name.endswith("-01")}
        return real(asked)

    world.building.call = broken  # type: ignore[method-assign]
    result = run_masters(tier, plan(limit_s=60))
    assert result.ended == "limit"
    first, second = result.frameworks
    assert first.longest_wait_s < 10
    assert second.longest_wait_s > 40
    assert sum(build.state == "queued" for build in result.builds) == 3
    assert world.marathon.apps == {}


def test_ctrl_c_keeps_what_was_seen_and_removes_what_was_made() -> None:
    world = World10()
    tier = world.tier()
    real = world.building.call

    def soon(asked: Sequence[Asked]) -> dict[str, Any]:
        if len(world.building.posted) >= 3:
            world.building.interrupt_at = world.building.interrupt_at or world.clock.now + 1
        try:
            return real(asked)
        except KeyboardInterrupt:
            world.building.interrupt_at = None
            world.building.posted.clear()
            raise

    world.building.call = soon  # type: ignore[method-assign]
    result = run_masters(tier, plan())
    assert result.ended == "interrupted"
    assert result.builds
    assert world.marathon.apps == {}
    assert not any(world.nodes.homes_at.values())


def test_what_can_not_be_removed_is_told() -> None:
    world = World10()
    world.marathon.refusing["/clusterctl-loadtest-x"] = Answer(409, {"message": "locked"})
    world.marathon.apps["/clusterctl-loadtest-x"] = {
        "id": "/clusterctl-loadtest-x",
        "instances": 1,
        "labels": {"clusterctl.loadtest": "x"},
    }
    with pytest.raises(LeftError, match="locked"):
        remove(world.tier())


def test_clean_removes_what_a_killed_test_left_and_nothing_else() -> None:
    world = World10()
    tier = world.tier()
    create(tier, ["alice", "loadtest-abcd-00"])
    world.marathon.apps["/clusterctl-loadtest-abcd"] = {
        "id": "/clusterctl-loadtest-abcd",
        "instances": 1,
        "labels": {"clusterctl.loadtest": "abcd"},
    }
    assert left(tier, "beef") == ([], [])
    assert remove(tier) == (["loadtest-abcd-00"], ["/clusterctl-loadtest-abcd"])
    assert world.app_names == ["alice"]
    assert remove(tier) == ([], [])


def test_masters_that_can_not_be_made_leave_nothing() -> None:
    world = World10()
    world.prober.lost = {"10.0.0.11", "10.0.0.12"}
    with pytest.raises(ClusterctlError):
        run_masters(world.tier(), plan())
    assert world.marathon.apps == {}
