"""Builds of a master under load: its calls, and what its answers come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from clusterctl.load.jenkinsbuilds import MasterBuilds, job_xml, longest_wait_s
from clusterctl.load.result import BuildResult


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int = 200
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)


QUEUED = Said(201, headers={"location": "http://m:1/queue/item/7/"})


def paths(builds: MasterBuilds) -> list[str]:
    return [f"{call['method']} {call['path']}" for call in builds.calls()]


def test_a_build_from_its_call_to_its_end() -> None:
    builds = MasterBuilds(3, "mesos", 5)
    builds.want(10.0)
    assert paths(builds) == ["POST /job/loadtest-0/build?delay=0sec"]
    builds.take([QUEUED], 10.4)
    assert paths(builds) == ["GET /queue/item/7/api/json"]
    builds.take([Said(body={"inQueueSince": 1_000_000, "why": "no agents"})], 11)
    assert paths(builds) == ["GET /queue/item/7/api/json"]
    builds.take([Said(body={"inQueueSince": 1_000_000, "executable": {"number": 4}})], 12)
    assert paths(builds) == ["GET /job/loadtest-0/4/api/json"]
    running = {"building": True, "timestamp": 1_002_500, "duration": 0, "result": None}
    builds.take([Said(body=running)], 13)
    assert builds.builds[0].open
    builds.take([Said(body={**running, "building": False, "result": "SUCCESS", "duration": 5200})], 18)
    assert paths(builds) == []
    assert builds.results() == [
        BuildResult(framework=3, queued_s=10, agent_s=12.5, finished_s=17.7, state="SUCCESS", tries=1)
    ]


def test_what_is_refused_or_lost_is_asked_again() -> None:
    builds = MasterBuilds(0, "mesos", 5)
    builds.want(0)
    for bad in (Said(0, "connection refused"), Said(503), Said(403, headers={"x-error": "no"})):
        builds.calls()
        builds.take([bad], 1)
    assert (builds.refused, builds.trouble) == (3, "loadtest-0: HTTP 403 no")
    builds.calls()
    builds.take([QUEUED], 2)
    builds.calls()
    builds.take([Said(503)], 3)
    assert paths(builds) == ["GET /queue/item/7/api/json"]
    assert builds.results()[0].tries == 1


def test_a_cancelled_item_ends_badly() -> None:
    builds = MasterBuilds(0, "mesos", 5)
    builds.want(0)
    builds.calls()
    builds.take([QUEUED], 1)
    builds.calls()
    builds.take([Said(body={"inQueueSince": 1, "cancelled": True})], 2)
    [result] = builds.results()
    assert (result.state, result.agent_s, builds.calls()) == ("CANCELLED", None, [])


def test_each_concurrent_build_has_a_job() -> None:
    builds = MasterBuilds(0, "a&b", 2.5)
    calls = builds.jobs(2)
    assert [call["path"] for call in calls] == ["/createItem?name=loadtest-0", "/createItem?name=loadtest-1"]
    job = ElementTree.fromstring(calls[0]["body"].split("\n", 1)[1])
    assert job.findtext("assignedNode") == "a&b"
    assert job.findtext(".//command") == "sleep 2.5"
    assert job_xml("a&b", 2.5) == calls[0]["body"]
    for _ in range(2):
        builds.want(0)
    assert paths(builds) == [f"POST /job/loadtest-{number}/build?delay=0sec" for number in (0, 1)]


def test_a_wait_is_the_time_in_which_no_build_of_the_master_gets_an_agent() -> None:
    def build(queued_s: float, agent_s: float | None) -> BuildResult:
        return BuildResult(framework=0, queued_s=queued_s, agent_s=agent_s)

    assert longest_wait_s([], 100) == 0
    assert longest_wait_s([build(0, 4)], 100) == 4
    assert longest_wait_s([build(0, 4), build(1, 9)], 100) == 5
    assert longest_wait_s([build(0, 4), build(10, None)], 100) == 90
