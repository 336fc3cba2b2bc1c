"""Kills a client right before and right after each of its calls to the cloud, runs the same command again, and compares
what the cloud then holds with what it holds after an undisturbed run.

One cycle is create, scale out, scale in, destroy: each is killed at one point and finished by a second client before
the next begins. So every command also starts from what a killed one and its successor left.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.cloud.transport import call_path
from lab.faultproxy.faults import Fault, When
from lab.faultproxy.proxy import Entry, FaultProxy
from tests.faults.client import start
from tests.faults.content import Content, Difference, content_of, difference

# What is in transition when a command ends (a port of a server that is gone, a volume that detaches) gets so long
SETTLE_S = 20.0


@dataclass(frozen=True)
class Stage:
    """One command of a cycle."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Undisturbed:
    """A stage that nobody disturbed: its calls, their requests, and what the project held afterwards."""

    calls: int
    log: tuple[Entry, ...]
    content: Content


@dataclass(frozen=True)
class Point:
    """Where a client is killed: at its ``call``-th request (1-based), before the cloud has it or when it is done."""

    call: int
    when: When


@dataclass(frozen=True)
class Outcome:
    """Of one point. ``struck``: False if the client had ended before that call."""

    stage: str
    call: int
    when: When
    struck: bool
    request: str
    exit_code: int | None  # of the second client
    missing: tuple[str, ...]
    orphans: tuple[str, ...]
    duplicates: tuple[str, ...]
    seconds: float

    @property
    def converged(self) -> bool:
        """Whether the second client ended well and left what an undisturbed one leaves."""
        return self.exit_code == 0 and not (self.missing or self.orphans or self.duplicates)


def stages(file: Path) -> list[Stage]:
    """Of a cluster file with a group ``builders`` of one agent."""
    return [
        Stage("create", ("create", str(file), "--no-wait", "--json")),
        Stage("scale out", ("scale", str(file), "builders=3")),
        Stage("scale in", ("scale", str(file), "builders=1")),
        Stage("destroy", ("destroy", str(file), "--yes", "--volumes", "--json")),
    ]


@dataclass(frozen=True)
class Killer:
    """Runs the stages of a cluster through a fault proxy.

    Attributes:
        cloud: the same project, without the proxy.
        clouds: the clouds.yaml of the clients, through it.
        log: what the clients print.
    """

    proxy: FaultProxy
    cloud: OpenStackCloud
    cluster: str
    clouds: Path
    log: Path

    def run(self, stage: Stage, *faults: Fault, environment: Mapping[str, str] | None = None) -> int | None:
        """One client; its exit code, negative for a signal."""
        self.proxy.reset(*faults)
        client = start(stage.words, clouds=self.clouds, log=self.log, environment=environment)
        assert client.pid is not None
        self.proxy.set_victim(client.pid)
        client.join()
        return client.exitcode

    def undisturbed(self, stage: Stage) -> Undisturbed:
        """Runs a stage as it should be; AssertionError if it fails."""
        code = self.run(stage)
        calls, log = self.proxy.calls, self.proxy.log
        assert code == 0, f"{stage.name} ended with {code} though nothing disturbed it; see {self.log}"
        time.sleep(SETTLE_S / 4)
        return Undisturbed(calls, tuple(log), content_of(self.cloud, self.cluster))

    def kill(self, stage: Stage, point: Point, wanted: Content) -> Outcome:
        """Kills a client of the stage at that point and runs another."""
        began = time.monotonic()
        code = self.run(stage, Fault("kill", call=point.call, when=point.when))
        struck = code == -signal.SIGKILL
        requests = [entry.request for entry in self.proxy.log if entry.number == point.call]
        method, _, path = requests[0].partition(" ") if struck and requests else ("", "", "")
        again = self.run(stage)
        left = self.settled(wanted)
        return Outcome(
            stage=stage.name,
            **asdict(point),
            struck=struck,
            request=f"{method} {call_path(path)}" if path else "",
            exit_code=again,
            **asdict(left),
            seconds=round(time.monotonic() - began, 1),
        )

    def settled(self, wanted: Content) -> Difference:
        """What the project has other than ``wanted``, when nothing changes any more."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            left = difference(content_of(self.cloud, self.cluster), wanted)
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(1)


def points(calls: int) -> list[Point]:
    """All points of a command with so many calls."""
    return [Point(call, when) for call in range(1, calls + 1) for when in ("before", "after")]


def writing_first(todo: Iterable[Point], log: Iterable[Entry]) -> list[Point]:
    """The points at calls that change something before those at reads: where a sweep is stopped, these are done."""
    writing = {entry.number for entry in log if not entry.request.startswith(("GET ", "HEAD "))}
    return sorted(todo, key=lambda point: point.call not in writing)


def sweep(
    killer: Killer, todo: dict[str, list[Point]], chain: Sequence[Stage], seen: dict[str, Undisturbed]
) -> Iterator[Outcome]:
    """Cycles until no point is left. A stage without points is left out of the cycle, except the first and the last.

    Raises:
        AssertionError: a cluster couldn't be brought back to where the next stage begins.
    """
    left = {name: list(each) for name, each in todo.items()}
    while any(left.values()):
        for stage in chain:
            outcome = None
            if left.get(stage.name):
                outcome = killer.kill(stage, left[stage.name].pop(0), seen[stage.name].content)
                yield outcome
            elif stage in (chain[0], chain[-1]):
                assert killer.run(stage) == 0, f"{stage.name} failed though nothing disturbed it; see {killer.log}"
            if outcome is not None and not outcome.converged:
                # the next stages would only repeat what is wrong
                assert killer.run(chain[-1]) == 0, f"{chain[-1].name} failed; see {killer.log}"
                break


def table(outcomes: Iterable[Outcome], calls: dict[str, int]) -> str:
    """The outcomes by stage, in Markdown."""
    found = list(outcomes)
    rows = ["| command | calls | points tried | converged | orphans | duplicates |", "|---|---|---|---|---|---|"]
    names = list(calls)
    for name in [*names, "all"]:
        mine = [each for each in found if each.struck and name in (each.stage, "all")]
        count = calls[name] if name != "all" else sum(calls.values())
        converged = sum(each.converged for each in mine)
        orphans, duplicates = (sum(len(getattr(each, kind)) for each in mine) for kind in ("orphans", "duplicates"))
        rows.append(f"| {name} | {count} | {len(mine)} | {converged} | {orphans} | {duplicates} |")
    return "\n".join(rows)


def write(path: Path, outcome: Outcome) -> None:
    """Appends one outcome to a file of JSON lines."""
    with path.open("a") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")


def read(path: Path) -> list[Outcome]:
    """The outcomes in such a file; none if there is no file."""
    if not path.exists():
        return []
    return [_outcome(json.loads(line)) for line in path.read_text().splitlines()]


def _outcome(raw: dict[str, Any]) -> Outcome:
    return Outcome(**raw | {key: tuple(raw[key]) for key in ("missing", "orphans", "duplicates")})
