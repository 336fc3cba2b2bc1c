"""Jenkins masters get their next secrets: those that run as somebody else are restarted, once no build runs on them."""

from __future__ import annotations

import json

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.jenkins.home import PRINCIPAL
from clusterctl.ops.jenkins.create import create
from clusterctl.ops.jenkins.stop import Manner, hibernate
from clusterctl.ops.jenkins.turn import restart_turned
from tests.unit.ops.jenkins.world import World

SMALL = {"cpus": 0.1, "mem_mib": 320, "heap_mib": 64}
PATIENT = Manner(quiet_timeout_s=60, ready_timeout_s=60, batch=2)
NEXT = {slot: f"jenkins-{slot:03d}.2" for slot in range(1, 5)}


@pytest.fixture
def world() -> World:
    """Its masters say what the table says when they are started."""
    made = World(master=SMALL, max_masters=4)
    changed = made.marathon.on_change

    def started(path: str) -> None:
        changed(path)
        home = home_of(made, path.rpartition("/")[2])
        home.files[PRINCIPAL] = NEXT[json.loads(home.marker)["slot"]]

    create(made.tier(), ["alice", "bob", "carol"])
    for name, slot in (("alice", 1), ("bob", 2), ("carol", 3)):
        home_of(made, name).files[PRINCIPAL] = f"jenkins-{slot:03d}"
    made.marathon.on_change = started
    made.marathon.restarted.clear()
    return made


def home_of(world: World, name: str):  # type: ignore[no-untyped-def]
    [home] = [homes[name] for homes in world.nodes.homes_at.values() if name in homes]
    return home


def test_those_that_run_as_somebody_else_are_restarted_in_batches(world: World) -> None:
    home_of(world, "bob").files[PRINCIPAL] = NEXT[2]  # by himself, meanwhile
    assert restart_turned(world.tier(), NEXT, PATIENT) == ["alice", "carol"]
    assert world.marathon.restarted == ["/jenkins/alice", "/jenkins/carol"]
    assert restart_turned(world.tier(), NEXT, PATIENT) == []


def test_a_master_whose_start_script_said_nothing_is_restarted(world: World) -> None:
    del home_of(world, "bob").files[PRINCIPAL]
    assert restart_turned(world.tier(), NEXT, PATIENT) == ["alice", "bob", "carol"]


def test_those_that_rest_or_turn_no_secret_are_left_alone(world: World) -> None:
    hibernate(world.tier(), ["alice"], PATIENT)
    assert restart_turned(world.tier(), {1: NEXT[1], 2: NEXT[2]}, PATIENT) == ["bob"]


def test_builds_are_waited_for(world: World) -> None:
    alice = world.nodes.master("alice")
    alice.busy = 3
    assert "alice" in restart_turned(world.tier(), NEXT, PATIENT)
    assert "/quietDown" in alice.asked


def test_one_whose_builds_do_not_end_goes_on_and_is_named(world: World) -> None:
    alice = world.nodes.master("alice")
    alice.busy, alice.endless = 1, True
    with pytest.raises(ClusterctlError, match="1 of 3 Jenkins masters were not restarted") as caught:
        restart_turned(world.tier(), NEXT, PATIENT)
    assert "their last ones are good still:\n  alice: 1 builds run on it after 60 s" in caught.value.message
    assert "`clusterctl jenkins restart FILE NAME --force`" in str(caught.value.hint)
    assert not alice.quiet
    assert world.marathon.restarted == ["/jenkins/bob", "/jenkins/carol"]
    alice.endless = False
    assert restart_turned(world.tier(), NEXT, PATIENT) == ["alice"]


def test_where_homes_are_not_known_nothing_is_restarted(world: World) -> None:
    world.nodes.silent["demo-jenkins-2"] = "no route"
    with pytest.raises(ClusterctlError, match=r"unknown with which secrets Jenkins masters run: .*no route"):
        restart_turned(world.tier(), NEXT, PATIENT)
    assert world.marathon.restarted == []


def test_a_master_that_does_not_fit_together_is_named(world: World) -> None:
    world.marathon.apps["/jenkins/bob"]["constraints"][0][2] = "10.0.0.99"
    with pytest.raises(ClusterctlError, match=r"bob: app is bound to 10\.0\.0\.99"):
        restart_turned(world.tier(), NEXT, PATIENT)
