"""One build on a master: with registration on demand nothing else proves that it gets agents from Mesos."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from clusterctl.errors import NodeError
from clusterctl.ops.jenkins.ground import Tier, asked
from clusterctl.ops.jenkins.survey import Master
from clusterctl.remote.jenkinsnodes import Reply

JOB = "clusterctl-probe"
TIMEOUT_S = 300.0
_TICK_S = 2.0

_DELETE = {"method": "POST", "path": f"/job/{JOB}/doDelete"}
_BUILD = {"method": "POST", "path": f"/job/{JOB}/build?delay=0sec"}


@dataclass(frozen=True)
class Probe:
    """How a build went; ``error`` is '' if it succeeded.

    Attributes:
        wait_s: from the queue to an agent.
        agent: name of its agent.
    """

    error: str = ""
    wait_s: float = 0.0
    agent: str = ""

    def to_json(self) -> dict[str, Any]:
        """All attributes by name."""
        return dict(vars(self))


@dataclass
class _Run:
    """Where a build is: its item in the queue, then its number; in the end ``done``."""

    master: Master
    item: str = ""
    number: int | None = None
    queued_ms: float = 0.0
    doing: str = "no call made yet"
    done: Probe | None = None

    def calls(self) -> Sequence[Mapping[str, Any]]:
        if self.number is not None:
            return [{"method": "GET", "path": f"/job/{JOB}/{self.number}/api/json"}]
        return [{"method": "GET", "path": f"/queue/item/{self.item}/api/json"}]

    def take(self, replies: Sequence[Reply] | NodeError) -> None:
        if isinstance(replies, NodeError):
            self.doing = replies.message
            return
        [reply] = replies
        if reply.status != 200 or not isinstance(reply.body, dict):
            self.doing = reply.reason  # a master may be busy for a moment; the deadline ends it
        elif self.number is None:
            self._queue(reply.body)
        elif not reply.body.get("building") and reply.body.get("result") is not None:
            self._ended(reply.body)
        else:
            self.doing = f"its build runs on {reply.body.get('builtOn') or 'an agent'}"

    def _queue(self, item: Mapping[str, Any]) -> None:
        self.queued_ms = item.get("inQueueSince", self.queued_ms)
        self.doing = f"its build waits: {item.get('why') or 'no reason given'}"
        if item.get("cancelled"):
            self.done = Probe("its build was cancelled")
        elif executable := item.get("executable"):
            self.number = executable["number"]

    def _ended(self, build: Mapping[str, Any]) -> None:
        result, agent = build["result"], build.get("builtOn", "")
        wait_s = round(max(build.get("timestamp", 0) - self.queued_ms, 0) / 1000, 1) if self.queued_ms else 0.0
        self.done = Probe("" if result == "SUCCESS" else f"its build ended as {result}", wait_s, agent)


def job_xml(label: str) -> str:
    """A job that does nothing, on an agent of this label."""
    return (
        "<?xml version='1.1' encoding='UTF-8'?>\n<project>"
        f"<assignedNode>{escape(label)}</assignedNode><canRoam>false</canRoam>"
        "<builders><hudson.tasks.Shell><command>exit 0</command></hudson.tasks.Shell></builders></project>"
    )


def probe_builds(tier: Tier, masters: Sequence[Master], *, timeout_s: float = TIMEOUT_S) -> dict[str, Probe]:
    """Runs one build on each of these masters at once, and removes its job; by name how it went."""
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    xml = job_xml(tier.spec.jenkins.builds[0].label)
    make = {"method": "POST", "path": f"/createItem?name={JOB}", "body": xml, "type": "application/xml"}
    # the job of a killed run goes first; that there is none is not a failure
    replies = tier.call(masters, _DELETE, make, _BUILD)
    runs = [_started(master, replies[master.name]) for master in masters]
    began = tier.run.waiter.clock()
    timeout_s = min(timeout_s, tier.run.waiter.left())
    while waiting := [run for run in runs if run.done is None]:
        look = tier.run.waiter.clock()
        answers = tier.jenkins.call([asked(run.master, run.calls()) for run in waiting])
        for run in waiting:
            run.take(answers[run.master.name])
            if run.done is None and tier.run.waiter.clock() >= began + timeout_s:
                run.done = Probe(f"no build within {timeout_s:g} s: {run.doing}")
        _tell(tier.run.progress.note, runs)
        if any(run.done is None for run in runs):
            tier.run.waiter.rest(look, _TICK_S)
    tier.call([run.master for run in runs], _DELETE)
    return {run.master.name: run.done or Probe() for run in runs}


def _started(master: Master, replies: Sequence[Reply] | NodeError) -> _Run:
    if isinstance(replies, NodeError):
        return _Run(master, done=Probe(replies.message))
    _, made, built = replies
    place = re.search(r"/queue/item/(\d+)", built.headers.get("location", ""))
    if not made.ok:
        return _Run(master, done=Probe(f"its job could not be made: {made.reason}"))
    if not built.ok or place is None:
        return _Run(master, done=Probe(f"its build could not be started: {built.reason}"))
    return _Run(master, item=place.group(1))


def _tell(note: Callable[[str], None], runs: Sequence[_Run]) -> None:
    waiting = [run for run in runs if run.done is None]
    first = f"; {waiting[0].master.name}: {waiting[0].doing}" if waiting else ""
    note(f"{len(runs) - len(waiting)} of {len(runs)} builds are done{first}")
