"""The run of suites that `make test` is, and the sum that it tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import suites
from tests.suites import (
    DAEMONS,
    INTERRUPTED,
    ROOM,
    SUITES,
    Result,
    Suites,
    last_line,
    lines,
    log,
    main,
    next_one,
    result,
    share,
)

ROOT = Path(__file__).parents[2]

JUNIT = """<?xml version="1.0"?><testsuites><testsuite tests="5">
<testcase classname="tests.unit.test_a" name="test_good"/>
<testcase classname="tests.unit.test_a" name="test_bad[x]"><failure message="no"/></testcase>
<testcase classname="tests.unit.test_a" name="test_bad[x]"><error message="teardown"/></testcase>
<testcase classname="tests.unit.test_a" name="test_broken"><error message="setup"/></testcase>
<testcase classname="tests.unit.test_a" name="test_elsewhere"><skipped/></testcase>
</testsuite></testsuites>"""


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(suites, "RESULTS", tmp_path)
    return tmp_path


class FakeJob:
    """A suite that takes some turns of the loop; ``codes`` by suite, 0 by default."""

    def __init__(self, suite: str, turns: int, code: int = 0, *, heeds: signal.Signals = signal.SIGINT) -> None:
        self.suite, self.turns, self.code, self.heeds = suite, turns, code, heeds
        self.got: list[signal.Signals] = []

    def poll(self) -> int | None:
        self.turns -= 1
        return self.code if self.turns < 0 else None

    def send(self, number: signal.Signals) -> None:
        self.got.append(number)
        if number == self.heeds:
            self.turns = 0


def test_a_suite_of_pytest_is_counted_by_its_file(results: Path) -> None:
    (results / "unit.xml").write_text(JUNIT)
    bad = ("tests/unit/test_a.py::test_bad[x]", "tests/unit/test_a.py::test_broken")
    assert result("unit", 2, 3.5) == Result("unit", 1, bad, 1, 3.5)


def test_scenarios_are_counted_by_their_lines(results: Path) -> None:
    (results / "molecule.txt").write_text("ok common\nFAILED upgrade\n")
    assert result("molecule", 2, 3.5) == Result("molecule", 1, ("upgrade",), 0, 3.5)


@pytest.mark.parametrize(("code", "passed", "failed"), [(0, 1, ()), (2, 0, ("make lint ended with exit code 2",))])
def test_any_other_suite_is_one_test(code: int, passed: int, failed: tuple[str, ...]) -> None:
    assert result("lint", code, 3.5) == Result("lint", passed, failed, 0, 3.5)


def test_results_of_an_earlier_run_do_not_count(results: Path) -> None:
    (results / "unit.xml").write_text(JUNIT.replace("<failure", "<skipped").replace("<error", "<skipped"))
    run = Suites(["unit"], lambda suite: FakeJob(suite, 0, 2), sleep=lambda _: None)
    run.run()
    assert run.results[0].failed == ("make unit ended with exit code 2",)


def test_an_exit_code_that_no_test_explains_is_a_failure(results: Path) -> None:
    (results / "molecule.txt").write_text("ok common\n")
    assert result("molecule", 1, 3.5).failed == ("make molecule ended with exit code 1",)


def test_the_sum_names_what_failed_and_ends_with_the_counts() -> None:
    told = lines([Result("unit", 2774, (), 2, 78.2), Result("e2e", 11, ("test_x",), 0, 400.0)], 420.0)
    assert told[1].split() == ["unit", "2774", "0", "2", "78"]
    assert told[3:] == ["FAILED e2e: test_x", "2 suites in 420 s", "total: 2785 passed, 1 failed, 2 skipped"]


@pytest.mark.parametrize(
    ("waiting", "running", "starts"),
    [
        (["lint", "unit"], [], "lint"),
        (["unit", "fuzz"], ["lint"], "unit"),
        (["fuzz", "daemons-load"], ["lint", "unit"], None),
        (["hosts", "wheel"], ["prepare"], "wheel"),
        (["molecule", "e2e"], ["hosts"], "e2e"),
        (["molecule"], ["hosts"], None),
        (["e2e"], ["cloud"], None),
        (["daemons-load"], ["e2e"], "daemons-load"),
        (["daemons-mesos"], ["e2e", "daemons-load"], None),
        (["daemons-mesos"], ["daemons-jenkins", "daemons-load"], "daemons-mesos"),
        (["daemons-health"], ["daemons-jenkins", "daemons-load", "daemons-mesos"], None),
        ([], [], None),
    ],
)
def test_what_starts_next(waiting: list[str], running: list[str], starts: str | None) -> None:
    assert next_one(waiting, running) == starts


@pytest.mark.parametrize(("side_by_side", "most"), [(False, 1), (True, 3)])
def test_all_run_and_none_beside_one_that_it_shares_something_with(side_by_side: bool, most: int) -> None:
    turns, events = {suite: 3 + number % 4 for number, suite in enumerate(SUITES)}, []
    jobs: dict[str, FakeJob] = {}

    def start(suite: str) -> FakeJob:
        events.append((suite, frozenset(name for name, job in jobs.items() if job.turns >= 0)))
        jobs[suite] = FakeJob(suite, turns[suite])
        return jobs[suite]

    run = Suites(SUITES, start, sleep=lambda _: None, side_by_side=side_by_side)
    run.run()
    assert {found.suite for found in run.results} == {suite for suite, _ in events} == set(SUITES)
    assert max(len(beside) for _, beside in events) == most - 1
    for suite, beside in events:
        assert not any(SUITES[suite] & SUITES[other] for other in beside)
        assert share(suite) + sum(map(share, beside)) <= ROOM


def test_every_directory_of_contract_tests_is_in_a_suite() -> None:
    directories = {file.parent.name for file in (ROOT / "tests/contract").glob("*/test_*.py")}
    assert {name.removeprefix("daemons-") for name in DAEMONS} | {"cloud", "lab"} == directories


def test_what_a_suite_says_is_shown_when_it_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    def start(suite: str) -> FakeJob:
        log(suite).write_text(f"this says {suite}\n")
        return FakeJob(suite, {"lint": 3, "unit": 1}[suite], 1)

    now = iter(range(0, 10_000, 25))
    run = Suites(["lint", "unit"], start, lambda: float(next(now)), lambda _: None, side_by_side=True)
    run.run()
    told = capsys.readouterr().out
    assert told.index("== lint starts") < told.index("== unit starts") < told.index("this says unit\n\n")
    assert told.index("this says unit\n\n") < told.index("this says lint\n\n")
    assert " s: this says lint" in told, "no progress was told"


def test_the_last_line_of_a_log(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("x" * 5000 + "\n" + "y" * 120 + "\n\n  \n")
    assert last_line(file) == "y" * 100
    file.write_text("")
    assert last_line(file) == "nothing yet"


def test_a_second_ctrl_c_does_not_wait() -> None:
    job = FakeJob("lint", 1000, heeds=signal.SIGKILL)
    pauses = iter(range(3))

    def pause(_: float) -> None:
        if next(pauses) < 2:
            raise KeyboardInterrupt

    run = Suites(["lint", "unit"], lambda _: job, sleep=pause)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    run.end()
    assert job.got == [signal.SIGINT, signal.SIGKILL]
    assert run.waiting == ["unit"]


def test_one_failure_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["unit", "lint"], lambda suite: FakeJob(suite, 0, int(suite == "lint"))) == 1
    assert "total: 1 passed, 1 failed, 0 skipped" in capsys.readouterr().out
    assert main(["unit", "daemons"], lambda suite: FakeJob(suite, 0)) == 0
    assert f"total: {1 + len(DAEMONS)} passed" in capsys.readouterr().out


def test_an_unknown_suite_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["unti"], lambda suite: FakeJob(suite, 0))
    assert ended.value.code == 2
    assert "found suite 'unti'; allowed: lint, unit," in capsys.readouterr().err


MAKEFILE = """
lint:
\t@trap 'echo tidy > tidied; exit 1' INT; echo up > up; while :; do sleep 0.05; done
unit:
\t@read line || echo no input
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_reaches_what_runs_and_waits_for_it(tmp_path: Path, number: signal.Signals) -> None:
    """Real processes. Only the run itself gets the signal; suites are no part of a terminal's group of processes."""
    (tmp_path / "Makefile").write_text(MAKEFILE)
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.suites", "unit", "lint"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "up").exists() or "unit passed" not in (run.stdout.readline() if run.stdout else ""):
        assert run.poll() is None
    run.send_signal(number)
    told, _ = run.communicate(timeout=30)
    assert run.returncode == INTERRUPTED
    assert (tmp_path / "tidied").exists()
    assert (tmp_path / "build/tests/unit.log").read_text() == "no input\n"
    assert "== stopping lint; they remove what they made" in told
    assert "1 suites in" in told
