"""The sliding window of a roll of agents: who may go, and how long it takes where one of many is slow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from clusterctl.ops.roll.report import RollError
from clusterctl.ops.roll.restart import Restart
from clusterctl.ops.roll.window import RUNS, Window, roll_service
from clusterctl.services import Service
from tests.unit.ops.roll.world import AGENT, START_S, World

GROUPS = {**{f"a{n}": "a" for n in range(10)}, "b1": "b", "b2": "b", "c1": "c"}


@dataclass(frozen=True)
class Recorded(Restart):
    """Remembers what it was given at once."""

    runs: list[list[str]] = field(default_factory=list)

    def apply(self, service: Service, names: Sequence[str]) -> None:
        self.runs.append(list(names))
        super().apply(service, names)


def roll(world: World, *, size: int, max_failures: int = 0) -> Recorded:
    work = Recorded(world)
    running = world.roll(work)
    names = world.agents
    running.journal.plan(AGENT, names)
    roll_service(running, AGENT, names, batch=size, max_failures=max_failures)
    return work


def test_as_many_go_as_are_wanted_and_the_next_as_soon_as_one_is_back() -> None:
    window = Window(GROUPS, 3, [f"a{n}" for n in range(10)])
    assert window.take() == ["a0", "a1", "a2"]
    assert window.take() == []
    window.away.remove("a1")
    assert window.take() == ["a3"]


def test_of_several_agents_of_a_group_one_stays() -> None:
    window = Window(GROUPS, 13, ["b1", "b2", *(f"a{n}" for n in range(10)), "c1"])
    taken = window.take()
    assert len([name for name in taken if name.startswith("b")]) == 1
    assert len([name for name in taken if name.startswith("a")]) == 9
    assert "c1" in taken  # nobody else serves its group, whatever is done
    window.away.clear()
    window.failed.add("b1")
    assert "b2" in window.take()  # the last one that serves: it goes alone, and only when asked for


def test_a_group_gives_no_more_than_its_share_of_the_window() -> None:
    window = Window({**{f"a{n}": "a" for n in range(50)}, **{f"b{n}": "b" for n in range(50)}}, 10, [])
    window.left = [f"b{n}" for n in range(50)]
    assert len(window.take()) == 5


@pytest.mark.parametrize(("size", "slow"), [(20, 0), (5, 0), (5, 50)])
def test_a_hundred_agents_of_which_one_takes_a_minute(size: int, slow: int) -> None:
    """At most 1.15 times the ideal: the work in equal shares, or the slow one where that is longer."""
    world = World(builders=99)
    order = sorted(world.agents)
    world.start_s[order[slow]] = 60.0
    roll(world, size=size)
    ideal_s = max(60.0, (99 * START_S + 60.0) / size)
    assert world.clock.now <= 1.15 * ideal_s
    assert len(world.acted("restarted", "mesos_agent")) == 100


def test_there_are_never_more_away_than_wanted_and_no_group_is_empty() -> None:
    world = World(builders=11)
    world.start_s |= {name: 3.0 + number for number, name in enumerate(world.agents)}
    most: list[int] = []

    def look(_event: str) -> None:
        away = [name for name in world.agents if not world.answers(AGENT, name)]
        most.append(len(away))
        assert sum("builders" in name for name in away) < 11

    world.on_event = look
    roll(world, size=4)
    assert max(most) <= 4
    assert len(set(world.acted("restarted", "mesos_agent"))) == 12


def test_the_first_places_are_filled_by_several_runs_so_that_a_slow_run_holds_up_its_own_only() -> None:
    world = World(builders=39)
    work = roll(world, size=12)
    assert [len(run) for run in work.runs[:RUNS]] == [2] * RUNS
    assert sorted(name for run in work.runs for name in run) == sorted(world.agents)


def test_an_agent_that_does_not_come_back_takes_no_other_with_it() -> None:
    world = World(builders=9)
    bad = sorted(world.agents)[0]
    world.sick.add((AGENT, bad))
    world.sick.discard((AGENT, bad))

    def sick(event: str) -> None:
        if event == f"restarted mesos_agent {bad}":
            world.sick.add((AGENT, bad))

    world.on_event = sick
    with pytest.raises(RollError, match="1 agents failed") as caught:
        roll(world, size=2)
    journal = caught.value.journal
    assert [each.node for each in journal.failed] == [bad]
    assert journal.failed[0].state == "back in service"
    # those that were away together with it came back and are done; others were taken while nobody knew of it
    assert set(journal.done) | set(journal.left) == {(AGENT, name) for name in world.agents if name != bad}


def test_nobody_is_taken_while_the_rest_of_the_cluster_is_not_healthy() -> None:
    world = World(builders=9)
    taken_at: list[float] = []

    def fall(event: str) -> None:
        taken_at.append(world.clock.now)
        if len(taken_at) == 2:
            world.up[Service.ZOOKEEPER, "demo-control-1"] = world.clock.now + 30.0

    world.on_event = fall
    roll(world, size=2)
    assert taken_at[2] >= taken_at[1] + 30.0


def test_an_agent_that_is_sick_may_be_restarted_by_name() -> None:
    world = World()
    name = next(node.name for node in world.cluster.look().expect.agents)
    world.up.pop((AGENT, name))
    roll = world.roll(Restart(world), "restart mesos_agent")
    roll.journal.plan(AGENT, [name])
    roll_service(roll, AGENT, [name], batch=1, max_failures=0)
    assert world.acted("restarted", "mesos_agent") == [name]
    assert [node for _, node in roll.journal.done] == [name]
