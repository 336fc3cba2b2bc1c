"""Waiting for a healthy cluster: whom it asks and when, what ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from clusterctl.errors import NodeError, UnhealthyError
from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts
from clusterctl.ops.kit.access import Access
from clusterctl.ops.observe.bootwatch import PATIENCE_S
from clusterctl.ops.observe.farewell import Farewell
from clusterctl.ops.observe.healthy import TICK_S, Helpers, wait_healthy
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.resources import Flavor, Server
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from tests.memory.cloud import MemoryCloud
from tests.unit.health.clusters import CONTROL, FLAVORS, SPEC, agents, all_facts, facts, servers
from tests.unit.ops.clouds import Clock
from tests.unit.ssh.keys import ED25519, key_line, said


class Listing(MemoryCloud):
    """A cloud that lists the servers it is given."""

    listed: list[Server]

    def servers(self, cluster: str) -> list[Server]:
        with self.call("GET", "/servers/detail"):
            return self.listed

    def flavors(self) -> list[Flavor]:
        with self.call("GET", "/flavors/detail"):
            return list(FLAVORS)

    def console(self, server_id: str, lines: int | None = None) -> str:
        with self.call("POST", "/servers/{id}/action", reads=True):
            return self.consoles.get(server_id, "")


@dataclass
class World:
    """A cluster whose nodes answer what the test says at the time of its clock."""

    known: KnownHosts
    says: Callable[[str, float], NodeFacts] = lambda name, _: all_facts()[name]
    rounds: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    cloud: Listing = field(default_factory=Listing)

    def __post_init__(self) -> None:
        self.cloud.listed = servers()
        self.cloud.consoles = {f"id-{name}": key_line(ED25519) for name in CONTROL}
        self.keys = HostKeys(self.known, self.cloud.console, self.cloud.rebuilt)

    @property
    def access(self) -> Access:
        ssh = Ssh(SshConfig("debian", self.known.path, Path("/r")))
        return Access(ssh, self.keys, self, ports_open=lambda addresses, _: frozenset(addresses))

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        if nodes:
            self.rounds.append(tuple(node.name.removeprefix("demo-control-") for node in nodes))
        return {node.name: self.says(node.name, self.clock.now) for node in nodes}

    def wait(self, deadline_s: float = 300, helpers: Helpers | None = None) -> VerifyReport:
        return wait_healthy(
            SPEC,
            self.cloud,
            self.access,
            deadline_s=deadline_s,
            waiter=self.clock.waiter(),
            note=self.notes.append,
            helpers=helpers or Helpers(),
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(KnownHosts(tmp_path / "known_hosts"))


def calls(world: World, kind: str) -> int:
    return world.cloud.calls.by_kind.get(kind, 0)


def test_a_healthy_cluster_is_seen_in_one_round_without_a_write(world: World) -> None:
    assert world.wait().healthy
    assert world.rounds == [("1", "2", "3")]
    assert (world.clock.now, world.notes) == (0.0, [])
    assert world.cloud.calls.write == 0
    assert calls(world, "GET /servers/detail") == 1
    assert calls(world, "POST /servers/{id}/action") == 3  # each console once: its host key


def test_pinned_nodes_cost_no_console_read(world: World) -> None:
    for name in CONTROL:
        world.known.pin(f"id-{name}", [ED25519])
    world.wait()
    assert calls(world, "POST /servers/{id}/action") == 0


def test_pins_of_servers_that_are_gone_are_forgotten(world: World) -> None:
    world.known.pin("id-of-a-replaced-server", [ED25519])
    world.wait()
    assert world.known.aliases() == {f"id-{name}" for name in CONTROL}


def test_only_nodes_that_are_not_ready_are_asked_again_then_all_for_the_verdict(world: World) -> None:
    booting = facts(2, boot={"state": "running", "step": "services"})
    world.says = lambda name, now: booting if name == CONTROL[1] and now < 9 else all_facts()[name]
    assert world.wait().healthy
    assert world.rounds == [("1", "2", "3"), ("2",), ("2",), ("2",), ("2",), ("1", "3")]
    assert world.notes[0].startswith("17 of 18 checks hold; boot: demo-control-2 (10.0.0.2): its boot is running")
    assert world.clock.now == 4 * TICK_S
    assert calls(world, "GET /servers/detail") == 5


def test_missing_agents_are_waited_for_at_the_leader_alone(world: World) -> None:
    def says(name: str, now: float) -> NodeFacts:
        here = agents() if now >= 9 else agents()[:1]
        return facts(1, mesos_master={"agents": here}) if name == CONTROL[0] else all_facts()[name]

    world.says = says
    assert world.wait().healthy
    assert world.rounds == [("1", "2", "3"), ("1",), ("1",), ("1",), ("1",), ("2", "3")]


def test_a_new_leader_while_agents_are_missing(world: World) -> None:
    def says(name: str, now: float) -> NodeFacts:
        if now < 5:
            return facts(1, mesos_master={"agents": []}) if name == CONTROL[0] else all_facts()[name]
        lead = {"elected": True, "registrar_recovered": True, "agents": agents(), "frameworks": []}
        number = int(name[-1])
        change = {"leader": "10.0.0.2:5050", **(lead if number == 2 else {"elected": False, "agents": None})}
        found = facts(number, mesos_master=change)
        if number == 2 and now >= 12:
            framework = all_facts()[CONTROL[0]].mesos_master
            assert framework is not None
            change["frameworks"] = [one.model_dump() for one in framework.frameworks]
            found = facts(2, mesos_master=change)
        return found

    world.says = says
    assert world.wait().healthy
    assert world.rounds[-1] == ("1", "2", "3")


def test_a_node_that_fell_back_is_found_in_the_last_round(world: World) -> None:
    def says(name: str, now: float) -> NodeFacts:
        if name == CONTROL[1] and now < 4:
            return facts(2, marathon={"error": "connection refused"})
        if name == CONTROL[2] and 4 < now < 6:
            return NodeFacts(error="ssh: timed out")
        return all_facts()[name]

    world.says = says
    assert world.wait().healthy
    assert world.rounds == [("1", "2", "3"), ("2",), ("2",), ("1", "3"), ("3",), ("1", "2")]


def test_the_deadline_names_the_failed_checks(world: World) -> None:
    world.says = lambda name, _: facts(int(name[-1]), marathon={"error": "connection refused"})
    with pytest.raises(UnhealthyError) as caught:
        world.wait(deadline_s=10)
    lines = caught.value.message.splitlines()
    assert lines[0] == "cluster demo is not healthy after 10 s:"
    assert lines[1].startswith("    marathon.members: demo-control-1 (10.0.0.1): connection refused")
    assert "journalctl" in (caught.value.hint or "")
    assert world.clock.now == 10.0
    assert len(world.notes) == 5


def test_consoles_of_agents_are_read_only_when_a_leader_misses_them(world: World) -> None:
    for name in CONTROL:
        world.known.pin(f"id-{name}", [ED25519])
    nobody = {"elected": False, "leader": None}
    world.says = lambda name, now: (
        facts(int(name[-1]), mesos_master=nobody)
        if now < 200
        else facts(1, mesos_master={"agents": []})
        if name == CONTROL[0]
        else all_facts()[name]
    )
    reads = "POST /servers/{id}/action"
    with pytest.raises(UnhealthyError):
        world.wait(deadline_s=99)
    assert calls(world, reads) == 0
    world.clock.now = 200
    world.cloud.consoles["id-demo-builders-abc-1"] = said("failed mesos-agent\n")
    with pytest.raises(NodeError, match="node demo-builders-abc-1 failed at step 'mesos-agent'"):
        world.wait(deadline_s=99)
    assert world.clock.now >= 200 + PATIENCE_S
    assert calls(world, reads) == 2  # both agents, once


def test_at_the_deadline_missing_agents_are_asked_themselves(world: World) -> None:
    def says(name: str, now: float) -> NodeFacts:
        if name == "demo-builders-abc-1":
            return facts(1, mesos_agent={"error": "connection refused"}, units={"mesos-agent": "activating"})
        return facts(1, mesos_master={"agents": agents()[:1]}) if name == CONTROL[0] else all_facts()[name]

    world.says = says
    with pytest.raises(UnhealthyError, match=r"connection refused \(unit mesos-agent is activating\)"):
        world.wait(deadline_s=10)
    assert world.rounds[-1] == ("demo-builders-abc-1",)


def test_a_failed_boot_ends_the_wait_at_once(world: World) -> None:
    world.says = lambda name, _: facts(int(name[-1]), boot={"state": "failed", "step": "files", "detail": "disk full"})
    world.cloud.consoles = {f"id-{name}": f"{key_line(ED25519)}\nthe end\n" for name in CONTROL}
    with pytest.raises(NodeError) as caught:
        world.wait()
    assert caught.value.message.startswith("node demo-control-1: its boot is failed at step 'files': disk full\n")
    assert caught.value.message.endswith("    the end")
    assert world.clock.now == 0.0


def test_a_failed_boot_on_the_console_ends_the_wait_before_ssh_works(world: World) -> None:
    world.cloud.consoles[f"id-{CONTROL[2]}"] = said("failed fetch\n")
    with pytest.raises(NodeError, match="node demo-control-3 failed at step 'fetch'"):
        world.wait()
    assert world.rounds == []


@pytest.mark.parametrize("fault", ["No valid host was found.", None])
def test_a_server_in_error_ends_the_wait_with_novas_reason(world: World, fault: str | None) -> None:
    first, *rest = servers()
    world.cloud.listed = [*rest, replace(first, status="ERROR", fault=fault)]
    reason = fault or "Nova gives no reason"
    with pytest.raises(NodeError, match=f"server demo-control-1 is in ERROR: {reason}"):
        world.wait()


def test_servers_that_are_built_are_waited_for(world: World) -> None:
    ready = servers()
    building: list[Server] = [replace(each, status="BUILD", address=None) for each in ready]
    sleeps: list[Any] = []

    class Later(Listing):
        def servers(self, cluster: str) -> list[Server]:
            sleeps.append(world.clock.now)
            self.listed = ready if world.clock.now >= 5 else building
            return super().servers(cluster)

    world.cloud = Later(consoles=world.cloud.consoles)
    world.keys = HostKeys(world.known, world.cloud.console, world.cloud.rebuilt)
    assert world.wait().healthy
    assert world.rounds == [("1", "2", "3")]
    assert world.notes[0].startswith("0 of 18 checks hold; servers: demo-control-1 is BUILD, expected ACTIVE")
    assert sleeps == [0.0, 2.5, 5.0]


def test_a_task_of_a_replaced_agent_is_started_on_the_new_one(world: World) -> None:
    gone: list[str] = []
    app = {"id": "/jenkins/a", "name": "a", "slot": 1, "bound": "10.0.0.11", "instances": 1}
    ghost = {"app": "/jenkins/a", "host": "10.0.0.11", "agent": "S-old"}

    class Masters:
        def call(self, calls: Sequence[Any], agents: Sequence[str] = ()) -> list[Any]:
            gone.extend(call["mark_agent_gone"]["agent_id"]["value"] for call in calls)
            return [None] * len(calls)

    def says(name: str, _now: float) -> NodeFacts:
        runs = {"jenkins": [app | {"running": 1, "hosts": ["10.0.0.11"]}]}
        waits = {"jenkins": [app | {"running": 0}], "ghosts": [ghost]}
        return all_facts(c2=facts(2, marathon=runs if gone else waits))[name]

    world.says = says
    farewell = Farewell(SPEC, world.access, set, world.notes.append, masters=lambda _expect: Masters())
    assert world.wait(helpers=Helpers(farewell=farewell)).healthy
    assert gone == ["S-old"]


def test_ctrl_c_passes(world: World) -> None:
    def interrupted(name: str, now: float) -> NodeFacts:
        raise KeyboardInterrupt

    world.says = interrupted
    with pytest.raises(KeyboardInterrupt):
        world.wait()
