"""scale of agents: out by one call, in by drains; and again after being killed at any call."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from clusterctl.counts import Counts
from clusterctl.errors import CancelledError, ClusterctlError, InputError
from clusterctl.ops.grow.scale import ScaleReport, scale
from clusterctl.ops.grow.scale_checks import Options
from clusterctl.ops.kit.lock import LockedError
from clusterctl.ops.roll.drain import DrainError
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from tests.unit.ops.clouds import guard, kill, revive
from tests.unit.ops.operations import Running
from tests.unit.specs import demo, demo_spec


class NoWork:
    """Agents are scaled without touching a node."""

    def configure(self, spec: ClusterSpec, names: Sequence[str] | None, master_quorum: int | None) -> dict[Any, Any]:
        raise AssertionError

    def roll(self, spec: ClusterSpec, service: Service, names: Sequence[str]) -> None:
        raise AssertionError

    def step_down(self, spec: ClusterSpec, name: str) -> None:
        raise AssertionError

    def leader(self, spec: ClusterSpec, service: Service) -> str | None:
        raise AssertionError

    def out(self, spec: ClusterSpec) -> Collection[str]:
        raise AssertionError


def agents_spec(builders: int = 3, jenkins: int = 2) -> ClusterSpec:
    groups = demo()["groups"]
    groups["builders"] |= {"count": builders}
    groups["jenkins"] |= {"count": jenkins, "volume": {"size": 5, "mount": "/srv/jenkins"}}
    return demo_spec(groups=groups)


def to(running: Running, counts: Counts, lines: list[str] | None = None, **options: Any) -> ScaleReport:
    told = lines if lines is not None else []
    return scale(running.operation(), counts, NoWork(), told.extend, Options(**options))


def test_out_is_one_call_a_group_and_touches_nobody() -> None:
    running = Running()
    before = {server.id for server in running.cloud.servers("demo")}
    running.cloud.reset_calls()
    report = to(running, {"builders": 11})
    assert (report.created, report.healthy, len(running.servers("builders"))) == (10, True, 11)
    assert before <= {server.id for server in running.cloud.servers("demo")}
    # lock, server group (of one node none is made), the multi-create, unlock
    writes = {kind: n for kind, n in running.cloud.calls.by_kind.items() if not kind.startswith("GET")}
    assert writes == {
        "POST /security-groups": 1,
        "POST /os-server-groups": 1,
        "POST /servers": 1,
        "DELETE /security-groups/{id}": 1,
    }


@pytest.mark.parametrize("more", [1, 10, 100])
def test_writes_do_not_grow_with_the_number(more: int) -> None:
    running = Running(agents_spec())
    running.cloud.reset_calls()
    to(running, {"builders": 3 + more})
    assert running.cloud.calls.write == 3


def test_named_agents_get_ports_and_volumes() -> None:
    running = Running(agents_spec())
    to(running, {"jenkins": 3})
    observed = running.cloud.observe("demo")
    assert "demo-jenkins-3" in {port.name for port in observed.ports}
    assert len([volume for volume in observed.volumes if volume.attached_to]) == 3


def test_nothing_to_do_writes_nothing() -> None:
    running = Running(agents_spec())
    running.cloud.reset_calls()
    report = to(running, {"builders": 3, "jenkins": 2})
    assert (report.created, report.removed, running.cloud.calls.write) == (0, [], 0)


def test_in_takes_the_emptiest_and_shows_what_moves() -> None:
    running = Running(agents_spec())
    first, second, third = running.servers("builders")
    busy = {running.agent_on(first): 2, running.agent_on(second): 1, running.agent_on(third): 1}
    running.masters.tasks = {f"app.{agent}.{n}": agent for agent, count in busy.items() for n in range(count)}
    lines: list[str] = []
    report = to(running, {"builders": 2}, lines)
    assert report.removed == [third], "of two equally full ones the younger goes"
    assert report.moved == {third: ["app"]}
    assert lines[0] == "group builders: 3 -> 2 nodes"
    assert lines[1].startswith(f"- {third} (10.50.0.")
    assert lines[1].endswith("): 1 tasks move: app (running)")
    assert running.servers("builders") == [first, second]
    assert running.masters.gone == [f"{agent}" for agent, n in busy.items() if n == 1][1:]
    kinds = [kind for kind, agent in running.masters.calls if agent]
    assert kinds == ["DRAIN_AGENT", "MARK_AGENT_GONE"]


def test_in_begins_with_those_that_serve_nothing() -> None:
    running = Running(agents_spec())
    first, second, third = running.servers("builders")
    running.change(first, status="SHUTOFF")
    running.masters.tasks = {"a.1": running.agent_on(first)}
    running.masters.drain = {running.agent_on(second): "DRAINED"}
    to(running, {"builders": 1})
    assert running.servers("builders") == [third]


def test_an_agent_that_lost_its_master_is_not_drained() -> None:
    running = Running(agents_spec())
    first = running.servers("builders")[0]
    running.change(first, status="SHUTOFF")
    running.masters.tasks = {"deaf.1": running.agent_on(first)}
    to(running, {"builders": 2}, remove=(first,))
    assert running.masters.drain == {}
    assert len(running.masters.gone) == 1


def test_named_nodes_go() -> None:
    running = Running(agents_spec())
    first, second, third = running.servers("builders")
    assert to(running, {"builders": 2}, remove=(second,)).removed == [second]
    assert running.servers("builders") == [first, third]


@pytest.mark.parametrize(
    ("counts", "remove", "message"),
    [
        ({"builders": 2}, ("nobody",), "found 0 nodes of group builders; allowed: 1 of demo-builders-"),
        ({"builders": 2}, ("demo-jenkins-1",), "demo-jenkins-1, of a group that doesn't shrink"),
        ({"jenkins": 1}, ("demo-jenkins-1",), "allowed: demo-jenkins-2"),
        ({"control": 5}, ("demo-control-1",), "allowed for agents only"),
    ],
)
def test_wrong_names_are_refused_before_anything_is_written(
    counts: Counts, remove: tuple[str, ...], message: str
) -> None:
    running = Running(agents_spec())
    running.cloud.reset_calls()
    with pytest.raises(InputError, match=message):
        to(running, counts, remove=remove)
    assert (running.cloud.calls.write, running.masters.drain) == (0, {})


def test_of_agents_with_volumes_the_highest_ordinals_go_and_the_volumes_stay() -> None:
    running = Running(agents_spec())
    to(running, {"jenkins": 1})
    observed = running.cloud.observe("demo")
    assert running.servers("jenkins") == ["demo-jenkins-1"]
    assert "demo-jenkins-2" not in {port.name for port in observed.ports}
    assert {volume.name for volume in observed.volumes} == {"demo-jenkins-1", "demo-jenkins-2"}
    to(running, {"jenkins": 1}, with_volumes=True)
    assert {volume.name for volume in running.cloud.volumes("demo")} == {"demo-jenkins-1"}


def test_a_task_that_does_not_end_stops_it_before_anything_is_deleted() -> None:
    running = Running(agents_spec())
    for name in running.servers("builders"):
        running.masters.tasks[f"deaf.{name}"] = running.agent_on(name)
    with pytest.raises(DrainError) as caught:
        to(running, {"builders": 2}, deadline_s=20)
    assert "`clusterctl scale demo.yml` goes on from here" in (caught.value.hint or "")
    assert len(running.servers("builders")) == 3
    assert not running.cloud.lock_records


def test_force_does_not_wait() -> None:
    running = Running(agents_spec())
    for name in running.servers("builders"):
        running.masters.tasks[f"deaf.{name}"] = running.agent_on(name)
    to(running, {"builders": 1}, force=True)
    assert len(running.servers("builders")) == 1
    assert len(running.masters.gone) == 2


def test_declining_changes_nothing() -> None:
    def decline(lines: Sequence[str]) -> None:
        raise CancelledError("declined")

    running = Running(agents_spec())
    running.cloud.reset_calls()
    with pytest.raises(CancelledError):
        scale(running.operation(), {"builders": 1}, NoWork(), decline, Options())
    assert (running.cloud.calls.write, running.masters.drain) == (0, {})


def test_a_group_that_differs_from_the_file_is_told_beforehand() -> None:
    running = Running(agents_spec())
    to(running, {"builders": 4})
    with pytest.raises(ClusterctlError, match="group builders has 4 nodes, and the file says 3") as caught:
        to(running, {"jenkins": 3})
    assert "Set its count to 4 in the file" in (caught.value.hint or "")
    running.vanish(running.servers("builders")[0])
    running.vanish(running.servers("builders")[0])
    with pytest.raises(ClusterctlError, match="has 2 nodes") as caught:
        to(running, {"jenkins": 3})
    assert "`clusterctl create FILE` completes it" in (caught.value.hint or "")


def test_without_a_cluster() -> None:
    running = Running()
    running.cloud.server_records.clear()
    with pytest.raises(ClusterctlError, match="has no server in cloud lab"):
        to(running, {"builders": 2})


def test_another_command_at_work_is_told() -> None:
    running = Running(agents_spec())
    with guard(99).hold("demo", running.cloud), pytest.raises(LockedError):
        to(running, {"builders": 4})
    assert len(running.servers("builders")) == 3


def test_what_changed_before_the_lock_was_had_is_not_acted_upon() -> None:
    running = Running(agents_spec())

    def somebody_else(_lines: Sequence[str]) -> None:
        running.vanish(running.servers("builders")[0])

    with pytest.raises(ClusterctlError, match="was changed by another command meanwhile"):
        scale(running.operation(), {"builders": 2}, NoWork(), somebody_else, Options())
    assert len(running.servers("builders")) == 2


def state(running: Running) -> dict[str, Any]:
    observed = running.cloud.observe("demo")
    return {
        **observed.counts,
        "nodes": sorted(server.node or server.group for server in observed.servers),
        "ports": sorted(port.name for port in observed.ports),
        "all ports": len(running.cloud.port_records),
        "all servers": len(running.cloud.server_records),
        "volumes": sorted((volume.name, bool(volume.attached_to)) for volume in observed.volumes),
        "locks": len(running.cloud.lock_records),
    }


def calls_of_an_undisturbed_run(counts: Counts) -> int:
    running = Running(agents_spec())
    running.cloud.reset_calls()
    to(running, counts, with_volumes=True)
    return running.cloud.calls.read + running.cloud.calls.write


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("counts", "call"),
    [
        (counts, call)
        for counts in ({"builders": 1, "jenkins": 3}, {"builders": 5, "jenkins": 1})
        for call in range(1, calls_of_an_undisturbed_run(counts) + 1)
    ],
)
def test_killed_at_any_call_the_same_command_finishes(counts: Counts, call: int, when: Any) -> None:
    undisturbed = Running(agents_spec())
    to(undisturbed, counts, with_volumes=True)
    running = Running(agents_spec())
    kill(running.cloud, call, when)
    with pytest.raises(SystemExit):
        to(running, counts, with_volumes=True)
    revive(running.cloud)
    to(running, counts, with_volumes=True)
    assert state(running) == state(undisturbed)


@pytest.mark.parametrize("after", range(8))
def test_killed_between_any_two_calls_of_the_master_the_same_command_finishes(after: int) -> None:
    running = Running(agents_spec())
    named = tuple(running.servers("builders")[:2])
    original = running.masters.call

    def dying(calls: Any, agents: Any = ()) -> Any:
        if len(running.masters.calls) >= after:
            raise SystemExit(9)
        return original(calls, agents)

    running.masters.call = dying  # type: ignore[method-assign]
    try:
        to(running, {"builders": 1}, remove=named)
    except SystemExit:
        running.masters.call = original  # type: ignore[method-assign]
        to(running, {"builders": 1}, remove=named)
    assert len(running.servers("builders")) == 1
    assert not set(named) & set(running.servers("builders"))
    assert len(running.masters.agents) == 3
