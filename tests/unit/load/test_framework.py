"""What simulated frameworks do, by kind."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.load.framework import Action, Framework, Leave, MesosCall, Register, SimulatedBuild
from clusterctl.load.plan import FrameworkGroup, Kind
from clusterctl.load.result import FrameworkResult

MORE = {"mem_mib": 32.0}


def framework(kind: Kind, **more: Any) -> Framework:
    group = FrameworkGroup(name="g", kind=kind, count=1, **more)
    return Framework(group, FrameworkResult(name="f", group="g", kind=kind, role="*"))


def build(at: float = 0.0, cpus: float = 0.1) -> SimulatedBuild:
    return SimulatedBuild(framework=0, queued_s=at, run_s=5, cpus=cpus, mem_mib=32)


def offer(name: str, cpus: float = 4) -> dict[str, Any]:
    resources = [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}, "role": "*"},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 1000}, "role": "*"},
    ]
    return {"id": {"value": name}, "agent_id": {"value": f"agent of {name}"}, "resources": resources}


def status(task: str, state: str, **more: Any) -> dict[str, Any]:
    return {"task_id": {"value": task}, "agent_id": {"value": "a"}, "state": state, **more}


def said(actions: list[Action]) -> list[str]:
    """Kinds of actions, with the offers and the filter of those that have them."""
    lines = []
    for action in actions:
        if not isinstance(action, MesosCall):
            lines.append(type(action).__name__)
            continue
        line = action.body["type"]
        body = action.body.get(line.lower(), {})
        if "offer_ids" in body:
            names = " ".join(each["value"] for each in body["offer_ids"])
            line += f" {names} for {body['filters']['refuse_seconds']:g} s"
        lines.append(line)
    return lines


def test_on_demand_registers_with_a_build_and_leaves_when_idle_for_long_enough() -> None:
    it = framework("on_demand", linger_s=60)
    assert said(it.want(build(), 0)) == ["Register"]
    assert it.want(build(), 0) == []  # registering already
    assert it.subscribed("id-1", 1) == []
    assert said(it.offered([offer("o1"), offer("o2"), offer("o3")], 2)) == [
        "ACCEPT o1 for 1 s",
        "ACCEPT o2 for 1 s",
        "DECLINE o3 for 600 s",
    ]
    for task in list(it.tasks):
        it.updated(status(task, "TASK_RUNNING"), 3)
        assert it.look(100) == []  # it builds
        it.updated(status(task, "TASK_FINISHED"), 8)
    assert it.look(67) == []
    assert it.look(68) == [Leave()]
    assert it.id is None
    assert it.look(100) == []
    assert it.want(build(), 200) == [Register()]
    it.subscribed("id-2", 201)
    assert it.registrations == 2
    assert it.registered_s == 1


def test_an_idle_one_that_stays_declines_for_long_and_revives_for_a_build() -> None:
    it = framework("always", decline_s=5)
    assert it.join() == [Register()]
    assert it.join() == []
    assert it.subscribed("id", 0) == []
    assert said(it.offered([offer("o1"), offer("o2")], 1)) == ["DECLINE o1 o2 for 5 s"]
    assert said(it.want(build(), 2)) == ["REVIVE"]
    assert said(it.offered([offer("o3")], 3)) == ["ACCEPT o3 for 1 s"]
    assert it.look(10_000) == []


@pytest.mark.parametrize("kind", ["suppress", "marathon"])
def test_suppress_says_so_once_until_the_next_build(kind: Kind) -> None:
    it = framework(kind)
    assert said(it.subscribed("id", 0)) == ["SUPPRESS"]
    assert said(it.offered([offer("o1")], 1)) == ["DECLINE o1 for 600 s"]
    assert said(it.want(build(), 2)) == ["REVIVE"]
    assert said(it.offered([offer("o2")], 3)) == ["ACCEPT o2 for 1 s", "SUPPRESS"]
    # a new leader knows nothing of it
    assert said(it.subscribed("id", 5)) == ["SUPPRESS"]
    assert it.registrations == 1


def test_what_does_not_fit_is_declined_for_mesos_default() -> None:
    it = framework("always")
    it.subscribed("id", 0)
    it.want(build(cpus=8), 0)
    it.want(build(cpus=1), 0)
    assert said(it.offered([offer("small", 1), offer("none", 0.5)], 1)) == [
        "ACCEPT small for 1 s",
        "DECLINE none for 5 s",
    ]
    assert [each.cpus for each in it.queue] == [8]


def test_a_hoarder_keeps_offers_until_they_are_taken_from_it() -> None:
    it = framework("hoarder")
    it.subscribed("id", 0)
    assert it.offered([offer("o1"), offer("o2")], 1) == []
    it.rescinded("o1", 6)
    it.rescinded("foreign", 6)
    it.end(11)
    found = it.result(refused=0, reconnects=0)
    assert (found.hoarded, found.hoarded_offer_s) == (2, 15)


def test_the_longest_wait_runs_from_the_build_and_from_offer_to_offer() -> None:
    it = framework("on_demand")
    it.want(build(at=10), 10)
    it.subscribed("id", 13)
    it.offered([offer("o1", 0.05)], 14)  # too small: it goes on waiting
    assert it.longest_wait_s == 4
    it.offered([offer("o2")], 20)
    assert it.longest_wait_s == 6
    it.offered([offer("o3")], 500)  # wants nothing
    it.want(build(at=600), 600)
    it.end(700)
    found = it.result(0, 0)
    assert found.longest_wait_s == 100
    assert (found.offers, found.offers_wanted) == (3, 2)


def test_a_build_is_offered_once_and_its_moments_are_kept() -> None:
    it = framework("always")
    it.subscribed("id", 0)
    first = build()
    it.want(first, 0)
    it.offered([offer("o1", 0.01)], 1)
    it.offered([offer("o2")], 2)
    (task,) = it.tasks
    assert said(it.updated(status(task, "TASK_RUNNING", uuid="u"), 3)) == ["ACKNOWLEDGE"]
    assert it.updated(status(task, "TASK_FINISHED"), 8) == []
    assert it.updated(status(task, "TASK_FINISHED"), 9) == []
    moments = (first.offered_s, first.launched_s, first.agent_s, first.finished_s)
    assert moments == (1, 2, 3, 8)
    assert (first.state, first.tries) == ("TASK_FINISHED", 1)


def test_a_task_lost_before_it_ran_is_asked_for_again() -> None:
    it = framework("always")
    it.subscribed("id", 0)
    it.want(wanted := build(), 0)
    it.offered([offer("o1")], 1)
    (task,) = it.tasks
    assert said(it.updated(status(task, "TASK_DROPPED"), 2)) == ["REVIVE"]
    it.offered([offer("o2")], 3)
    (second,) = it.tasks
    assert second != task
    it.updated(status(second, "TASK_RUNNING"), 4)
    it.updated(status(second, "TASK_LOST"), 5)
    assert (wanted.state, wanted.tries, wanted.finished_s, len(it.queue)) == ("TASK_LOST", 2, 5, 0)


def test_removed_by_the_masters() -> None:
    it = framework("on_demand")
    it.want(ran := build(), 0)
    it.want(launched := build(), 0)
    it.subscribed("id", 0)
    it.offered([offer("o1"), offer("o2")], 1)
    it.updated(status(next(iter(it.tasks)), "TASK_RUNNING"), 2)
    assert it.removed(9) == [Register()]
    assert (ran.state, ran.finished_s) == ("TASK_LOST", 9)
    assert list(it.queue) == [launched]
    it.subscribed("id-2", 10)
    it.offered([offer("o3")], 11)
    assert it.longest_wait_s == 2  # from the removal on

    assert framework("on_demand").removed(0) == []
    assert framework("always").removed(0) == [Register()]
