from dataclasses import replace
from typing import Any

import pytest

from lab.standins.marathon.marathon_standin.exits import Crash, Exit
from tests.unit.standins.marathon.make import Json, Leader, app, instance, kinds, launched, offer


def subscribed(*flags: str, **app_fields: Any) -> Leader:
    """A leader with one app that waits for offers."""
    leader = Leader(*flags)
    leader.state.put_app(app(**app_fields))
    leader.subscribe()
    return leader


def running(*flags: str, **app_fields: Any) -> tuple[Leader, str]:
    """A leader whose app's one task runs; and the task's id."""
    leader = subscribed(*flags, **app_fields)
    leader.run_everything(offer())
    (task_id,) = leader.state.instances
    return leader, task_id


# --- offers ---------------------------------------------------------------------------


def test_nothing_wanted_suppresses_once_and_declines_for_long() -> None:
    leader = Leader()
    calls = leader.subscribe()
    assert kinds(calls) == ["RECONCILE", "SUPPRESS"]
    assert calls[1]["suppress"] == {"roles": ["marathon"]}
    assert kinds(leader.settle()) == []
    (decline,) = leader.offers(offer("a"), offer("b"))
    assert decline["decline"]["filters"] == {"refuse_seconds": 120.0}
    assert [o["value"] for o in decline["decline"]["offer_ids"]] == ["o-a-1", "o-b-1"]


def test_suppressing_can_be_switched_off() -> None:
    leader = Leader("--disable_suppress_offers")
    assert kinds(leader.subscribe()) == ["RECONCILE"]


def test_a_waiting_app_revives_and_is_launched_on_the_next_offer() -> None:
    leader = subscribed(instances=2)
    calls = leader.offers(offer(hostname="a1", pool="x"))
    tasks = launched(calls)
    assert len(tasks) == 2
    assert {task["agent_id"]["value"] for task in tasks} == {"agent-a1"}
    for task in tasks:
        known = leader.state.instances[task["task_id"]["value"]]
        assert (known.state, known.hostname, known.attributes) == ("TASK_CREATED", "a1", {"pool": "x"})
        assert task["resources"][0]["allocation_info"] == {"role": "marathon"}
    assert kinds(calls) == ["ACCEPT", "SUPPRESS"]  # nothing is wanted any more


def test_what_is_launched_was_written_before() -> None:
    leader = subscribed()
    (task,) = launched(leader.offers(offer()))
    assert task["task_id"]["value"] in leader.repository.data["instances"]


def test_revive_at_most_every_five_seconds() -> None:
    leader = subscribed()
    leader.state.put_app(app("/b"))
    assert kinds(leader.settle()) == []  # the first REVIVE was just now
    assert kinds(leader.wait(4)) == []
    assert kinds(leader.wait(1)) == ["REVIVE"]
    assert kinds(leader.wait(100)) == []  # nothing new waits


def test_a_refusal_is_taken_back_when_more_is_wanted() -> None:
    leader = subscribed(constraints=[["hostname", "UNIQUE"]], instances=2)
    calls = leader.offers(offer("a", number=1), offer("a", number=2))
    assert kinds(calls) == ["ACCEPT", "DECLINE"]
    (task_id,) = leader.state.instances
    leader.update(task_id, "TASK_FAILED")
    assert "REVIVE" in kinds(leader.wait(10))


def test_max_instances_per_offer() -> None:
    leader = subscribed("--max_instances_per_offer", "2", instances=3, cpus=0.1)
    assert len(launched(leader.offers(offer()))) == 2


def test_longest_waiting_app_comes_first() -> None:
    leader = subscribed("--max_instances_per_offer", "1", app_id="/z")
    leader.now += 1
    leader.state.put_app(app("/a"))
    leader.settle()
    (task,) = launched(leader.offers(offer()))
    assert task["name"] == "z"


def test_maintenance_is_respected_unless_switched_off() -> None:
    window = {"start": {"nanoseconds": 0}}
    assert kinds(subscribed().offers({**offer(), "unavailability": window})) == ["DECLINE"]
    relaxed = subscribed("--disable_maintenance_mode")
    assert "ACCEPT" in kinds(relaxed.offers({**offer(), "unavailability": window}))


# --- updates --------------------------------------------------------------------------


def test_updates_are_written_and_acknowledged() -> None:
    leader = subscribed()
    leader.offers(offer())
    (task_id,) = leader.state.instances
    (acknowledge,) = leader.update(task_id, "TASK_RUNNING")
    assert acknowledge["acknowledge"] == {
        "agent_id": {"value": "agent-a1"},
        "task_id": {"value": task_id},
        "uuid": "dQ==",
    }
    assert leader.repository.data["instances"][task_id]["state"] == "TASK_RUNNING"


def test_an_update_without_uuid_is_not_acknowledged() -> None:
    leader, task_id = running()
    status = {"task_id": {"value": task_id}, "agent_id": {"value": "agent-a1"}, "state": "TASK_RUNNING"}
    assert leader.event("UPDATE", update={"status": status}) == []


def test_a_failed_task_waits_for_its_delay() -> None:
    leader, task_id = running(backoffSeconds=10)
    leader.now += 60
    assert kinds(leader.update(task_id, "TASK_FAILED", message="boom")) == ["ACKNOWLEDGE"]
    assert leader.state.failures["/a"]["message"] == "boom"
    assert kinds(leader.offers(offer(number=2))) == ["DECLINE"]
    assert kinds(leader.wait(9)) == []
    assert kinds(leader.wait(1)) == ["REVIVE"]
    assert len(launched(leader.offers(offer(number=3)))) == 1


def test_a_task_killed_by_a_drain_is_relaunched_at_once() -> None:
    leader, task_id = running(backoffSeconds=10)
    leader.now += 60
    leader.scheduler.backoff.add(leader.state.apps["/a"], leader.now)
    calls = leader.update(task_id, "TASK_KILLED", reason="REASON_AGENT_DRAINING")
    assert kinds(calls) == ["ACKNOWLEDGE", "REVIVE"]
    assert len(launched(leader.offers(offer("elsewhere")))) == 1


@pytest.mark.parametrize("state", ["TASK_GONE_BY_OPERATOR", "TASK_LOST", "TASK_GONE", "TASK_UNKNOWN", "TASK_DROPPED"])
def test_tasks_that_mesos_gave_up_are_acknowledged_and_replaced(state: str) -> None:
    leader, task_id = running(backoffSeconds=0)
    leader.now += 60
    assert kinds(leader.update(task_id, state)) == ["ACKNOWLEDGE", "REVIVE"]
    (ended,) = leader.state.instances.values()
    assert (ended.id, ended.state, ended.hostname) == (task_id, state, "a1")
    (task,) = launched(leader.offers(offer("elsewhere", number=2)))
    assert task["task_id"]["value"] == task_id.removesuffix(".1") + ".2"  # the same instance, the next attempt
    assert list(leader.state.instances) == [task["task_id"]["value"]]


def test_unknown_tasks_are_killed() -> None:
    leader = Leader()
    leader.subscribe()
    calls = leader.update("stranger", "TASK_RUNNING")
    assert kinds(calls) == ["KILL", "ACKNOWLEDGE"]
    assert calls[0]["kill"] == {"task_id": {"value": "stranger"}, "agent_id": {"value": "agent-x"}}
    assert kinds(leader.update("stranger", "TASK_KILLED")) == ["ACKNOWLEDGE"]


def test_an_unreachable_task_is_replaced_and_killed_on_return() -> None:
    leader, task_id = running()
    leader.now += 60
    assert "REVIVE" in kinds(leader.update(task_id, "TASK_UNREACHABLE"))
    leader.run_everything(offer("elsewhere"))
    assert [i.hostname for i in leader.state.instances.values()] == ["elsewhere"]
    assert kinds(leader.update(task_id, "TASK_RUNNING")) == ["KILL", "ACKNOWLEDGE"]


def test_an_unreachable_task_may_be_waited_for() -> None:
    leader, task_id = running(unreachableStrategy={"inactiveAfterSeconds": 30, "expungeAfterSeconds": 90})
    leader.now += 60
    assert kinds(leader.update(task_id, "TASK_UNREACHABLE")) == ["ACKNOWLEDGE"]
    assert kinds(leader.wait(30)) == ["REVIVE"]
    assert task_id in leader.state.instances
    leader.wait(60)
    assert task_id not in leader.state.instances


# --- kills ----------------------------------------------------------------------------


def test_kills_are_repeated_until_they_are_confirmed() -> None:
    leader, task_id = running()
    leader.state.remove_app("/a")
    assert kinds(leader.settle()) == ["KILL"]
    assert leader.state.instances[task_id].goal == "Stopped"
    assert kinds(leader.wait(29)) == []
    assert kinds(leader.wait(1)) == ["KILL"]
    assert kinds(leader.update(task_id, "TASK_KILLED")) == ["ACKNOWLEDGE"]
    assert leader.state.instances == {}
    assert kinds(leader.wait(60)) == []


def test_ended_instances_that_nobody_waits_for_are_forgotten() -> None:
    leader, task_id = running(backoffSeconds=600)
    leader.update(task_id, "TASK_FAILED")
    assert list(leader.state.instances) == [task_id]
    leader.state.put_app(replace(leader.state.apps["/a"], spec={**leader.state.apps["/a"].spec, "instances": 0}))
    leader.settle()
    assert leader.state.instances == {}


def test_ended_instances_are_not_reconciled() -> None:
    leader, task_id = running(backoffSeconds=600)
    leader.update(task_id, "TASK_FAILED")
    leader.scheduler.disconnected()
    (reconcile, *_) = leader.subscribe()
    assert reconcile["reconcile"]["tasks"] == []


def test_a_launch_that_hangs_is_killed() -> None:
    leader = subscribed()
    leader.offers(offer())
    (task_id,) = leader.state.instances
    leader.update(task_id, "TASK_STAGING")
    assert kinds(leader.wait(300)) == []
    assert kinds(leader.wait(1)) == ["KILL"]


# --- subscription ---------------------------------------------------------------------


def test_subscribing_reconciles_explicitly_and_implicitly_and_repeats_kills() -> None:
    the_app = app(instances=1)
    kept, stopping = instance(1, the_app), instance(2, the_app, goal="Stopped", kills_sent=1)
    stored: dict[str, dict[str, Json]] = {
        "apps": {"/a": the_app.to_json()},
        "instances": {i.id: i.to_json() for i in (kept, stopping)},
    }
    leader = Leader(stored=stored, framework_id="fw-1")
    calls = leader.subscribe()
    assert kinds(calls) == ["RECONCILE", "RECONCILE", "KILL", "SUPPRESS"]
    assert [t["task_id"]["value"] for t in calls[0]["reconcile"]["tasks"]] == ["i1", "i2"]
    assert calls[1]["reconcile"]["tasks"] == []
    assert leader.repository.framework_id is None  # it is the one that was stored


def test_the_first_framework_id_is_kept() -> None:
    leader = Leader()
    leader.subscribe()
    assert (leader.repository.framework_id, leader.state.framework_id) == ("fw-1", "fw-1")


def test_reconciles_again_after_the_initial_delay_and_then_at_the_interval() -> None:
    leader = Leader("--reconciliation_initial_delay", "15000", "--reconciliation_interval", "60000")
    leader.subscribe()
    assert kinds(leader.wait(14)) == []
    assert kinds(leader.wait(1)) == ["RECONCILE"]
    assert kinds(leader.wait(59)) == []
    assert kinds(leader.wait(1)) == ["RECONCILE"]


def test_without_mesos_nothing_is_asked_for_and_a_new_subscription_asks_again() -> None:
    leader = subscribed()
    leader.scheduler.disconnected()
    leader.now += 100
    assert leader.settle() == []
    assert leader.scheduler.launcher.demand == {"/a": 1}
    assert kinds(leader.subscribe()) == ["RECONCILE", "REVIVE"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Framework has been removed", Exit.FRAMEWORK_HAS_BEEN_REMOVED),
        ("Framework failed over", Exit.MESOS_SCHEDULER_ERROR),
    ],
)
def test_an_error_of_the_master_ends_the_process(message: str, code: Exit) -> None:
    with pytest.raises(Crash) as caught:
        Leader().scheduler.event({"type": "ERROR", "error": {"message": message}})
    assert caught.value.code is code


@pytest.mark.parametrize(
    "event",
    [
        {"type": "HEARTBEAT"},
        {"type": "RESCIND", "rescind": {"offer_id": {"value": "o"}}},
        {"type": "FAILURE", "failure": {"agent_id": {"value": "a"}}},
        {"type": "INVERSE_OFFERS", "inverse_offers": {}},
        {"type": "MESSAGE", "message": {}},
    ],
)
def test_other_events_change_nothing(event: Json) -> None:
    leader = Leader()
    leader.subscribe()
    leader.scheduler.event(event)
    assert leader.settle() == []
