"""Draining: told once, waited for, put back or given up."""

from __future__ import annotations

import pytest

from clusterctl.ops.roll.drain import DrainError, Drains
from clusterctl.remote.masters import MasterError
from tests.unit.ops.clouds import Clock
from tests.unit.ops.mesos import MemoryMasters

AGENTS = {"S1": "10.0.0.21", "S2": "10.0.0.22"}


def drains(masters: MemoryMasters, clock: Clock | None = None) -> Drains:
    return Drains(masters, (clock or Clock()).waiter())


def test_drain_waits_until_the_tasks_are_over() -> None:
    masters = MemoryMasters(AGENTS, {"a.1": "S1", "a.2": "S1", "b.1": "S2"})
    notes: list[str] = []
    assert drains(masters).drain(["S1", "S2"], deadline_s=60, note=notes.append) == frozenset()
    assert masters.drain == {"S1": "DRAINED", "S2": "DRAINED"}
    assert notes[0] == "0 of 2 agents are drained"
    assert notes[-1] == "1 of 2 agents are drained"


def test_the_tasks_are_told_beforehand() -> None:
    masters = MemoryMasters(AGENTS, {"a.1": "S1", "b.1": "S2"})
    assert [str(task) for task in drains(masters).tasks(["S2"])] == ["b (running)"]


def test_the_deadline_names_what_holds_it_up_and_leaves_it_draining() -> None:
    clock = Clock()
    masters = MemoryMasters(AGENTS, {"deaf.1": "S1"})
    with pytest.raises(DrainError) as caught:
        drains(masters, clock).drain(["S1", "S2"], deadline_s=100)
    assert "1 agents are not drained after 100 s: 10.0.0.21" in caught.value.message
    assert "deaf (running) on 10.0.0.21" in caught.value.message
    assert masters.drain == {"S1": "DRAINING", "S2": "DRAINED"}
    assert 100 <= clock.now < 105


def test_the_call_is_repeated_for_frameworks_that_left() -> None:
    masters = MemoryMasters(AGENTS, {"deaf.1": "S1"})
    with pytest.raises(DrainError):
        drains(masters).drain(["S1"], deadline_s=100)
    assert masters.calls.count(("DRAIN_AGENT", "S1")) == 4  # at 0, 30, 60 and 90 seconds


def test_drained_agents_are_not_told_again() -> None:
    masters = MemoryMasters(AGENTS)
    masters.drain["S1"] = "DRAINED"
    drains(masters).drain(["S1"], deadline_s=10)
    assert ("DRAIN_AGENT", "S1") not in masters.calls


def test_an_agent_that_left_by_itself_is_told() -> None:
    assert drains(MemoryMasters({"S2": "10.0.0.22"})).drain(["S1", "S2"], deadline_s=10) == {"S1"}


def test_a_change_of_leaders_is_waited_out() -> None:
    masters = MemoryMasters(AGENTS)
    masters.failures = ["", "", "no leader elected", "no leader elected"]
    drains(masters).drain(["S1"], deadline_s=30)
    assert masters.drain["S1"] == "DRAINED"


def test_no_master_until_the_deadline() -> None:
    masters = MemoryMasters(AGENTS)
    masters.failures = ["", "", *["no leader elected"] * 100]
    with pytest.raises(MasterError, match="no leader"):
        drains(masters).drain(["S1"], deadline_s=30)


def test_reactivate_waits_for_the_agents_own_end() -> None:
    masters = MemoryMasters(AGENTS)
    masters.drain = {"S1": "DRAINED", "S2": "DRAINING"}
    masters.tasks = {"deaf.1": "S2"}
    masters.ending = 3
    drains(masters).reactivate(["S1", "S2", "S3"])
    assert masters.drain == {"S2": "DRAINING"}
    assert masters.ending == -1


def test_grace_is_a_duration_of_mesos() -> None:
    class Recording(MemoryMasters):
        def call(self, calls, agents=()):  # type: ignore[no-untyped-def]
            sent.extend(calls)
            return super().call(calls, agents)

    sent: list[dict[str, object]] = []
    drains(Recording(AGENTS)).start(["S1"], grace_s=30)
    assert sent[-1]["drain_agent"] == {"agent_id": {"value": "S1"}, "max_grace_period": {"seconds": 30}}


def test_gone_for_good() -> None:
    masters = MemoryMasters(AGENTS)
    drains(masters).mark_gone(["S1"])
    assert masters.gone == ["S1"]
    drains(masters).mark_gone([])
    assert masters.calls[-1] == ("MARK_AGENT_GONE", "S1")
