"""Runs the suites of `make test` one after another, whatever becomes of each, and tells the sum.

    python -m tests.suites [SUITE...]

A suite is a target of the Makefile. Those of pytest leave a JUnit file below ``build/tests``, Molecule a line for each
scenario; any other suite counts as one test. Exit code 1: something failed. 130: stopped by Ctrl-C.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

SUITES = ("lint", "unit", "fuzz", "wheel", "hosts", "molecule", "contract", "e2e")
RESULTS = Path("build/tests")
INTERRUPTED = 130


@dataclass(frozen=True)
class Result:
    """What became of one suite; ``failed`` names its failed tests."""

    suite: str
    passed: int
    failed: tuple[str, ...]
    skipped: int
    seconds: float


def main(words: Sequence[str]) -> int:
    """See the module; the exit code."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    code = 0
    try:
        for suite in words or SUITES:
            print(f"== {suite}", flush=True)
            results.append(run(suite))
    except KeyboardInterrupt:
        code = INTERRUPTED
    print("\n".join(["", *lines(results)]), flush=True)
    return code or int(any(result.failed for result in results))


def run(
    suite: str,
    call: Callable[[str], int] = lambda suite: subprocess.call(["make", "--no-print-directory", suite]),
    clock: Callable[[], float] = time.monotonic,
) -> Result:
    """Runs one suite by ``call``, which gives its exit code.

    What an earlier run left in ``RESULTS`` doesn't count. An exit code that no failed test explains is a failure, too.
    """
    files = [RESULTS / f"{suite}.xml", RESULTS / f"{suite}.txt"]
    for file in files:
        file.unlink(missing_ok=True)
    began = clock()
    exit_code = call(suite)
    seconds = clock() - began
    failed: list[str] = []
    passed = skipped = 0
    if files[0].exists():
        passed, failed, skipped = _of_junit(files[0].read_text(encoding="utf-8"))
    elif files[1].exists():
        passed, failed = _of_lines(files[1].read_text(encoding="utf-8"))
    elif exit_code == 0:
        passed = 1
    if exit_code and not failed:
        failed = [f"make {suite} ended with exit code {exit_code}"]
    return Result(suite, passed, tuple(failed), skipped, seconds)


def lines(results: Sequence[Result]) -> list[str]:
    """One line a suite, the failed tests' names, and the sum."""
    out = [f"{'suite':<10} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}"]
    out += [
        f"{result.suite:<10} {result.passed:>7} {len(result.failed):>7} {result.skipped:>8} {result.seconds:>8.0f}"
        for result in results
    ]
    out += [f"FAILED {result.suite}: {name}" for result in results for name in result.failed]
    passed, failed = sum(result.passed for result in results), sum(len(result.failed) for result in results)
    skipped, seconds = sum(result.skipped for result in results), sum(result.seconds for result in results)
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
