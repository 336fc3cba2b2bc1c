"""The sum that `make test` tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import suites
from tests.suites import Result, lines, main, run

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


def clock() -> Iterator[float]:
    yield 10.0
    yield 13.5


def test_a_suite_of_pytest_is_counted_by_its_file(results: Path) -> None:
    def call(suite: str) -> int:
        (results / f"{suite}.xml").write_text(JUNIT)
        return 2

    result = run("unit", call, clock().__next__)
    bad = ("tests/unit/test_a.py::test_bad[x]", "tests/unit/test_a.py::test_broken")
    assert result == Result("unit", 1, bad, 1, 3.5)


def test_scenarios_are_counted_by_their_lines(results: Path) -> None:
    def call(suite: str) -> int:
        (results / f"{suite}.txt").write_text("ok common\nFAILED upgrade\n")
        return 2

    assert run("molecule", call, clock().__next__) == Result("molecule", 1, ("upgrade",), 0, 3.5)


@pytest.mark.parametrize(("code", "passed", "failed"), [(0, 1, ()), (2, 0, ("make lint ended with exit code 2",))])
def test_any_other_suite_is_one_test(code: int, passed: int, failed: tuple[str, ...]) -> None:
    assert run("lint", lambda _suite: code, clock().__next__) == Result("lint", passed, failed, 0, 3.5)


def test_results_of_an_earlier_run_do_not_count(results: Path) -> None:
    (results / "unit.xml").write_text(JUNIT.replace("<failure", "<skipped").replace("<error", "<skipped"))
    assert run("unit", lambda _suite: 2).failed == ("make unit ended with exit code 2",)


def test_an_exit_code_that_no_test_explains_is_a_failure(results: Path) -> None:
    def call(suite: str) -> int:
        (results / f"{suite}.txt").write_text("ok common\n")
        return 1

    assert run("molecule", call).failed == ("make molecule ended with exit code 1",)


def test_the_sum_names_what_failed_and_ends_with_the_counts() -> None:
    told = lines([Result("unit", 2774, (), 2, 78.2), Result("e2e", 11, ("test_x",), 0, 400.0)])
    assert told[1].split() == ["unit", "2774", "0", "2", "78"]
    assert told[3:] == ["FAILED e2e: test_x", "2 suites in 478 s", "total: 2785 passed, 1 failed, 2 skipped"]


def test_all_suites_run_and_one_failure_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []

    def fake(suite: str) -> Result:
        ran.append(suite)
        return Result(suite, 1, ("test_x",) if suite == "lint" else (), 0, 1.0)

    monkeypatch.setattr(suites, "run", fake)
    assert main([]) == 1
    assert tuple(ran) == suites.SUITES
    assert "total: 8 passed, 1 failed, 0 skipped" in capsys.readouterr().out
    assert main(["unit"]) == 0


def test_ctrl_c_ends_the_run_with_the_sum_so_far(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(suite: str) -> Result:
        if suite == "unit":
            raise KeyboardInterrupt
        return Result(suite, 1, (), 0, 1.0)

    monkeypatch.setattr(suites, "run", stopped)
    assert main([]) == suites.INTERRUPTED
    assert "1 suites in 1 s" in capsys.readouterr().out
