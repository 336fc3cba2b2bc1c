"""Operating rules of changes to agents: classified first, consented to, drained before their identity is forgotten."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.roll.changes import AgentChange, Kind
from clusterctl.ops.roll.gates import CHANGED
from clusterctl.ops.roll.reconfigure import Reconfigure, Renewal, classified, consented
from clusterctl.ops.roll.report import Journal, RollError
from clusterctl.ops.roll.window import roll_service
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from tests.unit.ops.roll.world import AGENT, START_S, World

JENKINS, FIRST, SECOND = "demo-jenkins-abc-1", "demo-builders-abc-1", "demo-builders-abc-2"


class FakeDrainer:
    """Drains at once, unless it is told that something holds out."""

    def __init__(self, world: AgentWorld) -> None:
        self.world = world
        self.bound: dict[str, str] = {}
        self.holds_out = ""

    def refusals(self, names: Collection[str]) -> dict[str, str]:
        return {name: why for name, why in self.bound.items() if name in names}

    def drain(self, ids: Mapping[str, str], *, timeout_s: float) -> None:
        for name, agent in ids.items():
            self.world.events.append(f"drain {name} {agent}")
            self.world.draining[name] = "DRAINING" if self.holds_out else "DRAINED"
        if self.holds_out:
            raise ClusterctlError(self.holds_out)

    def reactivate(self, agent: str) -> None:
        self.world.events.append(f"reactivate {agent}")
        name = next(name for name, held in self.world.ids.items() if held == agent)
        del self.world.draining[name]


class AgentWorld(World):
    """Agents that report what their files said when they were started."""

    def __init__(self) -> None:
        super().__init__()
        self.draining: dict[str, str] = {}
        self.files: dict[str, dict[str, str]] = {name: {"pool": self._pool(name)} for name in self.agents}
        self.reported = {name: dict(attributes) for name, attributes in self.files.items()}
        self.forgotten: set[str] = set()

    def _pool(self, name: str) -> str:
        return "jenkins-master" if name == JENKINS else "jenkins-builder"

    def want(self, **attributes: str) -> None:
        """The file gives the builders other attributes."""
        data = self.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
        data["groups"]["builders"]["attributes"] = attributes
        self.spec = ClusterSpec.model_validate(data)
        self.cluster.spec = self.spec

    def _listed(self, name: str) -> dict[str, Any]:
        drain = self.draining.get(name)
        changes = {"attributes": self.reported[name], "drain": drain}
        found = super()._listed(name) | changes
        return found | ({"active": False} if drain else {})

    def _act(self, playbook: str, name: str, given: Mapping[str, Any]) -> str:
        if playbook == "site":
            group = "jenkins" if name == JENKINS else "builders"
            self.files[name] = dict(self.spec.groups[group].attributes)
            self._event(f"site {name}")
            if (AGENT, name) not in self.up:
                self._start(name)
            return ""
        if playbook == "new-identity":
            assert self.draining.get(name) == "DRAINED", "an agent that is not drained must keep its identity"
            assert given["drained_agents"][name] == self.ids[name]
            self.up.pop((AGENT, name), None)
            self.forgotten.add(name)
            self._event(f"new-identity {name}")
            return ""
        return super()._act(playbook, name, given)

    def _unit(self, service: Service, name: str, state: str, *, together: bool) -> None:
        stopped = (service, name) not in self.up
        super()._unit(service, name, state, together=together)
        if service is AGENT and (state == "restarted" or (state == "started" and stopped)):
            self._start(name)

    def _start(self, name: str) -> None:
        self.up[AGENT, name] = self.clock.now + START_S
        compatible = self.reported[name].items() <= self.files[name].items()
        if name in self.forgotten:
            self.forgotten.discard(name)
            self.ids[name] += "-new"
            self.draining.pop(name, None)
        elif not compatible:
            self.sick.add((AGENT, name))  # the agent refuses to recover
            return
        self.reported[name] = dict(self.files[name])


@pytest.fixture
def world() -> AgentWorld:
    return AgentWorld()


@pytest.fixture
def drainer(world: AgentWorld) -> FakeDrainer:
    return FakeDrainer(world)


def reconfigure(
    world: AgentWorld, drainer: FakeDrainer, *only: str, allow_drain: bool = False, size: int = 1
) -> Journal:
    """The steps of `clusterctl reconfigure`."""
    changes = classified(world.cluster.look(), world.cluster, only)
    consented(changes, drainer, allow_drain=allow_drain)  # type: ignore[arg-type]
    roll = world.roll(Reconfigure(world), "reconfigure", overlook=CHANGED)
    names = {kind: [change.node for change in changes if change.kind is kind] for kind in Kind}
    roll.journal.plan(AGENT, names[Kind.ADDITIVE] + names[Kind.NEW_IDENTITY])
    if names[Kind.ADDITIVE]:
        roll_service(roll, AGENT, names[Kind.ADDITIVE], batch=size, max_failures=0)
    if names[Kind.NEW_IDENTITY]:
        Renewal(roll, world, drainer, 600).run(names[Kind.NEW_IDENTITY], size=size)  # type: ignore[arg-type]
    return roll.journal


def kinds(changes: list[AgentChange]) -> dict[str, Kind]:
    return {change.node: change.kind for change in changes}


def test_nothing_is_done_where_nothing_changes(world: AgentWorld, drainer: FakeDrainer) -> None:
    assert reconfigure(world, drainer).done == []
    assert world.events == []


def test_an_additive_change_is_written_and_the_agent_restarted_under_its_id(
    world: AgentWorld, drainer: FakeDrainer
) -> None:
    world.want(pool="jenkins-builder", rack="r1")
    before = dict(world.ids)
    journal = reconfigure(world, drainer)
    assert world.events == [
        f"site {FIRST}",
        f"restarted mesos_agent {FIRST}",
        f"site {SECOND}",
        f"restarted mesos_agent {SECOND}",
    ]
    assert world.ids == before
    assert len(journal.done) == 2
    assert reconfigure(world, drainer).done == []


def test_a_new_identity_wants_consent_and_touches_nothing_without(world: AgentWorld, drainer: FakeDrainer) -> None:
    world.want(pool="fast")
    with pytest.raises(InputError, match="need a new identity") as caught:
        reconfigure(world, drainer)
    assert f"{FIRST}: new identity (drain and new agent id, 1 running tasks move): attribute pool" in str(caught.value)
    assert caught.value.hint == "--allow-drain consents to that."
    assert world.events == []


def test_an_agent_is_drained_before_it_forgets_who_it_was_and_configured_before_it_starts(
    world: AgentWorld, drainer: FakeDrainer
) -> None:
    world.want(pool="fast")
    reconfigure(world, drainer, allow_drain=True)
    assert world.events == [
        line for name in (FIRST, SECOND) for line in (f"drain {name} S-{name}", f"new-identity {name}", f"site {name}")
    ]
    assert world.ids[FIRST] == f"S-{FIRST}-new"
    assert world.ids[JENKINS] == f"S-{JENKINS}"
    assert world.reported[FIRST] == {"pool": "fast"}


def test_agents_are_renewed_in_batches(world: AgentWorld, drainer: FakeDrainer) -> None:
    world.want(pool="fast")
    reconfigure(world, drainer, allow_drain=True, size=2)
    assert [event.split()[0] for event in world.events] == ["drain"] * 2 + ["new-identity"] * 2 + ["site"] * 2


def test_only_some_agents_are_touched_if_so_asked(world: AgentWorld, drainer: FakeDrainer) -> None:
    world.want(pool="fast")
    assert [name for _, name in reconfigure(world, drainer, SECOND, allow_drain=True).done] == [SECOND]
    assert world.ids[FIRST] == f"S-{FIRST}"


def test_a_drain_that_does_not_end_stops_the_run_and_keeps_the_identity(
    world: AgentWorld, drainer: FakeDrainer
) -> None:
    world.want(pool="fast")
    drainer.holds_out = "tasks still there: /a (killing)"
    with pytest.raises(RollError) as caught:
        reconfigure(world, drainer, allow_drain=True)
    (failure,) = caught.value.journal.failed
    assert failure.reason == "tasks still there: /a (killing)"
    assert failure.state.startswith("still draining: its frameworks")
    assert world.ids[FIRST] == f"S-{FIRST}"
    assert not any(event.startswith(("new-identity", "site")) for event in world.events)

    drainer.holds_out = ""  # the same command goes on
    assert kinds(classified(world.cluster.look(), world.cluster))[FIRST] is Kind.NEW_IDENTITY
    assert len(reconfigure(world, drainer, allow_drain=True).done) == 2


def test_an_agent_that_can_not_be_renewed_is_reactivated(world: AgentWorld, drainer: FakeDrainer) -> None:
    world.want(pool="fast")
    world.fails["new-identity", FIRST] = "unreachable"
    with pytest.raises(RollError) as caught:
        reconfigure(world, drainer, allow_drain=True)
    assert caught.value.journal.failed[0].state == "back in service under its old id"
    assert world.events[-1] == f"reactivate S-{FIRST}"
    assert [name for _, name in caught.value.journal.left] == [SECOND]


def test_an_agent_whose_files_could_not_be_written_comes_back_under_a_new_id(
    world: AgentWorld, drainer: FakeDrainer
) -> None:
    world.want(pool="fast")
    world.fails["site", FIRST] = "boom"
    with pytest.raises(RollError) as caught:
        reconfigure(world, drainer, allow_drain=True)
    assert caught.value.journal.failed[0].state == "back under a new id"
    assert world.reported[FIRST] == {"pool": "jenkins-builder"}


def test_persistent_volumes_and_dynamic_reservations_are_never_given_up(
    world: AgentWorld, drainer: FakeDrainer
) -> None:
    world.want(pool="fast")
    drainer.bound[SECOND] = "holds a persistent volume of role x, which a new identity would lose"
    with pytest.raises(ClusterctlError, match=f"{SECOND}: refused: holds a persistent volume"):
        reconfigure(world, drainer, allow_drain=True)
    assert world.events == []


def test_a_refused_agent_stops_all_before_the_first_is_touched(world: AgentWorld, drainer: FakeDrainer) -> None:
    world.want(pool="jenkins-builder", rack="r1")
    world.up.pop((AGENT, SECOND))
    with pytest.raises(ClusterctlError, match="registered, but not active"):
        reconfigure(world, drainer)
    assert world.events == []


def test_an_agent_file_is_never_written_before_its_own_step(world: AgentWorld, drainer: FakeDrainer) -> None:
    world.want(pool="fast")
    seen: list[dict[str, str]] = []

    def look(event: str) -> None:
        if event == f"new-identity {FIRST}":
            seen.extend([world.files[FIRST], world.files[SECOND]])

    world.on_event = look
    reconfigure(world, drainer, allow_drain=True)
    assert seen == [{"pool": "jenkins-builder"}] * 2
