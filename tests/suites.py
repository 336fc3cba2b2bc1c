"""Runs the suites of `make test`, whatever becomes of each, and tells the sum.

    python -m tests.suites [--side-by-side] [SUITE...]

A suite is a target of the Makefile. What it writes goes to ``build/tests/SUITE.log`` and is shown whole when it has
ended; a line a minute says how far those are that run. Those of pytest leave a JUnit file there, Molecule a line for
each scenario; any other suite counts as one test. Exit code 1: something failed. 130: stopped by Ctrl-C, SIGTERM or
SIGHUP, which end the suites that run, too; they remove what they made, and a second Ctrl-C doesn't wait for that.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree

LAB, HOSTS = "lab", "hosts"
# Tests with real daemons on loopback addresses, by directory of tests/contract; the longest first
DAEMONS = tuple(
    f"daemons-{name}" for name in ("jenkins", "load", "marathon", "mesos", "health", "members", "upgrade", "zookeeper")
)
# Suite -> what no other one may use meanwhile, in the order of their start
SUITES: dict[str, frozenset[str]] = {
    "lint": frozenset(),
    "unit": frozenset(),
    "prepare": frozenset({LAB, HOSTS}),  # before those that need them, which would else install and build side by side
    "fuzz": frozenset(),
    "wheel": frozenset(),
    "hosts": frozenset({HOSTS}),
    "cloud": frozenset({LAB}),
    "molecule": frozenset({HOSTS}),
    "e2e": frozenset({LAB}),
    **dict.fromkeys(DAEMONS, frozenset()),  # each of their modules has a network of its own
}
# Parts of a machine with two cores: two suites at a time, or three of those that wait more than they work
ROOM, SHARE, SHARE_OF_DAEMONS = 6, 3, 2
RESULTS = Path("build/tests")
INTERRUPTED = 130
PROGRESS_S = 60.0
PAUSE_S = 0.2


@dataclass(frozen=True)
class Result:
    """What became of one suite; ``failed`` names its failed tests."""

    suite: str
    passed: int
    failed: tuple[str, ...]
    skipped: int
    seconds: float


class Job(Protocol):
    """A suite that runs."""

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""

    def send(self, number: signal.Signals) -> None:
        """A signal to all of its processes."""


class Target:
    """A target of the Makefile that runs as a group of processes of its own, without input."""

    def __init__(self, suite: str) -> None:
        with log(suite).open("wb") as out:
            self._process = subprocess.Popen(
                ["make", "--no-print-directory", suite],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def poll(self) -> int | None:
        """See ``Job``."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """See ``Job``."""
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.killpg(self._process.pid, number)


_asked: list[int] = []  # signals that ask for an end and were not heeded yet


def pause(seconds: float) -> None:
    """Sleeps; raises KeyboardInterrupt if an end was asked for. Only here: a suite that has just been started is
    known to those who end it.
    """
    time.sleep(seconds)
    if _asked:
        _asked.clear()
        raise KeyboardInterrupt


def main(words: Sequence[str], start: Callable[[str], Job] = Target) -> int:
    """See the module; the exit code. Raises SystemExit for words that it doesn't know.

    Args:
        start: starts a suite.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.suites")
    parser.add_argument("--side-by-side", action="store_true", help="several at a time where they share nothing")
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)}; daemons: all of those (default: all)"
    )
    given = parser.parse_args(words)
    chosen = [suite for word in given.suites for suite in (DAEMONS if word == "daemons" else (word,))]
    if unknown := [suite for suite in chosen if suite not in SUITES]:
        parser.error(f"found suite {unknown[0]!r}; allowed: {', '.join(SUITES)}, daemons")
    RESULTS.mkdir(parents=True, exist_ok=True)
    running = Suites(chosen or SUITES, start, side_by_side=given.side_by_side)
    began, code = time.monotonic(), 0
    try:
        running.run()
    except KeyboardInterrupt:
        code = INTERRUPTED
        running.end()
    print("\n".join(["", *lines(running.results, time.monotonic() - began)]), flush=True)
    return code or int(any(result.failed for result in running.results))


class Suites:
    """The run: who waits, who runs, and what became of the others.

    Args:
        start: starts a suite.
    """

    def __init__(
        self,
        suites: Collection[str],
        start: Callable[[str], Job],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = pause,
        *,
        side_by_side: bool = False,
    ) -> None:
        self.waiting = list(suites)
        self.results: list[Result] = []
        self._start, self._clock, self._sleep, self._side_by_side = start, clock, sleep, side_by_side
        self._running: dict[str, tuple[Job, float]] = {}
        self._told = clock()

    def run(self) -> None:
        """Until all have ended."""
        while self.waiting or self._running:
            while (self._side_by_side or not self._running) and (suite := next_one(self.waiting, self._running)):
                self.waiting.remove(suite)
                forget(suite)
                print(f"== {suite} starts", flush=True)
                self._running[suite] = self._start(suite), self._clock()
            self._collect()
            self._tell()
            self._sleep(PAUSE_S)

    def end(self) -> None:
        """Ends those that run by Ctrl-C and waits until they have removed what they made; one more kills them."""
        if not self._running:
            return
        print(f"== stopping {', '.join(self._running)}; they remove what they made", flush=True)
        number = signal.SIGINT
        while self._running:
            try:
                for job, _ in self._running.values():
                    job.send(number)
                while self._running:
                    for suite in [suite for suite, (job, _) in self._running.items() if job.poll() is not None]:
                        del self._running[suite]
                    self._sleep(PAUSE_S)
            except KeyboardInterrupt:
                number = signal.SIGKILL

    def _collect(self) -> None:
        for suite, (job, began) in list(self._running.items()):
            code = job.poll()
            if code is None:
                continue
            del self._running[suite]
            found = result(suite, code, self._clock() - began)
            self.results.append(found)
            told = "passed" if not found.failed else f"FAILED ({len(found.failed)})"
            text = log(suite).read_text(encoding="utf-8", errors="replace") if log(suite).exists() else ""
            print(f"== {suite} {told} after {found.seconds:.0f} s; it said:\n{text.rstrip()}\n", flush=True)

    def _tell(self) -> None:
        now = self._clock()
        if now - self._told < PROGRESS_S:
            return
        self._told = now
        for suite, (_, began) in self._running.items():
            print(f"   {suite} {now - began:.0f} s: {last_line(log(suite))}", flush=True)


def next_one(waiting: Sequence[str], running: Collection[str]) -> str | None:
    """The first that may start beside those that run."""
    used = {need for suite in running for need in SUITES[suite]}
    room = ROOM - sum(share(suite) for suite in running)
    return next((suite for suite in waiting if share(suite) <= room and not SUITES[suite] & used), None)


def share(suite: str) -> int:
    """Its part of ``ROOM``."""
    return SHARE_OF_DAEMONS if suite in DAEMONS else SHARE


def log(suite: str) -> Path:
    """What it wrote."""
    return RESULTS / f"{suite}.log"


def last_line(file: Path) -> str:
    """The last line of a log that is not empty, not longer than a screen is wide."""
    with file.open("rb") as log_file:
        log_file.seek(max(0, file.stat().st_size - 2000))
        text = log_file.read().decode(errors="replace")
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return said[-1][-100:] if said else "nothing yet"


def forget(suite: str) -> None:
    """Removes what an earlier run left of it: that doesn't count."""
    for kind in ("xml", "txt", "log"):
        (RESULTS / f"{suite}.{kind}").unlink(missing_ok=True)


def result(suite: str, exit_code: int, seconds: float) -> Result:
    """By what it left in ``RESULTS``. An exit code that no failed test explains is a failure, too."""
    junit, told = RESULTS / f"{suite}.xml", RESULTS / f"{suite}.txt"
    failed: list[str] = []
    passed = skipped = 0
    if junit.exists():
        passed, failed, skipped = _of_junit(junit.read_text(encoding="utf-8"))
    elif told.exists():
        passed, failed = _of_lines(told.read_text(encoding="utf-8"))
    elif exit_code == 0:
        passed = 1
    if exit_code and not failed:
        failed = [f"make {suite} ended with exit code {exit_code}"]
    return Result(suite, passed, tuple(failed), skipped, seconds)


def lines(results: Sequence[Result], seconds: float) -> list[str]:
    """One line a suite, the failed tests' names, and the sum; ``seconds``: from the first start to the last end."""
    out = [f"{'suite':<18} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}"]
    out += [
        f"{result.suite:<18} {result.passed:>7} {len(result.failed):>7} {result.skipped:>8} {result.seconds:>8.0f}"
        for result in results
    ]
    out += [f"FAILED {result.suite}: {name}" for result in results for name in result.failed]
    passed, failed = sum(result.passed for result in results), sum(len(result.failed) for result in results)
    skipped = sum(result.skipped for result in results)
    out += [f"{len(results)} suites in {seconds:.0f} s", f"total: {passed} passed, {failed} failed, {skipped} skipped"]
    return out


def _of_junit(text: str) -> tuple[int, list[str], int]:
    """Passed, names of failed, skipped of a JUnit file as pytest writes it: a test that fails and whose teardown fails
    has two entries of one name.
    """
    cases = list(ElementTree.fromstring(text).iter("testcase"))
    failed, skipped = dict[str, None](), 0
    names = dict[str, None]()
    for case in cases:
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        names[name] = None
        if case.find("failure") is not None or case.find("error") is not None:
            failed[name] = None
        elif case.find("skipped") is not None:
            skipped += 1
    return len(names) - len(failed) - skipped, list(failed), skipped


def _of_lines(text: str) -> tuple[int, list[str]]:
    """Passed and names of failed of lines as ``ok NAME`` and ``FAILED NAME``."""
    told = [line.split() for line in text.splitlines() if line.strip()]
    return sum(words[0] == "ok" for words in told), [words[1] for words in told if words[0] == "FAILED"]


def _stop(number: int, _: object) -> None:
    _asked.append(number)


if __name__ == "__main__":
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell has what it starts behind it ignore SIGINT
        signal.signal(each, _stop)
    sys.exit(main(sys.argv[1:]))
