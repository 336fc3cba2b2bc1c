"""The builds of one Jenkins master under load: calls of its REST API, and what the answers say.

A build has a job of its own, since Jenkins folds equal items of its queue into one. Waits are the master's own figures:
from ``inQueueSince`` of the queue's item to ``timestamp`` of the build, which it gets with its executor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol
from xml.sax.saxutils import escape

from clusterctl.load.result import BuildResult

Call = Mapping[str, Any]
_ITEM = re.compile(r"/queue/item/(\d+)")
# The queue drops an item five minutes after it has left (hudson.model.Queue): by then it is asked often
_JOB = "loadtest-{}"


class JenkinsAnswer(Protocol):
    """An answer of a master; ``status`` 0: none came."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> Any: ...


@dataclass
class JenkinsBuild:
    """One build; seconds since the test began.

    Attributes:
        sent_s: when the master took it; None as long as it didn't.
        item: of the queue.
        number: of the build; None as long as it waits.
        since_ms: when it came into the queue, by the master's clock.
    """

    job: str
    queued_s: float
    sent_s: float | None = None
    item: str = ""
    number: int | None = None
    since_ms: float = 0.0
    agent_s: float | None = None
    finished_s: float | None = None
    state: str = "queued"
    tries: int = 0

    @property
    def open(self) -> bool:
        """Whether its end is not known yet."""
        return self.finished_s is None


class MasterBuilds:
    """All builds of one master. ``calls`` and ``take`` are used in turn.

    Args:
        framework: number of the master in the result.
    """

    def __init__(self, framework: int, label: str, run_s: float) -> None:
        self.framework = framework
        self.builds: list[JenkinsBuild] = []
        self.trouble = ""
        self.refused = 0
        self._xml = job_xml(label, run_s)
        self._asked: list[JenkinsBuild] = []

    def jobs(self, count: int) -> list[Call]:
        """The calls that make its jobs, before the test."""
        made = {"method": "POST", "body": self._xml, "type": "application/xml"}
        return [{**made, "path": f"/createItem?name={_JOB.format(number)}"} for number in range(count)]

    def want(self, due_s: float) -> None:
        """A build arrives."""
        self.builds.append(JenkinsBuild(_JOB.format(len(self.builds)), due_s))

    def calls(self) -> list[Call]:
        """What is to be asked now: one call for each build whose end is not known."""
        self._asked = [build for build in self.builds if build.open]
        return [_call(build) for build in self._asked]

    def take(self, answers: Sequence[JenkinsAnswer], now: float) -> None:
        """The answers to the last ``calls``, in their order. One that is not as it should be is asked for again."""
        for build, answer in zip(self._asked, answers, strict=True):
            if build.number is not None:
                _ended(build, answer)
            elif build.item:
                _started(build, answer)
            elif place := _ITEM.search(answer.headers.get("location", "")):
                build.item, build.sent_s = place.group(1), now
                build.tries += 1
            else:
                self.refused += 1
                self.trouble = f"{build.job}: HTTP {answer.status} {answer.headers.get('x-error', '')}".strip()

    def results(self) -> list[BuildResult]:
        """All builds."""
        return [
            BuildResult(
                framework=self.framework,
                queued_s=round(build.queued_s, 4),
                agent_s=build.agent_s,
                finished_s=build.finished_s,
                state=build.state,
                tries=build.tries,
            )
            for build in self.builds
        ]


def job_xml(label: str, run_s: float) -> str:
    """A job that sleeps on an agent of this label."""
    return (
        "<?xml version='1.1' encoding='UTF-8'?>\n<project>"
        f"<assignedNode>{escape(label)}</assignedNode><canRoam>false</canRoam>"
        f"<builders><hudson.tasks.Shell><command>sleep {run_s:g}</command></hudson.tasks.Shell></builders></project>"
    )


def longest_wait_s(builds: Sequence[BuildResult], end_s: float) -> float:
    """The longest time in which builds of one master waited and none of them got an agent, in seconds."""
    starts = sorted(build.agent_s for build in builds if build.agent_s is not None)
    longest = 0.0
    for build in builds:
        until = end_s if build.agent_s is None else build.agent_s
        inside = [start for start in starts if build.queued_s < start < until]
        marks = [build.queued_s, *inside, until]
        longest = max([longest, *(later - before for before, later in pairwise(marks))])
    return round(longest, 4)


def _call(build: JenkinsBuild) -> Call:
    if build.number is not None:
        return {"method": "GET", "path": f"/job/{build.job}/{build.number}/api/json"}
    if build.item:
        return {"method": "GET", "path": f"/queue/item/{build.item}/api/json"}
    return {"method": "POST", "path": f"/job/{build.job}/build?delay=0sec"}


def _started(build: JenkinsBuild, answer: JenkinsAnswer) -> None:
    if answer.status != 200 or not isinstance(answer.body, Mapping):
        return
    build.since_ms = answer.body.get("inQueueSince", build.since_ms)
    if answer.body.get("cancelled"):
        # by somebody, or since the master was restarted: what never ran has ended badly
        build.state, build.finished_s = "CANCELLED", build.queued_s
    elif executable := answer.body.get("executable"):
        build.number = executable["number"]
        build.state = "running"


def _ended(build: JenkinsBuild, answer: JenkinsAnswer) -> None:
    if answer.status != 200 or not isinstance(answer.body, Mapping):
        return
    body = answer.body
    build.agent_s = round(build.queued_s + max(body["timestamp"] - build.since_ms, 0) / 1000, 4)
    if not body.get("building") and body.get("result") is not None:
        build.finished_s = round(build.agent_s + body["duration"] / 1000, 4)
        build.state = body["result"]
