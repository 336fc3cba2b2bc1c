from dataclasses import replace
from typing import Any

import pytest

from lab.standins.marathon.marathon_standin.instance import (
    Effect,
    Instance,
    expunged,
    inactive,
    is_task_id,
    overdue,
    ready,
    updated,
)
from tests.unit.standins.marathon.make import app, instance

NEW = instance(1, app(), state="TASK_CREATED", started_at=None, created_at=100.0)


def after(state: str, of: Instance = NEW, now: float = 200.0, **status: Any) -> tuple[Instance | None, Effect]:
    return updated(of, {"state": state, **status}, now)


def test_coming_up() -> None:
    staged, effect = after("TASK_STARTING")
    assert staged is not None
    assert (staged.state, staged.staged_at, staged.started_at, effect) == ("TASK_STARTING", 200.0, None, Effect.NONE)
    running, _ = after("TASK_RUNNING", staged, 300.0, healthy=True)
    assert running is not None
    assert (running.staged_at, running.started_at, running.healthy) == (200.0, 300.0, True)
    again, _ = after("TASK_RUNNING", running, 400.0)
    assert again == running


@pytest.mark.parametrize(
    ("state", "status", "effect"),
    [
        ("TASK_FINISHED", {}, Effect.SLOW_DOWN),
        ("TASK_FAILED", {}, Effect.SLOW_DOWN),
        ("TASK_ERROR", {}, Effect.SLOW_DOWN),
        ("TASK_DROPPED", {}, Effect.SLOW_DOWN),
        ("TASK_GONE", {}, Effect.SLOW_DOWN),
        ("TASK_KILLED", {}, Effect.NONE),
        ("TASK_KILLED", {"healthy": False}, Effect.SLOW_DOWN),
        ("TASK_KILLED", {"reason": "REASON_AGENT_DRAINING"}, Effect.RESET),
        ("TASK_GONE_BY_OPERATOR", {}, Effect.NONE),
        ("TASK_GONE_BY_OPERATOR", {"reason": "REASON_AGENT_DRAINING"}, Effect.RESET),
        ("TASK_UNKNOWN", {}, Effect.NONE),
    ],
)
def test_ends(state: str, status: dict[str, Any], effect: Effect) -> None:
    ended, found = after(state, **status)
    assert ended is not None
    assert (ended.state, ended.over, ended.hostname, found) == (state, True, NEW.hostname, effect)
    assert after(state, replace(NEW, goal="Stopped"), **status) == (None, effect)  # nobody waits for another
    assert after("TASK_RUNNING", ended) == (ended, Effect.NONE)


def test_unreachable_and_back() -> None:
    away, effect = after("TASK_UNREACHABLE")
    assert away is not None
    assert (away.unreachable_since, effect) == (200.0, Effect.NONE)
    still, _ = after("TASK_UNREACHABLE", away, 250.0)
    assert still == away
    strategy = {"inactiveAfterSeconds": 10, "expungeAfterSeconds": 20}
    assert [inactive(away, strategy, 200.0 + s) for s in (9, 10)] == [False, True]
    assert [expunged(away, strategy, 200.0 + s) for s in (19, 20)] == [False, True]
    assert not inactive(away, "disabled", 10**9)
    back, _ = after("TASK_RUNNING", away, 300.0)
    assert back is not None
    assert back.unreachable_since is None
    assert not inactive(back, strategy, 10**9)


def test_the_next_task_of_an_instance_counts_on() -> None:
    first = replace(NEW, id="shop_db.instance-0c1d._app.1")
    assert (first.instance_id, first.next_id) == ("shop_db.instance-0c1d", "shop_db.instance-0c1d._app.2")
    assert replace(first, id=first.next_id).next_id.endswith("._app.3")


@pytest.mark.parametrize(
    ("text", "accepted"),
    [("a.instance-1-2._app.1", True), ("a.1f-2", True), ("a_b.1", True), ("x", False), ("", False)],
)
def test_what_can_be_a_task_id(text: str, accepted: bool) -> None:
    assert is_task_id(text) is accepted


def test_overdue_launches() -> None:
    assert [overdue(NEW, 60, 5, 100.0 + s) for s in (60, 61)] == [False, True]
    staged = replace(NEW, state="TASK_STAGING", staged_at=110.0)
    assert [overdue(staged, 1, 60, 110.0 + s) for s in (60, 61)] == [False, True]
    assert not overdue(replace(staged, state="TASK_RUNNING"), 1, 1, 10**9)


def test_ready() -> None:
    running = instance(1, app())
    assert ready(running, has_health_checks=False)
    assert not ready(running, has_health_checks=True)
    assert ready(replace(running, healthy=True), has_health_checks=True)
    assert not ready(replace(running, goal="Stopped"), has_health_checks=False)
    assert not ready(NEW, has_health_checks=False)
    assert not ready(replace(running, kills_sent=1), has_health_checks=False)


def test_json_round_trip() -> None:
    assert Instance.from_json(NEW.to_json()) == NEW
