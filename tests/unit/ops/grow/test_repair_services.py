"""repair: services that don't serve on nodes that run; tasks; what changes while it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from clusterctl.errors import CancelledError, ClusterctlError, InputError
from clusterctl.health.expect import Node
from clusterctl.health.facts import ClockFacts, DiskFacts, NodeFacts
from clusterctl.ops.grow.findings import Remedy
from clusterctl.ops.grow.operation import Operation
from clusterctl.ops.grow.repair import Consent, repair
from clusterctl.ops.observe.healthy import ShutOffError
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from tests.unit.ops.grow.test_repair import mend, told
from tests.unit.ops.grow.test_scale import agents_spec
from tests.unit.ops.operations import Running

ZK = ("demo-control-2", "zookeeper")


def bounded(running: Running, seconds: float) -> Operation:
    """As with ``--timeout``."""
    end = running.clock.now + seconds
    return replace(running.operation(), left=lambda: max(0.0, end - running.clock.now))


@pytest.mark.parametrize("state", ["inactive", "failed"])
@pytest.mark.parametrize("service", ["zookeeper", "mesos_master", "marathon"])
def test_a_service_that_is_stopped_is_started(service: str, state: str) -> None:
    running = Running(agents_spec())
    running.nodes.dead = {("demo-control-2", service): state}
    looked = mend(running, apply=False)
    assert looked.findings[0].line.startswith(f"demo-control-2: {service} does not serve: ")
    assert told(looked) == {"demo-control-2": Remedy.RESTART}
    assert running.unit_work.done == []
    assert mend(running).healthy
    assert running.unit_work.done == [("restart", service, "demo-control-2")]
    assert mend(running).findings == []


@pytest.mark.parametrize(("service", "servers"), [("zookeeper", 2), ("mesos_master", 2), ("marathon", 3)])
def test_only_the_marathons_of_others_can_wait_for_a_member_that_is_made(
    service: str, servers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Marathon that has lost its leader takes minutes to start, and does so beside the new member's boot."""
    running = Running(agents_spec())
    running.vanish("demo-control-1")
    running.nodes.dead = {("demo-control-2", service): "inactive"}
    restart, there = running.unit_work.restart, list[int]()

    def restarted(which: Service, name: str) -> None:
        there.append(len(running.servers("control")))
        restart(which, name)

    monkeypatch.setattr(running.unit_work, "restart", restarted)
    assert mend(running).healthy
    assert there == [servers]


def test_all_members_that_are_stopped_are_started() -> None:
    running = Running(agents_spec())
    running.nodes.dead = {(f"demo-control-{n}", "zookeeper"): "inactive" for n in (1, 2, 3)}
    assert mend(running).healthy
    assert len(running.unit_work.done) == 3


def test_a_member_that_runs_and_is_out_is_restarted() -> None:
    """Its connections died silently: it looks for the others for ever."""
    running = Running(agents_spec())
    running.nodes.dead = {ZK: "active"}
    began = running.clock.now
    assert mend(running).healthy
    assert running.unit_work.done == [("restart", "zookeeper", "demo-control-2")]
    assert running.clock.now - began >= 30, "it was not given time to come by itself"


def test_a_member_that_comes_by_itself_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(agents_spec())
    running.nodes.dead = {ZK: "active"}
    probe, looks = running.nodes.probe, [0]

    def probed(nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        looks[0] += 1
        if looks[0] == 5:
            running.nodes.dead = {}
        return probe(nodes)

    monkeypatch.setattr(running.nodes, "probe", probed)
    assert mend(running).healthy
    assert running.unit_work.done == []


def test_without_a_majority_of_others_a_member_is_not_restarted_for_being_out() -> None:
    running = Running(agents_spec())
    running.nodes.dead = {(f"demo-control-{n}", "zookeeper"): "active" for n in (2, 3)}
    report = mend(running)
    assert running.unit_work.done == []
    assert all("`clusterctl recover FILE` restores the cluster" in line for line in report.left)
    assert not report.healthy


def test_a_crash_loop_is_told_with_what_it_takes() -> None:
    running = Running(agents_spec())
    running.nodes.dead = {ZK: "activating"}
    report = mend(running)
    [line] = report.left
    assert "demo-control-2: zookeeper does not serve: connection refused (unit zookeeper is activating)" in line
    assert "`clusterctl repair FILE --apply --fresh-data demo-control-2` sets them aside" in line
    assert (running.unit_work.done, report.healthy) == ([], False)


def test_with_consent_it_gets_a_fresh_directory() -> None:
    running = Running(agents_spec())
    running.nodes.dead, asked = {ZK: "activating"}, list[str]()
    consent = Consent(asked.extend, ("demo-control-2",))
    report = repair(running.operation(), running.unit_work, apply=True, consent=consent)
    assert report.healthy
    assert running.unit_work.done == [("fresh", "zookeeper", "demo-control-2")]
    assert asked == ["- demo-control-2: the data of its zookeeper are set aside, and it learns from the others"]


@pytest.mark.parametrize("states", [("activating", "activating"), ("activating", "inactive")])
def test_data_are_never_set_aside_without_a_majority_of_others(states: tuple[str, str]) -> None:
    running = Running(agents_spec())
    running.unit_work.broken = {"demo-control-3"}
    running.nodes.dead = {ZK: states[0], ("demo-control-3", "zookeeper"): states[1]}
    try:
        mend(running, fresh=("demo-control-2",))
    except ClusterctlError:
        assert "inactive" in states
    assert "fresh" not in [what for what, *_ in running.unit_work.done]


def test_only_members_have_data_to_set_aside() -> None:
    with pytest.raises(InputError, match="--fresh-data: found 'demo-builders-1'; allowed: demo-control-1, "):
        mend(Running(agents_spec()), fresh=("demo-builders-1",))


def test_a_full_disk_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(agents_spec())
    running.nodes.dead = {ZK: "activating"}
    probe = running.nodes.probe

    def probed(nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        full = {"disks": (DiskFacts(path="/var", free_mib=3, size_mib=2000),)}
        return {n: f.model_copy(update=full if n == ZK[0] else {}) for n, f in probe(nodes).items()}

    monkeypatch.setattr(running.nodes, "probe", probed)
    first, second = mend(running, fresh=("demo-control-2",)).left
    assert "/var has 3 of 2000 MiB free" in first
    assert "sudo du -xh --max-depth 3 /var`" in first
    assert second.endswith("make room on its disk first: it comes back")
    assert running.unit_work.done == []


def test_a_stopped_agent_is_started() -> None:
    running = Running(agents_spec())
    name = running.servers("builders")[0]
    running.masters.gone = [running.agent_on(name)]
    running.masters.agents.pop(running.masters.gone[0])
    running.nodes.dead = {(name, "mesos_agent"): "inactive"}
    report = mend(running, apply=False)
    assert told(report) == {name: Remedy.RESTART}


def test_sick_by_verify_is_never_nothing_to_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(agents_spec())
    probe = running.nodes.probe

    def probed(nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        facts = probe(nodes)
        leader = facts["demo-control-1"]
        assert leader.zookeeper
        behind = leader.zookeeper.model_copy(update={"synced_followers": 1})
        return facts | {"demo-control-1": leader.model_copy(update={"zookeeper": behind})}

    monkeypatch.setattr(running.nodes, "probe", probed)
    report = mend(running)
    assert not report.healthy
    assert [line.split(";")[0] for line in report.left] == [
        "zookeeper.synced: demo-control-1 counts 1 synced followers, expected 2"
    ]


def test_what_gates_do_not_go_by_is_no_health_either(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(agents_spec())
    probe = running.nodes.probe

    def probed(nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        def clock(name: str) -> ClockFacts:
            now_s = 900.0 if name == "demo-control-2" else 7.0
            return ClockFacts(began_s=now_s, ended_s=now_s, asked_s=1.0, answered_s=1.0)

        return {name: seen.model_copy(update={"clock": clock(name)}) for name, seen in probe(nodes).items()}

    monkeypatch.setattr(running.nodes, "probe", probed)
    report = mend(running)
    assert (report.healthy, report.done) == (False, [])
    assert [line.split(" s ")[0] for line in report.left] == ["clocks: demo-control-2 (10.50.0.12): its clock is 893"]


def with_tasks(count: int) -> tuple[Running, list[str]]:
    """Builders in ERROR whose agents serve and have a task each."""
    running = Running(agents_spec(builders=count))
    names = running.servers("builders")
    for name in names:
        running.change(name, status="ERROR", fault="resize failed")
        running.masters.tasks[f"job-{name}.1"] = running.agent_on(name)
    return running, names


def test_tasks_on_agents_in_error_are_shown_and_drained_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    running, names = with_tasks(3)
    look_around, deleted = running.look_around, list[str]()

    def registered() -> None:
        """Nova's ERROR doesn't stop a server that runs."""
        look_around()
        running.masters.lost = set()

    monkeypatch.setattr(running, "look_around", registered)
    original = running.cloud.delete_server

    def delete_server(server_id: str) -> None:
        agent = f"S-{server_id}"
        assert agent not in running.masters.tasks.values(), "its task was killed with it"
        deleted.append(server_id)
        there = [s for s in running.cloud.servers("demo") if s.group == "builders"]
        assert len(there) == 3, "another batch is away still"
        original(server_id)

    monkeypatch.setattr(running.cloud, "delete_server", delete_server)
    asked: list[str] = []
    report = repair(running.operation(), running.unit_work, apply=True, consent=Consent(asked.extend))
    assert report.healthy
    assert len(deleted) == 3
    assert [line.split(" (")[0] for line in asked] == [f"- {name}" for name in names]
    assert all("1 tasks move: job-" in line for line in asked)


def test_declined_nothing_is_touched() -> None:
    running, _ = with_tasks(2)

    def no(_lines: Sequence[str]) -> None:
        raise CancelledError("declined")

    running.cloud.reset_calls()
    with pytest.raises(CancelledError):
        repair(running.operation(), running.unit_work, apply=True, consent=Consent(no))
    assert running.cloud.calls.write == 0


def test_nobody_is_asked_where_nothing_moves() -> None:
    running = Running(agents_spec())
    running.change(running.servers("builders")[0], status="ERROR")

    def never(_lines: Sequence[str]) -> None:
        raise AssertionError

    assert repair(running.operation(), running.unit_work, apply=True, consent=Consent(never)).healthy


def test_a_server_that_stops_meanwhile_is_started_too() -> None:
    running = Running(agents_spec())
    running.change("demo-control-1", status="SHUTOFF")
    waits = [0]

    def wait_healthy(spec: ClusterSpec, fresh: bool) -> VerifyReport:
        waits[0] += 1
        if waits[0] == 1:
            running.change("demo-control-3", status="SHUTOFF")
            raise ShutOffError("server demo-control-3 is shut off")
        return running.wait_healthy(spec, fresh)

    report = repair(running.operation(wait_healthy), running.unit_work, apply=True)
    assert report.healthy
    assert [line.split(":")[0] for line in report.done] == ["demo-control-1", "demo-control-3"]


def test_a_server_that_is_being_stopped_is_waited_for_and_started(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(agents_spec())
    running.change("demo-control-1", task_state="powering-off")
    assert told(mend(running, apply=False)) == {"demo-control-1": Remedy.WAIT}
    servers, looks = running.cloud.servers, [0]

    def listed(cluster: str) -> object:
        looks[0] += 1
        if looks[0] == 6:
            running.change("demo-control-1", task_state=None, status="SHUTOFF")
        return servers(cluster)

    monkeypatch.setattr(running.cloud, "servers", listed)
    assert mend(running).healthy
    assert {server.status for server in servers("demo")} == {"ACTIVE"}


def test_the_timeout_bounds_all_and_the_message_says_what_was_waited_for() -> None:
    running = Running(agents_spec())
    running.vanish("demo-control-1")
    running.change("demo-control-2", status="SHUTOFF")
    running.nodes.sick = {"demo-control-2"}
    began = running.clock.now
    with pytest.raises(ClusterctlError, match=r"demo-control-1 can't be replaced now\. zookeeper: 1 of the other 2"):
        repair(bounded(running, 60), running.unit_work, apply=True)
    assert running.clock.now - began < 90


def test_servers_that_do_not_go_are_named_when_the_time_is_up() -> None:
    running = Running(agents_spec())
    running.cloud.delete_ticks = 10**6
    [server] = [each for each in running.cloud.servers("demo") if each.node == "demo-control-1"]
    began = running.clock.now
    with pytest.raises(ClusterctlError, match=r"timed out after 60 s .*: demo-control-1 is deleting"):
        bounded(running, 60).delete([server])
    assert running.clock.now - began < 90
