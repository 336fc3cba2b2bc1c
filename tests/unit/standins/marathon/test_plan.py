from dataclasses import replace
from typing import Any

import pytest

from lab.standins.marathon.marathon_standin.appspec import App, new_app
from lab.standins.marathon.marathon_standin.instance import Instance
from lab.standins.marathon.marathon_standin.plan import is_settled, plan, select_to_kill
from tests.unit.standins.marathon.make import app, instance

NOW = 5000.0


def ids(instances: Any) -> list[str]:
    return [i.id for i in instances]


def test_launches_what_is_missing() -> None:
    the_app = app(instances=3)
    todo = plan(the_app, [instance(1, the_app)], restarting=False, now=NOW)
    assert (todo.launch, todo.kill) == (2, ())


def test_those_being_killed_are_waited_for() -> None:
    the_app = app(instances=2)
    stopping = instance(1, the_app, goal="Stopped")
    assert plan(the_app, [stopping, instance(2, the_app)], restarting=False, now=NOW).launch == 0


def test_unreachable_ones_are_replaced_when_inactive() -> None:
    the_app = app(unreachableStrategy={"inactiveAfterSeconds": 60, "expungeAfterSeconds": 600})
    lost = instance(1, the_app, state="TASK_UNREACHABLE", unreachable_since=NOW - 59)
    assert plan(the_app, [lost], restarting=False, now=NOW).launch == 0
    assert plan(the_app, [lost], restarting=False, now=NOW + 1).launch == 1


def test_kills_the_surplus() -> None:
    the_app = app(instances=1)
    todo = plan(the_app, [instance(n, the_app) for n in (1, 2, 3)], restarting=False, now=NOW)
    assert ids(todo.kill) == ["i3", "i2"]


@pytest.mark.parametrize(
    ("fields", "order"),
    [({}, ["lost", "staged", "young", "old"]), ({"killSelection": "OLDEST_FIRST"}, ["lost", "staged", "old", "young"])],
)
def test_order_of_killing(fields: dict[str, Any], order: list[str]) -> None:
    the_app = app(**fields)
    candidates = [
        instance(1, the_app, id="old", started_at=1.0),
        instance(2, the_app, id="young", started_at=2.0),
        instance(3, the_app, id="staged", state="TASK_STAGING", started_at=None, staged_at=3.0),
        instance(4, the_app, id="lost", state="TASK_UNREACHABLE"),
    ]
    assert ids(select_to_kill(the_app, candidates, 4)) == order


def test_group_by_stays_even() -> None:
    the_app = app(constraints=[["rack", "GROUP_BY"]])
    on = {1: "a", 2: "b", 3: "a", 4: "a"}
    candidates = [instance(n, the_app, attributes={"rack": rack}) for n, rack in on.items()]
    assert ids(select_to_kill(the_app, candidates, 2)) == ["i4", "i3"]
    assert ids(select_to_kill(the_app, candidates, 3)) == ["i4", "i3", "i2"]


def roll(the_app: App, running: int) -> list[tuple[int, int, int]]:
    """Play a rolling restart: (old, new, to launch) after each step, in which what was decided happens."""
    newer = new_app({**the_app.spec, "cmd": "new"}, the_app, 2000.0)
    instances: list[Instance] = [instance(n, the_app) for n in range(running)]
    history = []
    for step in range(20):
        todo = plan(newer, instances, restarting=True, now=NOW)
        old = sum(1 for i in instances if i.version < newer.config_version)
        history.append((old, len(instances) - old, todo.launch))
        killed = {i.id for i in todo.kill}
        if not killed and not todo.launch:
            assert is_settled(newer, instances, NOW)
            return history
        instances = [i for i in instances if i.id not in killed]
        instances += [instance(100 * step + 100 + n, newer) for n in range(1, todo.launch + 1)]
    raise AssertionError(history)


@pytest.mark.parametrize(
    ("minimum", "over", "least", "most"),
    [(1, 1, 4, 8), (1, 0, 4, 5), (0.5, 0, 2, 4), (0.5, 0.5, 2, 6), (0, 0, 0, 4), (0, 1, 0, 8)],
)
def test_rolling_restart_stays_within_its_limits(minimum: float, over: float, least: int, most: int) -> None:
    strategy = {"minimumHealthCapacity": minimum, "maximumOverCapacity": over}
    history = roll(app(instances=4, upgradeStrategy=strategy), running=4)
    totals = [old + new for old, new, _ in history]
    assert min(totals) >= least
    assert max(totals) <= most
    assert history[-1] == (0, 4, 0)


def test_old_ones_go_only_for_ready_new_ones() -> None:
    the_app = app(instances=2, healthChecks=[{"protocol": "MESOS_TCP"}])
    newer = new_app({**the_app.spec, "cmd": "new"}, the_app, 2000.0)
    old = [instance(n, the_app, healthy=True) for n in (1, 2)]
    new = [instance(n, newer) for n in (3, 4)]
    assert plan(newer, old + new, restarting=True, now=NOW).kill == ()
    checked = [replace(new[0], healthy=True), new[1]]
    assert ids(plan(newer, old + checked, restarting=True, now=NOW).kill) == ["i2"]


def test_old_versions_count_like_the_others_outside_a_restart() -> None:
    the_app = app(instances=1)
    newer = new_app({**the_app.spec, "cmd": "new"}, the_app, 2000.0)
    todo = plan(newer, [instance(1, the_app)], restarting=False, now=NOW)
    assert (todo.launch, todo.kill) == (0, ())


def test_settled() -> None:
    the_app = app(instances=2)
    both = [instance(n, the_app) for n in (1, 2)]
    assert is_settled(the_app, both, NOW)
    assert not is_settled(the_app, both[:1], NOW)
    assert not is_settled(the_app, [*both, instance(3, the_app, goal="Stopped")], NOW)
    assert not is_settled(the_app, [both[0], replace(both[1], state="TASK_STAGING")], NOW)
