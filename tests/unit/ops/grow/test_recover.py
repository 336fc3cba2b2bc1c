"""recover: from survivors, a backup or nothing; never a majority of empty members beside one that holds data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from clusterctl.errors import CancelledError, ClusterctlError, InputError, NodeError
from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts
from clusterctl.ops.backup.backup import MANIFEST, TREE
from clusterctl.ops.grow.operation import Operation
from clusterctl.ops.grow.recover import RecoverReport, Source, recover
from clusterctl.ops.lifecycle.majorities import LostMajorityError
from clusterctl.ops.observe.look import Look
from clusterctl.remote.members import MemberData
from clusterctl.services import Service
from clusterctl.topology import quorum
from tests.unit.ops.clouds import create_in, kill, revive
from tests.unit.ops.operations import Running
from tests.unit.specs import demo, demo_spec


@dataclass
class World:
    """Ensembles with data: an election, a synced follower, a full replica of the masters' log. A ``MemberWork``.

    Attributes:
        epochs: of ZooKeepers, by server id; 0 for one that never took part.
        full: server ids of masters whose replica of the log is full.
        down: server ids of nodes that can't be reached.
    """

    running: Running
    epochs: dict[str, int] = field(default_factory=dict)
    full: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    restored: list[Path] = field(default_factory=list)
    copied: list[tuple[str, list[str]]] = field(default_factory=list)
    led_by_empty: bool = False

    def __post_init__(self) -> None:
        for server in self.members():
            self.epochs[server.id] = 5
            self.full.add(server.id)
        self.running.nodes.probe = self.probe  # type: ignore[method-assign]

    def members(self) -> list[Any]:
        return [s for s in self.running.cloud.servers("demo") if s.group == "control"]

    @property
    def need(self) -> int:
        return quorum(self.running.spec.groups["control"].count)

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        here = [n for n in nodes if n.group == "control" and n.status == "ACTIVE" and n.server_id not in self.down]
        ids = [node.server_id for node in here]
        followed = [each for each in ids if self.epochs.setdefault(each, 0) == max(self.epochs.values())]
        serving: list[str] = []
        if len(ids) >= self.need:
            if max(self.epochs[each] for each in ids) == 0:
                self.led_by_empty = True
            if len(ids) - len([each for each in ids if self.epochs[each]]) >= self.need:
                self.led_by_empty = True  # they need nobody else
            best = max(self.epochs[each] for each in ids)
            serving = ids
            for each in ids:
                self.epochs[each] = best + (not followed)
        if len(self.full & set(ids)) >= self.need or (not self.full & set(ids) and len(ids) == 2 * self.need - 1):
            self.full |= set(ids)
        return {node.name: self._facts(node, serving) for node in nodes}

    def _facts(self, node: Node, serving: list[str]) -> NodeFacts:
        if node.status != "ACTIVE" or node.server_id in self.down:
            return NodeFacts(error="no route to host")
        leads = serving[:1] == [node.server_id]
        zookeeper = (
            {"state": "leader" if leads else "follower"} if node.server_id in serving else {"error": "no quorum"}
        )
        parts: dict[str, Any] = {
            "zookeeper": zookeeper,
            "mesos_master": {"log_recovered": node.server_id in self.full, "elected": leads},
            "marathon": {"ping": "pong"},
        }
        return NodeFacts.model_validate({"boot": {"state": "done"}, **parts})

    def data(
        self, nodes: Sequence[Node], _directories: Mapping[Service, Sequence[str]]
    ) -> dict[str, MemberData | NodeError]:
        return {
            node.name: MemberData.model_validate(
                {
                    "zookeeper": {"epoch": self.epochs.get(node.server_id, 0), "written": 1000},
                    "mesos_master": {"written": 1000, "bytes": 10},
                }
            )
            for node in nodes
        }

    def copy_log(self, source: str, targets: Sequence[str]) -> None:
        ids = {server.node: server.id for server in self.members()}
        assert ids[source] in self.full
        assert not {ids[name] for name in targets} & self.full, "a full replica is written over"
        self.full |= {ids[name] for name in targets}
        self.copied.append((source, list(targets)))

    def bring_back(self, _look: Look, directory: Path) -> None:
        self.restored.append(directory)


def world(count: int = 3, **group: object) -> World:
    groups = demo()["groups"]
    groups["control"] |= {"count": count, **group}
    return World(Running(demo_spec(groups=groups)))


def run(made: World, source: Source = Source(), told: list[str] | None = None) -> RecoverReport:  # noqa: B008
    def confirm(lines: Sequence[str]) -> None:
        if told is not None:
            told.extend(lines)

    return recover(operation(made), made, source, confirm)


def operation(made: World) -> Operation:
    """Bounded, as the program's."""
    end = made.running.clock.now + 1800
    return replace(made.running.operation(), left=lambda: end - made.running.clock.now)


def ids(made: World) -> dict[str, str]:
    return {server.node: server.id for server in made.members()}


def test_from_the_one_survivor() -> None:
    made = world()
    before, told = ids(made), list[str]()
    for name in ("demo-control-1", "demo-control-3"):
        made.running.vanish(name)
    with pytest.raises(LostMajorityError):
        create_in(made.running.cloud, made.running.spec)
    report = run(made, told=told)
    assert (report.kept, report.made, report.healthy) == (
        ["demo-control-2"],
        ["demo-control-1", "demo-control-3"],
        True,
    )
    assert ids(made)["demo-control-2"] == before["demo-control-2"]
    assert not made.led_by_empty
    assert {made.epochs[each] for each in ids(made).values()} == {5}
    assert made.copied == [("demo-control-2", ["demo-control-1"])]
    assert "+ demo-control-2 goes on with ZooKeeper's epoch 5, last written 1970-01-01 00:16:40 UTC" in told[2]
    assert any(line.startswith("lost: what only the others knew") for line in told)


def test_a_survivor_that_is_shut_off_is_started_and_asked() -> None:
    made = world()
    made.running.vanish("demo-control-1")
    made.running.vanish("demo-control-3")
    made.running.change("demo-control-2", status="SHUTOFF")
    assert run(made).kept == ["demo-control-2"]
    assert not made.led_by_empty


def test_of_five_two_survive() -> None:
    made = world(5)
    for number in (1, 2, 4):
        made.running.vanish(f"demo-control-{number}")
    report = run(made)
    assert report.kept == ["demo-control-3", "demo-control-5"]
    assert len(made.members()) == 5
    assert not made.led_by_empty
    assert made.copied == [("demo-control-3", ["demo-control-1"])]


def test_of_five_one_survives() -> None:
    made = world(5)
    for number in (1, 2, 4, 5):
        made.running.vanish(f"demo-control-{number}")
    assert run(made).kept == ["demo-control-3"]
    assert not made.led_by_empty
    assert made.copied == [("demo-control-3", ["demo-control-1", "demo-control-2"])]


def test_it_asks_before_anything_is_made() -> None:
    made = world()
    made.running.vanish("demo-control-1")
    made.running.vanish("demo-control-3")

    def no(_lines: Sequence[str]) -> None:
        raise CancelledError("declined")

    with pytest.raises(CancelledError):
        recover(operation(made), made, Source(), no)
    assert len(made.members()) == 1
    assert not made.running.cloud.lock_records


def test_a_cluster_with_a_majority_has_nothing_to_recover() -> None:
    made = world()
    made.running.vanish("demo-control-1")
    for source in (Source(), Source(empty=True)):
        with pytest.raises(ClusterctlError, match="there is nothing to recover"):
            run(made, source)
    assert len(made.members()) == 2


def test_what_can_not_be_asked_may_be_the_newest() -> None:
    made = world()
    made.running.vanish("demo-control-1")
    made.down = {ids(made)["demo-control-2"]}
    with pytest.raises(
        ClusterctlError, match="demo-control-2 can't be asked what it holds: no route to host"
    ) as caught:
        run(made)
    assert "`clusterctl recover FILE --from demo-control-3` goes on without it" in (caught.value.hint or "")
    assert len(made.members()) == 2
    old = ids(made)["demo-control-2"]
    told: list[str] = []
    report = run(made, Source(members=["demo-control-3"]), told)
    assert report.kept == ["demo-control-3"]
    assert any("demo-control-2 (ACTIVE): its server is deleted; what it held is unknown" in line for line in told)
    assert old not in ids(made).values()


def test_two_histories_are_told_and_chosen_from() -> None:
    """An older clusterctl made empty members beside a survivor that was shut off: they elected each other."""
    made = world()
    now = ids(made)
    made.epochs = {now["demo-control-1"]: 1, now["demo-control-3"]: 1, now["demo-control-2"]: 5}
    made.full = {now["demo-control-2"]}
    stuck = made.probe

    def probe(nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        if not {now["demo-control-1"], now["demo-control-3"]} <= set(ids(made).values()):
            return stuck(nodes)
        kept, made.epochs = dict(made.epochs), {**made.epochs, now["demo-control-2"]: 1}
        facts = stuck(nodes)
        made.epochs = kept
        error = {"zookeeper": {"error": "not currently serving requests"}}
        facts["demo-control-2"] = facts["demo-control-2"].model_copy(
            update={"zookeeper": NodeFacts.model_validate(error).zookeeper}
        )
        return facts

    made.running.nodes.probe = probe  # type: ignore[method-assign]
    with pytest.raises(ClusterctlError, match="two histories: demo-control-2 is at ZooKeeper's epoch 5") as caught:
        run(made)
    assert "--from demo-control-2` goes on with the old data" in (caught.value.hint or "")
    assert ids(made) == now
    assert run(made, Source(members=["demo-control-2"])).kept == ["demo-control-2"]
    assert not {now["demo-control-1"], now["demo-control-3"]} & set(ids(made).values())
    assert not made.led_by_empty
    assert {made.epochs[each] for each in ids(made).values()} == {5}


def test_masters_that_wait_for_a_majority_of_full_logs_get_a_copy() -> None:
    """ZooKeeper is whole; two masters of three have empty replicas."""
    made = world()
    made.full = {ids(made)["demo-control-2"]}
    before = ids(made)
    assert run(made).kept == ["demo-control-1", "demo-control-2", "demo-control-3"]
    assert ids(made) == before
    assert made.copied == [("demo-control-2", ["demo-control-1"])]


@pytest.mark.parametrize("left", [0, 1])
def test_empty_members_are_no_survivors(left: int) -> None:
    made = world()
    for number in range(1, 4 - left):
        made.running.vanish(f"demo-control-{number}")
    made.epochs = dict.fromkeys(made.epochs, 0)
    with pytest.raises(ClusterctlError, match="group control can't be recovered from its members") as caught:
        run(made)
    assert "--from-backup DIRECTORY" in (caught.value.hint or "")


def test_empty_by_word() -> None:
    made, told = world(), list[str]()
    for number in (1, 2, 3):
        made.running.vanish(f"demo-control-{number}")
    report = run(made, Source(empty=True), told)
    assert (report.kept, len(report.made), len(made.members())) == ([], 3, 3)
    assert any(line.startswith("lost: all apps") for line in told)
    assert not any("key" in line for line in told), "it is open"


def backup(directory: Path, cluster: str = "demo") -> Path:
    tree = json.dumps({"path": "/marathon", "zxid": [1, 2], "nodes": {"": "", "/state": ""}})
    (directory / TREE).write_text(tree)
    files = {TREE: {"bytes": len(tree), "sha256": sha256(tree.encode()).hexdigest()}}
    (directory / MANIFEST).write_text(json.dumps({"cluster": cluster, "time": "2026-01-01", "files": files}))
    return directory


def test_from_a_backup(tmp_path: Path) -> None:
    made, told = world(), list[str]()
    made.running.vanish("demo-control-1")
    made.running.vanish("demo-control-2")
    survivor = ids(made)["demo-control-3"]
    report = run(made, Source(backup=backup(tmp_path)), told)
    assert (report.kept, len(report.made)) == ([], 3)
    assert survivor not in ids(made).values()
    assert made.restored == [tmp_path]
    assert any("demo-control-3 (ACTIVE): its server is deleted; lost with it: ZooKeeper's epoch 5" in t for t in told)
    assert any("Marathon's apps of 2026-01-01" in line for line in told)


@pytest.mark.parametrize(("late_s", "heard"), [(60, True), (10**6, False)])
def test_marathon_is_brought_back_when_the_masters_know_its_agents(late_s: float, heard: bool, tmp_path: Path) -> None:
    """It leads at once, and what runs on agents that they don't know is lost to it."""
    made = world()
    for number in (1, 2, 3):
        made.running.vanish(f"demo-control-{number}")
    running, known, warned = made.running, list[set[str]](), list[str]()
    began, every = running.clock.now, dict(running.masters.agents)

    def look_around() -> None:
        running.masters.agents = every if running.clock.now >= began + late_s else {}

    def bring_back(_look: Look, directory: Path) -> None:
        known.append(set(running.masters.agents))

    running.look_around = look_around  # type: ignore[method-assign]
    made.bring_back = bring_back  # type: ignore[method-assign]
    op = operation(made)
    vars(op.run)["warn"] = warned.append
    recover(op, made, Source(backup=backup(tmp_path)), lambda _: None)
    assert known == [set(every) if heard else set()]
    assert ["goes on without agents" in text for text in warned] == [True] * (not heard)


def test_a_backup_is_looked_at_before_anything_is_given_up(tmp_path: Path) -> None:
    made = world()
    made.running.vanish("demo-control-1")
    made.running.vanish("demo-control-2")
    with pytest.raises(ClusterctlError, match="can't be read"):
        run(made, Source(backup=tmp_path))
    with pytest.raises(ClusterctlError, match="is of cluster other, expected demo"):
        run(made, Source(backup=backup(tmp_path, "other")))
    assert len(made.members()) == 1


def test_old_volumes_are_not_taken_for_a_beginning(tmp_path: Path) -> None:
    made = world(volume={"size": 5, "mount": "/var/lib/zookeeper"})
    for number in (1, 2, 3):
        made.running.vanish(f"demo-control-{number}")
    with pytest.raises(ClusterctlError, match="holds data of demo-control-1"):
        run(made, Source(empty=True))
    assert made.members() == []


def test_wrong_words() -> None:
    with pytest.raises(InputError, match="--new-key: found without --from-backup and --empty"):
        Source(new_key=True)
    made = world()
    made.running.vanish("demo-control-1")
    made.running.vanish("demo-control-2")
    with pytest.raises(InputError, match="--from: found 'demo-control-1'; allowed: demo-control-3"):
        run(made, Source(members=["demo-control-1"]))
    with pytest.raises(InputError, match="allowed: one of them"):
        Source(members=["a"], empty=True)


def lost() -> World:
    made = world()
    made.running.vanish("demo-control-1")
    made.running.vanish("demo-control-3")
    made.running.change("demo-control-2", status="SHUTOFF")
    return made


def calls_of_an_undisturbed_run() -> int:
    made = lost()
    made.running.cloud.reset_calls()
    run(made)
    return made.running.cloud.calls.read + made.running.cloud.calls.write


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, calls_of_an_undisturbed_run() + 1))
def test_killed_at_any_call_nothing_is_lost_and_it_can_be_finished(call: int, when: Any) -> None:
    made = lost()
    kill(made.running.cloud, call, when)
    with pytest.raises(SystemExit):
        run(made)
    revive(made.running.cloud)
    try:
        run(made)
    except ClusterctlError as error:  # a majority is there again: the rest is for create, or repair
        assert "nothing to recover" in error.message
        create_in(made.running.cloud, made.running.spec)
    assert len(made.members()) == 3
    assert not made.led_by_empty
    made.probe([replace_node(server) for server in made.members()])
    assert {made.epochs[each] for each in ids(made).values()} == {5}
    assert set(ids(made).values()) <= made.full


def replace_node(server: Any) -> Node:
    return Node(server.node, server.id, server.group, server.address, tuple(map(Service, server.services)))
