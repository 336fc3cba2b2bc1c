"""replace: the old server surely gone before the new one is made, with its identity; never at a majority's cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.grow.replace import ReplaceReport, replace
from clusterctl.resources import Server, ServerRequest
from tests.unit.ops.clouds import guard, kill, revive
from tests.unit.ops.grow.test_scale import agents_spec, state
from tests.unit.ops.operations import Running
from tests.unit.specs import demo, demo_spec


def renew(running: Running, name: str, *, force: bool = False, lines: list[str] | None = None) -> ReplaceReport:
    told = lines if lines is not None else []
    return replace(running.operation(), name, told.extend, deadline_s=60, force=force)


def server_of(running: Running, name: str) -> Server:
    return next(server for server in running.cloud.servers("demo") if server.name == name)


@pytest.mark.parametrize("status", ["ACTIVE", "ERROR", "SHUTOFF"])
def test_a_control_node_keeps_its_identity(status: str) -> None:
    running = Running()
    old = server_of(running, "demo-control-2")
    running.change("demo-control-2", status=status)
    report = renew(running, "demo-control-2")
    new = server_of(running, "demo-control-2")
    assert (report.deleted, report.created, report.healthy) == (1, 1, True)
    assert new.id != old.id
    assert (new.address, new.metadata["clusterctl.myid"]) == (old.address, "2")
    assert len(running.cloud.observe("demo").ports) == 3


def test_the_old_one_is_gone_before_the_new_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running()
    running.cloud.delete_ticks = 5
    old = server_of(running, "demo-control-2")
    original = running.cloud.create_servers

    def create_servers(request: ServerRequest) -> None:
        assert old.id not in running.cloud.server_records
        original(request)

    monkeypatch.setattr(running.cloud, "create_servers", create_servers)
    renew(running, "demo-control-2")


def test_a_destroyed_one_is_made_without_a_question() -> None:
    running = Running()
    running.vanish("demo-control-1")
    lines: list[str] = []
    report = renew(running, "demo-control-1", lines=lines)
    assert (report.deleted, report.created, lines) == (0, 1, [])


def test_writes_are_few() -> None:
    running = Running()
    running.cloud.reset_calls()
    renew(running, "demo-control-2")
    assert running.cloud.calls.write == 4  # lock, delete, create, unlock


@pytest.mark.parametrize("others", [{"demo-control-1"}, {"demo-control-1", "demo-control-3"}])
@pytest.mark.parametrize("how", ["silent", "sick"])
def test_a_working_node_stays_while_others_are_sick(others: set[str], how: str) -> None:
    running = Running()
    setattr(running.nodes, how, others)
    running.cloud.reset_calls()
    with pytest.raises(ClusterctlError, match="nothing was touched") as caught:
        renew(running, "demo-control-2")
    assert caught.value.exit_code == 1
    assert running.cloud.calls.write == 0


def test_a_dead_node_is_replaced_as_long_as_the_others_are_a_majority() -> None:
    groups = demo()["groups"]
    groups["control"]["count"] = 5
    running = Running(demo_spec(groups=groups))
    running.vanish("demo-control-2")
    running.nodes.sick = {"demo-control-1"}
    assert renew(running, "demo-control-2").created == 1
    running.vanish("demo-control-2")
    running.nodes.sick = {"demo-control-1", "demo-control-4"}
    with pytest.raises(ClusterctlError, match="2 of the other 4 members serve, and 3 are needed"):
        renew(running, "demo-control-2")


def test_the_only_member_is_not_replaced() -> None:
    groups = demo()["groups"]
    groups["control"]["count"] = 1
    running = Running(demo_spec(groups=groups, allow_non_ha=True))
    with pytest.raises(ClusterctlError, match="0 of the other 0 members serve"):
        renew(running, "demo-control-1")


def test_a_marathon_needs_no_majority() -> None:
    groups = demo()["groups"]
    groups["control"]["services"] = ["zookeeper", "mesos_master"]
    groups["mt"] = groups["control"] | {"services": ["marathon"], "count": 3}
    running = Running(demo_spec(groups=groups))
    running.nodes.sick = {"demo-mt-1", "demo-mt-2"}
    assert renew(running, "demo-mt-3").healthy


def test_an_agent_is_drained_and_gets_a_new_identity() -> None:
    running = Running(agents_spec())
    name = running.servers("builders")[1]
    running.masters.tasks = {"app.1": running.agent_on(name)}
    lines: list[str] = []
    report = renew(running, name, lines=lines)
    assert report.moved == {name: ["app"]}
    assert lines[0].endswith("1 tasks move: app (running)")
    assert name not in running.servers("builders")
    assert len(running.servers("builders")) == 3
    assert len(running.masters.gone) == 1


def test_a_dead_agent_is_forgotten_and_not_drained() -> None:
    running = Running(agents_spec())
    name = running.servers("builders")[1]
    running.change(name, status="ERROR")
    running.masters.tasks = {"deaf.1": running.agent_on(name)}
    renew(running, name)
    assert (running.masters.drain, len(running.masters.gone)) == ({}, 1)
    assert len(running.servers("builders")) == 3


def test_an_agent_with_a_volume_keeps_it() -> None:
    running = Running(agents_spec())
    before = {volume.name: volume.id for volume in running.cloud.volumes("demo")}
    renew(running, "demo-jenkins-2")
    new = server_of(running, "demo-jenkins-2")
    after = {volume.name: volume for volume in running.cloud.volumes("demo")}
    assert {name: volume.id for name, volume in after.items()} == before
    assert after["demo-jenkins-2"].attached_to == new.id


def test_a_node_that_is_not_there_is_bad_input() -> None:
    running = Running()
    with pytest.raises(InputError, match=r"found 'demo-control-4'; allowed: demo-builders-.*, demo-control-1, "):
        renew(running, "demo-control-4")


def test_a_replacement_under_way_is_not_replaced_unless_by_word() -> None:
    running = Running()
    running.vanish("demo-control-2")
    operation = running.operation()
    operation.make(operation.run.spec, nodes=["demo-control-2"], groups=["control"])
    running.cloud.build_ticks = 20
    running.change("demo-control-2", status="BUILD")
    building = server_of(running, "demo-control-2")
    assert building.status == "BUILD"
    renew(running, "demo-control-2")
    assert server_of(running, "demo-control-2").id == building.id


def calls_of_an_undisturbed_run(name: str) -> int:
    running = Running(agents_spec())
    node = chosen(running, name)
    running.cloud.reset_calls()
    renew(running, node)
    return running.cloud.calls.read + running.cloud.calls.write


def chosen(running: Running, name: str) -> str:
    return running.servers("builders")[1] if name == "a builder" else name


NAMES: Sequence[str] = ("demo-control-2", "demo-jenkins-1", "a builder")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("name", "call"), [(name, call) for name in NAMES for call in range(1, calls_of_an_undisturbed_run(name) + 1)]
)
def test_killed_at_any_call_the_same_command_finishes(name: str, call: int, when: Any) -> None:
    undisturbed = Running(agents_spec())
    renew(undisturbed, chosen(undisturbed, name))
    running = Running(agents_spec())
    node = chosen(running, name)
    kill(running.cloud, call, when)
    with pytest.raises(SystemExit):
        renew(running, node)
    revive(running.cloud)
    renew(running, node)
    assert state(running) == state(undisturbed)
    assert len({server.id for server in running.cloud.servers("demo")}) == 8


def test_another_command_at_work_is_told() -> None:
    running = Running()
    with guard(99).hold("demo", running.cloud), pytest.raises(ClusterctlError, match="another command is at work"):
        renew(running, "demo-control-2")
