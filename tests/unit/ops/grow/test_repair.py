"""repair: what is wrong is told; with consent it is mended, members of ensembles one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from clusterctl.errors import CloudError
from clusterctl.health.expect import Node
from clusterctl.health.facts import Ghost, MarathonFacts, NodeFacts
from clusterctl.ops.grow.findings import Remedy
from clusterctl.ops.grow.repair import Consent, RepairReport, repair
from clusterctl.ops.lifecycle.majorities import LostMajorityError
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.resources import KEY_NODE, Limits, PortRequest, Rule, ServerRequest, owner_mark
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from tests.memory.faults import Fault
from tests.unit.ops.clouds import kill, revive
from tests.unit.ops.grow.test_scale import agents_spec, state
from tests.unit.ops.operations import Running
from tests.unit.specs import demo, demo_spec


def mend(
    running: Running, spec: ClusterSpec | None = None, *, apply: bool = True, fresh: tuple[str, ...] = ()
) -> RepairReport:
    return repair(running.operation(spec=spec), running.unit_work, apply=apply, consent=Consent(fresh=fresh))


def twin(running: Running, name: str) -> str:
    """A second server with the identity of a node, but with a port of its own; its id."""
    request = next(r.request for r in running.cloud.server_records.values() if r.shown.name == name)
    running.cloud.create_servers(
        ServerRequest(**{**vars(request), "port_id": None, "network_id": "network-1", "volume_id": None})
    )
    return list(running.cloud.server_records)[-1]


def stray_port(running: Running, name: str) -> str:
    group = running.cloud.observe("demo").security_groups[0].id
    [port] = running.cloud.create_ports([PortRequest(name, "network-1", (group,), owner_mark("demo"))])
    return port.id


def told(report: RepairReport) -> dict[str, Remedy]:
    return {finding.subject: finding.remedy for finding in report.findings}


def test_a_healthy_cluster_needs_nothing() -> None:
    running = Running(agents_spec())
    running.cloud.reset_calls()
    report = mend(running)
    assert (report.findings, report.healthy, running.cloud.calls.write) == ([], True, 0)


def break_much(running: Running) -> None:
    """Something of everything, but a majority left."""
    builder = running.servers("builders")[0]
    running.vanish(running.servers("builders")[1])
    running.change(builder, status="ERROR", fault="host is gone")
    running.change("demo-control-1", status="SHUTOFF")
    running.change("demo-jenkins-1", status="SHUTOFF")
    running.vanish("demo-jenkins-2")
    twin(running, "demo-control-3")
    stray_port(running, "demo-control-9")
    stray_port(running, "demo-control-2")
    running.cloud.create_server_group("clusterctl.demo.old", "soft-anti-affinity")
    running.cloud.create_security_group("clusterctl.demo", owner_mark("demo"))
    running.masters.drain = {running.agent_on(running.servers("builders")[-1]): "DRAINED"}


def test_everything_is_told_and_nothing_done_without_consent() -> None:
    running = Running(agents_spec())
    last = running.servers("builders")[-1]
    break_much(running)
    running.cloud.reset_calls()
    report = mend(running, apply=False)
    assert running.cloud.calls.write == 0
    assert told(report) == {
        "demo-control-1": Remedy.START,
        "demo-control-2": Remedy.DELETE_PORT,
        "demo-control-3": Remedy.DELETE_SERVER,
        "demo-control-9": Remedy.DELETE_PORT,
        "demo-jenkins-1": Remedy.START,
        "demo-jenkins-2": Remedy.MAKE,
        running.servers("builders")[0]: Remedy.REPLACE,
        last: Remedy.REACTIVATE,
        "group builders": Remedy.MAKE,
        "clusterctl.demo.old": Remedy.DELETE_SERVER_GROUP,
        "clusterctl.demo": Remedy.DELETE_SECURITY_GROUP,
    }
    lines = [finding.line for finding in report.findings]
    assert any("is in ERROR: host is gone; needed: replace the server" in line for line in lines)
    assert any(line == "group builders: has 2 of 3 agents; needed: make it" for line in lines)


def test_everything_is_mended_and_a_second_run_finds_nothing() -> None:
    running = Running(agents_spec())
    untouched = Running(agents_spec())
    break_much(running)
    report = mend(running)
    assert report.healthy
    assert len(report.done) == 11
    assert state(running) == state(untouched)
    assert {server.status for server in running.cloud.servers("demo")} == {"ACTIVE"}
    assert running.masters.drain == {}
    again = mend(running)
    assert (again.findings, again.healthy) == ([], True)


def test_of_duplicates_the_one_with_the_identitys_port_stays() -> None:
    running = Running()
    first = next(server.id for server in running.cloud.servers("demo") if server.node == "demo-control-2")
    running.change("demo-control-2", status="SHUTOFF")
    second = twin(running, "demo-control-2")
    running.cloud.servers("demo")
    report = mend(running, apply=False)
    assert [(f.remedy, f.id) for f in report.findings] == [(Remedy.DELETE_SERVER, second), (Remedy.START, first)]
    assert report.findings[0].line.startswith(f"demo-control-2: server {second} has its identity, too ({first} keeps")
    mend(running)
    assert first in running.cloud.server_records
    assert second not in running.cloud.server_records


@pytest.mark.parametrize("status", ["ERROR", "gone"])
def test_members_are_renewed_one_at_a_time(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = demo()["groups"]
    groups["control"]["count"] = 5
    running = Running(demo_spec(groups=groups))
    for name in ("demo-control-1", "demo-control-4"):
        running.change(name, status="ERROR") if status == "ERROR" else running.vanish(name)
    original = running.cloud.create_servers

    def create_servers(request: ServerRequest) -> None:
        building = [s.name for s in running.cloud.servers("demo") if s.status == "BUILD"]
        assert building == [], f"{request.name} joins together with {building}"
        original(request)

    monkeypatch.setattr(running.cloud, "create_servers", create_servers)
    assert mend(running).healthy


def test_a_lost_majority_is_not_made_up() -> None:
    running = Running()
    running.vanish("demo-control-1")
    running.vanish("demo-control-2")
    running.cloud.reset_calls()
    report = mend(running)
    assert (running.cloud.calls.write, report.healthy) == (0, False)
    assert told(report) == {"demo-control-1": Remedy.NONE, "demo-control-2": Remedy.NONE}
    assert all(
        "no majority of zookeeper and mesos_master is left" in line and "`clusterctl recover FILE`" in line
        for line in report.left
    )


def test_a_survivor_is_started_and_nothing_made_beside_it() -> None:
    """What happened to a cluster of which two members were deleted, and the third shut off."""
    running = Running()
    running.vanish("demo-control-1")
    running.vanish("demo-control-3")
    running.change("demo-control-2", status="SHUTOFF")
    began = running.clock.now
    with pytest.raises(LostMajorityError, match="demo-control-1, demo-control-3 of 3 members have no server") as caught:
        mend(running)
    assert running.clock.now - began < 60
    assert "`clusterctl recover demo.yml` goes on from here" in (caught.value.hint or "")
    assert [s.node for s in running.cloud.servers("demo") if s.group == "control"] == ["demo-control-2"]
    assert next(s.status for s in running.cloud.servers("demo") if s.node == "demo-control-2") == "ACTIVE"
    assert not running.cloud.lock_records


def test_those_that_are_shut_off_are_started_first_and_make_the_majority() -> None:
    running = Running()
    running.vanish("demo-control-1")
    running.change("demo-control-2", status="SHUTOFF")
    assert mend(running).healthy


def hung(running: Running) -> None:
    running.nodes.silent = {"demo-control-2"}


def paused(running: Running) -> None:
    running.change("demo-control-2", status="PAUSED")


def unregistered(running: Running) -> None:
    running.masters.gone = [running.agent_on(running.servers("builders")[0])]
    running.masters.agents.pop(running.masters.gone[0])


@pytest.mark.parametrize(
    ("hurt", "text"),
    [
        (hung, "demo-control-2: can't be reached: no route to host; a network problem may pass; if it doesn't: "),
        (paused, "demo-control-2: is PAUSED; bring it back with OpenStack's own command"),
        (unregistered, "its agent is not registered; `clusterctl ssh FILE demo-builders-"),
    ],
)
def test_what_a_person_must_judge_is_only_told(hurt: Callable[[Running], None], text: str) -> None:
    running = Running(agents_spec())
    hurt(running)
    running.cloud.reset_calls()
    report = mend(running)
    assert running.cloud.calls.write == 0
    assert not report.healthy
    [line] = report.left
    assert text in line


def test_surplus_nodes_are_named_and_kept() -> None:
    running = Running(agents_spec(builders=3, jenkins=2))
    report = mend(running, spec=agents_spec(builders=3, jenkins=1), apply=False)
    assert "demo-jenkins-2: is not in the file; `clusterctl scale FILE jenkins=1` drains and removes" in report.left[0]


def test_rules_of_ours_that_the_file_has_no_more_go_and_those_of_others_are_told() -> None:
    running = Running(agents_spec())
    [group] = running.cloud.observe("demo").security_groups
    old = [Rule(22, 22, "192.0.2.0/24"), Rule(8000, 8100)]
    running.cloud.create_rules(group.id, old, owner_mark("demo"))
    running.cloud.create_rules(group.id, [Rule(8080, 8080, "0.0.0.0/0")])
    report = mend(running)
    left = running.cloud.observe("demo").security_groups[0].rules
    assert not left & set(old)
    assert Rule(8080, 8080, "0.0.0.0/0") in left
    assert [line.split("; ")[0] for line in report.left] == [
        "clusterctl.demo: lets in tcp/8080 from 0.0.0.0/0, which is not in the file and was not made by clusterctl"
    ]
    assert [finding.remedy for finding in mend(running).findings] == [Remedy.NONE]


def test_in_a_full_project_mending_goes_on() -> None:
    running = Running(agents_spec())
    running.cloud.quota = Limits(*[0] * 10)
    running.change("demo-control-1", status="SHUTOFF")
    assert mend(running).healthy
    assert running.cloud.lock_records == {}


def haunted(running: Running, ghost: Ghost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marathon, led by the first control node, lists a task on an agent that nobody hears of."""
    probe = running.nodes.probe
    address = next(port.address for port in running.cloud.ports("demo") if port.name == "demo-control-1")

    def probed(nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        leader = MarathonFacts(ping="pong", leader=f"{address}:8080", ghosts=(ghost,), framework_id="F")
        return {
            name: seen.model_copy(update={"marathon": leader if seen.marathon else None})
            for name, seen in probe(nodes).items()
        }

    monkeypatch.setattr(running.nodes, "probe", probed)


def test_the_agent_of_a_server_that_is_surely_gone_is_marked_so(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(agents_spec())
    haunted(running, Ghost(app="/a", host="10.50.3.99", agent="S-old"), monkeypatch)
    report = mend(running)
    assert [finding.line for finding in report.findings] == [
        "10.50.3.99: its server is gone, and Marathon waits for its tasks of /a; "
        "needed: tell the masters that the agent is gone"
    ]
    assert "S-old" in running.masters.gone


def test_an_agent_whose_server_is_only_missing_in_novas_list_is_not_marked_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = Running(agents_spec())
    monkeypatch.setattr(running.cloud, "used_addresses", {"10.50.3.99"}.intersection)
    haunted(running, Ghost(app="/a", host="10.50.3.99", agent="S-old"), monkeypatch)
    mend(running)
    assert running.masters.gone == []


def test_an_agent_whose_server_is_there_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(agents_spec())
    server = next(server for server in running.cloud.servers("demo") if server.group == "builders")
    haunted(running, Ghost(app="/a", host=server.address or "", agent=f"S-{server.id}"), monkeypatch)
    assert mend(running).findings == []
    assert running.masters.gone == []


@pytest.mark.parametrize("status", ["reserved", "attaching"])
def test_a_volume_that_waits_for_a_server_that_is_gone_is_named_at_once(status: str) -> None:
    running = Running(agents_spec())
    running.vanish("demo-jenkins-1")
    [(volume, meta)] = [each for each in running.cloud.volume_records.values() if each[0].name == "demo-jenkins-1"]
    running.cloud.volume_records[volume.id] = (replace(volume, status=status), meta)
    report = mend(running, apply=False)
    cures = [finding.advice for finding in report.findings if finding.id == volume.id]
    assert len(cures) == 1
    assert f"volume attachment list --volume-id {volume.id}" in cures[0]
    began = running.clock.now
    with pytest.raises(CloudError, match=f"is {status} for a server that is gone") as caught:
        mend(running)
    assert running.clock.now - began < 60
    assert "Then run the same command again" in (caught.value.hint or "")


def test_a_drained_agent_needs_nobodys_key_pair() -> None:
    running = Running(agents_spec())
    agent = running.agent_on(running.servers("builders")[0])
    running.masters.drain = {agent: "DRAINED"}
    running.cloud.keypairs = {"bob"}
    mend(running)
    assert running.masters.drain == {}


def test_what_can_not_be_changed_in_place_is_told() -> None:
    running = Running(agents_spec())
    running.change("demo-control-1", flavor="m1.tiny")
    report = mend(running, apply=False)
    assert [(finding.subject, finding.remedy) for finding in report.findings] == [("demo-control-1", Remedy.NONE)]
    assert "`clusterctl replace FILE demo-control-1`" in report.left[0]


def test_data_is_never_deleted() -> None:
    running = Running(agents_spec())
    running.cloud.create_volume(
        name="demo-jenkins-1",
        size_gib=5,
        metadata={"clusterctl.cluster": "demo", KEY_NODE: "demo-jenkins-1"},
        zone=None,
    )
    running.cloud.create_volume(
        name="demo-jenkins-9",
        size_gib=5,
        metadata={"clusterctl.cluster": "demo", KEY_NODE: "demo-jenkins-9"},
        zone=None,
    )
    report = mend(running)
    assert len(running.cloud.volumes("demo")) == 4
    assert [line.split(";")[0].split(" volume-")[0] for line in report.left] == [
        "demo-jenkins-1: volume",
        "demo-jenkins-9: volume",
    ]


def test_a_port_in_use_by_others_is_left_alone() -> None:
    running = Running()
    port = stray_port(running, "demo-control-9")
    record = running.cloud.port_records[port]
    record.shown = type(record.shown)(port, "demo-control-9", record.shown.address, "a-strangers-server")
    report = mend(running)
    assert port in running.cloud.port_records
    assert "in use by a-strangers-server" in report.left[0]


def test_a_security_group_in_use_is_left() -> None:
    running = Running()
    running.cloud.create_security_group("clusterctl.demo", owner_mark("demo"))
    running.cloud.faults.append(Fault(CloudError("in use", status=409), kind="DELETE /security-groups/{id}"))
    report = mend(running)
    assert report.healthy
    assert report.done == []
    [line] = report.left
    assert line.endswith("needed: delete the security group: in use")


def waiting(running: Running) -> Running:
    """A member is shut off, and a Marathon beside it ends again and again until it is back."""
    running.change("demo-control-1", status="SHUTOFF")
    running.nodes.dead = {("demo-control-2", Service.MARATHON): "activating"}
    return running


def test_what_heals_by_itself_when_the_rest_is_mended_is_not_left() -> None:
    running = waiting(Running(agents_spec()))
    report = mend(running, apply=False)
    assert [finding.remedy for finding in report.findings] == [Remedy.START, Remedy.NONE]
    assert len(report.left) == 1

    def healed(spec: ClusterSpec, fresh: bool) -> VerifyReport:
        running.nodes.dead = {}
        return running.wait_healthy(spec, fresh)

    report = repair(running.operation(healed), running.unit_work, apply=True)
    assert (report.healthy, report.left) == (True, [])
    assert [line.split(";")[0] for line in report.done] == ["demo-control-1: is shut off"]


def test_what_is_wrong_at_the_end_is_left_whenever_it_began() -> None:
    running = waiting(Running(agents_spec()))

    def another(spec: ClusterSpec, fresh: bool) -> VerifyReport:
        running.nodes.dead = {("demo-control-3", Service.MARATHON): "activating"}
        return running.wait_healthy(spec, fresh)

    [line] = repair(running.operation(another), running.unit_work, apply=True).left
    assert line.startswith("demo-control-3: marathon does not serve")


def test_without_a_leading_master_resources_are_judged_all_the_same() -> None:
    running = Running()
    running.masters.failures = ["no leader elected"]
    running.change("demo-control-1", status="SHUTOFF")
    report = mend(running, apply=False)
    assert told(report) == {"demo-control-1": Remedy.START}


def broken() -> Running:
    running = Running(agents_spec())
    break_much(running)
    return running


def calls_of_an_undisturbed_run() -> int:
    running = broken()
    running.cloud.reset_calls()
    mend(running)
    return running.cloud.calls.read + running.cloud.calls.write


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, calls_of_an_undisturbed_run() + 1))
def test_killed_at_any_call_the_same_command_finishes(call: int, when: Any) -> None:
    undisturbed = broken()
    mend(undisturbed)
    running = broken()
    kill(running.cloud, call, when)
    with pytest.raises(SystemExit):
        mend(running)
    revive(running.cloud)
    mend(running)
    assert state(running) == state(undisturbed)


def test_a_narrowed_access_is_narrowed_and_rules_of_others_stay() -> None:
    wide = agents_spec()
    running = Running(wide)
    [group] = running.cloud.observe("demo").security_groups
    running.cloud.create_rules(group.id, [Rule(22, 22, "203.0.113.0/24")], "somebody's")
    narrow = wide.model_copy(update={"access": demo_spec(access={"ssh_from": ["10.0.0.0/8"]}).access})

    def open_to() -> set[str | None]:
        [now] = running.cloud.observe("demo").security_groups
        return {rule.source for rule in now.rules if rule.port_min == 22 and rule.source}

    assert Remedy.DELETE_RULE in [finding.remedy for finding in mend(running, narrow, apply=False).findings]
    assert open_to() == {"198.51.100.0/24", "203.0.113.0/24"}
    mend(running, narrow)
    assert open_to() == {"10.0.0.0/8", "203.0.113.0/24"}
