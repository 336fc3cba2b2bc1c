"""Growing and shrinking ensembles: at every moment any two majorities that could form share a member, masters never
outnumber what their quorum was set for, and whoever is to leave doesn't lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import pytest

from clusterctl.errors import InputError, UnhealthyError
from clusterctl.ops.grow.scale import ScaleReport, scale
from clusterctl.ops.grow.scale_checks import Options
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.ops.roll.order import next_member
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import quorum, topology
from tests.unit.ops.clouds import kill, revive
from tests.unit.ops.grow.test_scale import NoWork, state
from tests.unit.ops.operations import Running
from tests.unit.specs import demo, demo_spec


@dataclass(frozen=True)
class Files:
    """What a node's files (or its processes) say: the ZooKeepers, and the masters' quorum."""

    zookeepers: tuple[str, ...]
    of_masters: int


def files_of(spec: ClusterSpec) -> Files:
    top = topology(spec)
    zookeepers = tuple(node.name for node in top.running(Service.ZOOKEEPER))
    return Files(zookeepers, quorum(len(top.running(Service.MESOS_MASTER))))


def read_by(service: Service, files: Files) -> Files:
    """What a service reads of it: the quorum is for masters only."""
    return files if service is Service.MESOS_MASTER else Files(files.zookeepers, 0)


class World(Running):
    """A cluster whose nodes have files and processes; also the ``NodeWork`` on them."""

    def __init__(self, spec: ClusterSpec) -> None:
        super().__init__(spec)
        self.files: dict[str, Files] = {}
        self.processes: dict[tuple[str, Service], Files] = {}
        self.leads: dict[Service, str] = {}
        self.log: list[str] = []
        self.steps_left: int | None = None
        self.election_after: int | None = None  # steps
        self.winner = -1  # the highest
        self.stopped: str | None = None
        self.following: set[str] = set()
        for service in (Service.ZOOKEEPER, Service.MESOS_MASTER, Service.MARATHON):
            self.leads[service] = topology(spec).running(service)[-1].name
        self.register(spec)
        self.log.clear()

    def services(self, name: str) -> tuple[Service, ...]:
        shown = next(record.shown for record in self.cloud.server_records.values() if record.shown.name == name)
        return tuple(Service(each) for each in shown.services)

    def register(self, spec: ClusterSpec) -> None:
        """New servers come up with complete files of the spec that they were made from."""
        present = {record.shown.name for record in self.cloud.server_records.values()}
        for name in sorted(present - self.files.keys()):
            self.files[name] = files_of(spec)
            for service in self.services(name):
                self.processes[name, service] = files_of(spec)
            self.log.append(f"boot {name}")
        for name in sorted(self.files.keys() - present):
            del self.files[name]
            self.processes = {key: files for key, files in self.processes.items() if key[0] != name}
            self.log.append(f"gone {name}")
        for service, leader in self.leads.items():
            if service is not Service.ZOOKEEPER and (leader, service) not in self.processes:
                self.leads[service] = next(name for name, each in self.processes if each is service)
        if not self._led():
            self.elect()
        self.check()

    def check(self) -> None:
        """The invariants, over the processes that run."""
        lists = {files.zookeepers for (_, service), files in self.processes.items() if service is Service.ZOOKEEPER}
        for one, other in combinations(sorted(lists), 2):
            union = len(set(one) | set(other))
            assert quorum(len(one)) + quorum(len(other)) > union, f"{one} and {other} could both form a majority"
        assert self.election_after is not None or not self.left_out(), "who leads is not listed by all"
        masters = [files for (_, service), files in self.processes.items() if service is Service.MESOS_MASTER]
        for files in masters:
            assert len(masters) < 2 * files.of_masters, f"{len(masters)} masters run, quorum {files.of_masters}"

    def _list(self, name: str) -> tuple[str, ...]:
        return self.processes[name, Service.ZOOKEEPER].zookeepers

    def _joined(self, leader: str, following: set[str]) -> set[str]:
        """Those and all that find the leader: they list it, and of their list a majority follows it."""
        running = set(self.processes_of(Service.ZOOKEEPER)) - {self.stopped}
        following &= running
        while found := [
            name
            for name in running - following
            if leader in self._list(name)
            and len(following.intersection(self._list(name))) >= quorum(len(self._list(name)))
        ]:
            following |= set(found)
        return following

    def left_out(self) -> list[str]:
        """ZooKeepers that take no part: they stay out until they get another list, or another leads."""
        leader = self.leads.get(Service.ZOOKEEPER)
        self.following = self._joined(leader, self.following) if leader else set()
        return [name for name in self.processes_of(Service.ZOOKEEPER) if name not in self.following]

    def elect(self, without: Sequence[str] = ()) -> None:
        """As ZooKeeper does: one for whom a majority of its own list votes; nobody votes for whom it lacks.

        Of those that can win ``winner`` tells which does; as few as possible follow it, those with the shortest list.
        """
        alive = [name for name in self.processes_of(Service.ZOOKEEPER) if name not in (*without, self.stopped)]
        voters = {
            name: [each for each in alive if each in self._list(name) and name in self._list(each)] for name in alive
        }
        can = sorted(name for name in alive if len(voters[name]) >= quorum(len(self._list(name))))
        self.following = set()
        if not can:
            self.leads.pop(Service.ZOOKEEPER, None)
            return
        leader = self.leads[Service.ZOOKEEPER] = can[self.winner % len(can)]
        others = sorted((len(self._list(name)), name) for name in voters[leader] if name != leader)
        few = {name for _, name in others[: quorum(len(self._list(leader))) - 1]}
        self.following = self._joined(leader, {leader, *few})

    def restart(self, name: str) -> None:
        """With its files' list; where the leader loses its majority without it, there is an election."""
        self.processes[name, Service.ZOOKEEPER] = self.files[name]
        self.following.discard(name)
        if not self._led():
            self.elect(without=[name])
            if Service.ZOOKEEPER not in self.leads:
                self.elect()

    def _led(self) -> bool:
        """Whether the leader has a majority of its list."""
        leader = self.leads.get(Service.ZOOKEEPER)
        if leader not in self.following & set(self.processes_of(Service.ZOOKEEPER)):
            return False
        members = self._list(leader)
        return len(self.following.intersection(members)) >= quorum(len(members))

    # --- Operation ----------------------------------------------------------------------------------------------
    def wait_healthy(self, spec: ClusterSpec, fresh: bool) -> VerifyReport:
        if out := self.left_out():
            raise UnhealthyError(f"{', '.join(out)} take no part")
        report = super().wait_healthy(spec, fresh)
        self.register(spec)
        return report

    # --- NodeWork -----------------------------------------------------------------------------------------------
    def _step(self) -> None:
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise SystemExit(9)
        if self.election_after is not None:
            self.election_after -= 1
            if self.election_after == 0:
                self.elect()

    def configure(
        self, spec: ClusterSpec, names: Sequence[str] | None, master_quorum: int | None
    ) -> dict[Service, list[str]]:
        self._step()
        wanted = files_of(spec)
        if master_quorum is not None:
            wanted = Files(wanted.zookeepers, master_quorum)
        nodes = sorted(self.files) if names is None else names
        self.files |= dict.fromkeys(nodes, wanted)
        found: dict[Service, list[str]] = {}
        for name in nodes:
            for service in self.services(name):
                if read_by(service, self.processes[name, service]) != read_by(service, wanted):
                    found.setdefault(service, []).append(name)
        return found

    def roll(self, spec: ClusterSpec, service: Service, names: Sequence[str]) -> None:
        self.log.append(f"roll {service} {len(self.processes_of(service))}")
        may_be_out = set(names if service is Service.ZOOKEEPER else ())
        remaining = list(names)
        while remaining:
            self._step()
            sick = self.left_out() if service is Service.ZOOKEEPER else []
            few = len(self.following) < quorum(len(topology(spec).running(Service.ZOOKEEPER)))
            if not set(sick) <= may_be_out and not (few and may_be_out):
                raise UnhealthyError(f"{', '.join(sick)} take no part")
            name = next_member(remaining, self.leads.get(service), sick)
            remaining.remove(name)
            may_be_out &= set(remaining)
            if service is Service.ZOOKEEPER:
                self.restart(name)
            else:
                if self.leads.get(service) == name:
                    self.leads[service] = next(each for each in self.processes_of(service) if each != name)
                self.processes[name, service] = self.files[name]
            self.check()

    def processes_of(self, service: Service) -> list[str]:
        return [name for name, each in self.processes if each is service]

    def step_down(self, spec: ClusterSpec, name: str) -> None:
        if self.leads.get(Service.ZOOKEEPER) not in (None, name):
            self.stopped = None
            return
        self.log.append(f"another than {name} leads")
        self.stopped = name
        self._step()
        self.elect()
        self.stopped = None
        self.check()

    def leader(self, spec: ClusterSpec, service: Service) -> str | None:
        return self.leads.get(service)

    def out(self, spec: ClusterSpec) -> Sequence[str]:
        return self.left_out()

    def to(self, count: int, group: str = "control") -> ScaleReport:
        return scale(self.operation(), {group: count}, self, lambda _lines: None, Options())

    def whole(self, count: int, group: str = "control") -> None:
        groups = {name: each.model_dump() for name, each in self.spec.groups.items()}
        groups[group]["count"] = count
        wanted = files_of(demo_spec(groups=groups))
        assert set(self.files.values()) == {wanted}
        for (name, service), files in self.processes.items():
            assert read_by(service, files) == read_by(service, wanted), f"{service} on {name}"


def separate(zk: int = 3, masters: int = 3) -> ClusterSpec:
    groups = demo()["groups"]
    del groups["control"]
    for name, service, count in (("zk", "zookeeper", zk), ("mm", "mesos_master", masters), ("mt", "marathon", 3)):
        groups[name] = {"count": count, "flavor": "m1.small", "services": [service]}
    return demo_spec(groups=groups)


def with_control(count: int) -> ClusterSpec:
    groups = demo()["groups"]
    groups["control"] |= {"count": count}
    return demo_spec(groups=groups)


@pytest.mark.parametrize(("have", "target"), [(3, 5), (5, 3), (3, 7), (7, 3)])
def test_shared_nodes(have: int, target: int) -> None:
    world = World(with_control(have))
    report = world.to(target)
    assert (report.created, len(report.removed)) == (max(0, target - have), max(0, have - target))
    assert len(world.servers("control")) == target
    world.whole(target)
    assert not world.cloud.lock_records


def test_three_to_five_step_by_step() -> None:
    world = World(with_control(3))
    world.to(5)
    assert world.log == [
        "roll mesos_master 3",  # quorum 3 before the fourth starts
        "boot demo-control-4",
        "roll zookeeper 4",
        "boot demo-control-5",
        "roll zookeeper 5",
        "roll mesos_master 5",
        "roll mesos_agent 2",
        "roll marathon 5",
    ]


def test_five_to_three_removes_the_highest_and_never_the_leader() -> None:
    world = World(with_control(5))
    assert world.leads[Service.ZOOKEEPER] == "demo-control-5"
    report = world.to(3)
    assert report.removed == ["demo-control-5", "demo-control-4"]
    assert world.log == [
        "another than demo-control-5 leads",
        "roll zookeeper 5",
        "gone demo-control-5",
        "roll zookeeper 4",
        "gone demo-control-4",
        "roll mesos_master 3",  # quorum 2 when both are gone
        "roll mesos_agent 2",
        "roll marathon 3",
    ]
    assert {port.name for port in world.cloud.observe("demo").ports} == {f"demo-control-{n}" for n in (1, 2, 3)}


@pytest.mark.parametrize("step", range(1, 40))
@pytest.mark.parametrize(("have", "target"), [(3, 5), (5, 3), (3, 7)])
def test_an_election_at_any_step_stops_nothing(have: int, target: int, step: int) -> None:
    """Whoever wins: who joins may be elected before all know it, who leaves by those who still do, one of the shorter
    list by too few for the longer one. Others stay out then.
    """
    for winner in range(target):
        world = World(with_control(have))
        world.election_after, world.winner = step, winner
        world.to(target)
        world.whole(target)
        assert world.left_out() == []


def test_killed_while_members_are_out_the_same_command_finishes() -> None:
    left = set()
    for have, target in ((3, 5), (5, 3)):
        for step, winner in product(range(1, 30), range(5)):
            world = World(with_control(have))
            world.election_after = world.steps_left = step
            world.winner = winner
            with suppress(SystemExit):
                world.to(target)
            left.add((have, target, len(world.left_out())))
            world.steps_left = None
            world.to(target)
            world.whole(target)
            assert world.left_out() == []
    assert {(3, 5, 1), (5, 3, 1), (3, 5, 2), (5, 3, 2)} <= left, "no election has left any out: nothing was tried"


@pytest.mark.parametrize(("group", "have", "target"), [("zk", 3, 5), ("zk", 5, 3), ("mm", 3, 5), ("mm", 5, 3)])
def test_groups_of_their_own(group: str, have: int, target: int) -> None:
    world = World(separate(**{"zk" if group == "zk" else "masters": have}))
    world.to(target, group)
    assert len(world.servers(group)) == target
    world.whole(target, group)


@pytest.mark.parametrize("target", [5, 4])
def test_marathons_come_and_go_without_a_roll(target: int) -> None:
    world = World(separate())
    world.to(target, "mt")
    assert len(world.servers("mt")) == target
    world.to(3, "mt")
    assert world.servers("mt") == ["demo-mt-1", "demo-mt-2", "demo-mt-3"]
    assert not [line for line in world.log if line.startswith("roll")]


@pytest.mark.parametrize(("have", "target"), [(3, 1), (1, 3), (5, 1)])
def test_below_three_is_refused(have: int, target: int) -> None:
    groups = demo()["groups"]
    groups["control"] |= {"count": have}
    running = Running(demo_spec(groups=groups, allow_non_ha=True))
    running.cloud.reset_calls()
    with pytest.raises(InputError, match="a master would begin with an empty log"):
        scale(running.operation(), {"control": target}, NoWork(), lambda _lines: None, Options())
    assert running.cloud.calls.write == 0


@pytest.mark.parametrize("counts", [{"control": 4}, {"control": 5, "builders": 2}])
def test_what_breaks_a_rule_is_refused(counts: dict[str, int]) -> None:
    running = Running()
    with pytest.raises(InputError, match="allowed"):
        scale(running.operation(), counts, NoWork(), lambda _lines: None, Options())


def steps_of(have: int, target: int) -> int:
    world = World(with_control(have))
    world.steps_left = 10_000
    world.to(target)
    return 10_000 - world.steps_left


@pytest.mark.parametrize(
    ("have", "target", "steps"),
    [(have, target, step) for have, target in ((3, 5), (5, 3)) for step in range(steps_of(have, target))],
)
def test_killed_at_any_step_on_a_node_the_same_command_finishes(have: int, target: int, steps: int) -> None:
    world = World(with_control(have))
    world.steps_left = steps
    with pytest.raises(SystemExit):
        world.to(target)
    world.steps_left = None
    world.to(target)
    world.whole(target)
    assert len(world.servers("control")) == target


def calls_of(have: int, target: int) -> int:
    world = World(with_control(have))
    world.cloud.reset_calls()
    world.to(target)
    return world.cloud.calls.read + world.cloud.calls.write


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("have", "target", "call"),
    [(have, target, call) for have, target in ((3, 5), (5, 3)) for call in range(1, calls_of(have, target) + 1)],
)
def test_killed_at_any_call_of_the_cloud_the_same_command_finishes(
    have: int, target: int, call: int, when: Any
) -> None:
    undisturbed = World(with_control(have))
    undisturbed.to(target)
    world = World(with_control(have))
    kill(world.cloud, call, when)
    with pytest.raises(SystemExit):
        world.to(target)
    revive(world.cloud)
    world.to(target)
    world.whole(target)
    assert state(world) == state(undisturbed)
