"""A member's loss is borne by others that serve; those that may come by themselves are waited for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts
from clusterctl.ops.grow.bearing import ELECTION_S, unborne
from tests.unit.ops.grow.test_repair import mend
from tests.unit.ops.grow.test_scale import agents_spec
from tests.unit.ops.operations import Running

MASTER = ("demo-control-2", "mesos_master")
REASON = "mesos_master: 1 of the other 2 members serve, and 2 are needed to carry the state over to a new one"


@pytest.fixture
def running() -> Running:
    """A member is gone, and another one's master is out."""
    found = Running(agents_spec())
    found.vanish("demo-control-1")
    found.nodes.dead = {MASTER: "active"}
    return found


def back_at(running: Running, look: int, monkeypatch: pytest.MonkeyPatch) -> None:
    probe, looks = running.nodes.probe, [0]

    def probed(nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        looks[0] += bool(nodes)
        if looks[0] == look:
            running.nodes.dead = {}
        return probe(nodes)

    monkeypatch.setattr(running.nodes, "probe", probed)


def test_a_member_at_an_election_is_waited_for(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    back_at(running, 3, monkeypatch)
    began = running.clock.now
    assert unborne(running.operation(), "demo-control-1") is None
    assert 0 < running.clock.now - began < ELECTION_S


def test_one_that_stays_out_is_told(running: Running) -> None:
    began = running.clock.now
    assert unborne(running.operation(), "demo-control-1") == REASON
    assert ELECTION_S <= running.clock.now - began < ELECTION_S + 5


def test_nobody_is_waited_for_whose_server_does_not_run(running: Running) -> None:
    running.change("demo-control-2", status="ERROR")
    began = running.clock.now
    assert (unborne(running.operation(), "demo-control-1") or "").startswith(
        "zookeeper: 1 of the other 2 members serve"
    )
    assert running.clock.now == began


def test_a_master_that_went_after_the_diagnosis_does_not_end_a_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the leader's server was deleted a moment ago: the masters elect another one."""
    running = Running(agents_spec())
    running.vanish("demo-control-1")
    probe, looks = running.nodes.probe, [0]

    def probed(nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        looks[0] += bool(nodes)
        # the first two are diagnoses
        running.nodes.dead = {MASTER: "active"} if 2 < looks[0] < 6 else {}
        return probe(nodes)

    monkeypatch.setattr(running.nodes, "probe", probed)
    assert mend(running).healthy
    assert running.unit_work.done == []
    assert looks[0] > 6
