"""Percentiles, starved frameworks, pass or fail."""

from __future__ import annotations

import json

from clusterctl.load.percentiles import NEVER
from clusterctl.load.result import Turn
from clusterctl.load.verdict import Thresholds, duration, summarise, waits
from tests.unit.load.worlds import finished, result

ALL_WELL = (finished(0, 0, 0.5, 1), finished(1, 20, 1, 3))


def test_waits_count_from_the_queue_and_open_ones_never_end() -> None:
    assert waits(result()) == {
        "first offer": [0.5, 1.5, 1, NEVER],
        "in the queue": [0.5, 1.5, 1, NEVER],
        "agent": [1, 2, 3, NEVER],
        "run": [2, 2, 2],
    }


def test_a_bad_result() -> None:
    found = summarise(result(), Thresholds())
    assert not found.ok
    assert found.starved == ("f1",)
    assert (found.builds, found.unfinished, found.failed) == (4, 1, 0)
    assert found.waits["first offer"] == (1, NEVER, NEVER, NEVER)
    assert [check.ok for check in found.checks] == [False, False, True]
    assert [check.line for check in found.checks] == [
        "frameworks that waited over 60 s for an offer: 1, allowed 0",
        "p99 time to first offer: never, allowed 5 s",
        "Marathon's longest wait for an offer: 2 s, allowed 10 s",
    ]
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["waits"]["agent"] == [2, "never", "never", "never"]


def test_real_masters_are_judged_by_their_agents() -> None:
    found = summarise(result(mode="masters", builds=ALL_WELL), Thresholds(agent_p99_s=2.5))
    assert list(found.waits) == ["agent", "run"]
    assert [check.line for check in found.checks] == [
        "masters that waited over 60 s for an agent: 1, allowed 0",
        "p99 time to agent: 3 s, allowed 2.5 s",
        "Marathon's longest wait for an offer: 2 s, allowed 10 s",
    ]


def test_a_good_result_and_changed_thresholds() -> None:
    good = result(builds=ALL_WELL, ended="complete")
    assert summarise(good, Thresholds(starved_after_s=70)).ok
    assert not summarise(good, Thresholds(starved_after_s=69)).ok
    assert summarise(good, Thresholds(starved=1)).ok
    assert not summarise(good, Thresholds(starved=1, first_offer_p99_s=0.9)).ok
    assert not summarise(good, Thresholds(starved=1, canary_s=1.9)).ok
    assert summarise(good, Thresholds(starved=None, first_offer_p99_s=None, canary_s=None)).checks == ()


def test_an_interrupted_test_never_passes() -> None:
    assert not summarise(result(builds=ALL_WELL, ended="interrupted"), Thresholds(starved=1)).ok


def test_nothing_measured_fails() -> None:
    found = summarise(result(builds=(), canary=()), Thresholds(starved=1))
    assert [check.ok for check in found.checks] == [True, False, False]
    assert found.checks[1].line == "p99 time to first offer: nothing measured, allowed 5 s"


def test_a_canary_without_an_offer() -> None:
    found = summarise(result(canary=(Turn(at_s=1, wait_s=None),)), Thresholds())
    assert found.canary_s == NEVER
    assert not found.checks[2].ok


def test_durations() -> None:
    assert [duration(value) for value in (None, NEVER, 1.23456, 12345.0)] == ["-", "never", "1.235 s", "1.234e+04 s"]
