"""``jenkins restart``, ``hibernate``, ``wake`` and ``delete``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from clusterctl.errors import CancelledError, ClusterctlError, InputError
from clusterctl.ops.jenkins.create import create
from clusterctl.ops.jenkins.delete import delete
from clusterctl.ops.jenkins.ground import PartlyFailed
from clusterctl.ops.jenkins.idle import idle_masters, span_s
from clusterctl.ops.jenkins.stop import Manner, hibernate, restart, wake
from clusterctl.remote.marathons import Answer
from tests.unit.ops.jenkins.world import World, jenkins_spec

SMALL = {"cpus": 0.1, "mem_mib": 320, "heap_mib": 64}
PATIENT = Manner(quiet_timeout_s=60, ready_timeout_s=60)
FORCE = Manner(force=True, ready_timeout_s=60)


@pytest.fixture
def world() -> World:
    made = World(master=SMALL)
    create(made.tier(), ["alice", "bob"])
    return made


def instances(world: World) -> dict[str, int]:
    return {path.removeprefix("/jenkins/"): app["instances"] for path, app in world.marathon.apps.items()}


def agree(_lines: Sequence[str]) -> None: ...


def test_hibernating_waits_for_builds(world: World) -> None:
    world.nodes.master("alice").busy = 3
    out = hibernate(world.tier(), ["alice"], PATIENT)
    assert out.done == {"alice": "stopped"}
    assert instances(world) == {"alice": 0, "bob": 1}
    assert world.nodes.master("alice").quiet
    assert "1 of 1 have builds running; alice: 3" in world.notes
    assert hibernate(world.tier(), ["alice"], PATIENT).skipped == {"alice": "it is hibernating"}


def test_builds_that_do_not_end_keep_a_master_up(world: World) -> None:
    alice = world.nodes.master("alice")
    alice.busy, alice.endless = 1, True
    with pytest.raises(PartlyFailed) as caught:
        hibernate(world.tier(), ["alice", "bob"], PATIENT)
    assert "1 of 2 Jenkins masters are not stopped" in caught.value.message
    assert "alice: 1 builds run on it after 60 s; --force stops them" in caught.value.message
    assert instances(world) == {"alice": 1, "bob": 0}
    assert not alice.quiet, "it goes on as before"


def test_force_does_not_wait(world: World) -> None:
    world.nodes.master("alice").busy = 1
    assert hibernate(world.tier(), ["alice"], FORCE).done == {"alice": "stopped"}
    assert "/quietDown" not in world.nodes.master("alice").asked


def test_a_master_of_which_nothing_is_known_is_not_stopped(world: World) -> None:
    world.nodes.master("alice").starting = 1000
    with pytest.raises(PartlyFailed, match="it is unknown whether builds run on it: /quietDown: HTTP 503"):
        hibernate(world.tier(), ["alice"], PATIENT)
    assert instances(world)["alice"] == 1


def test_one_without_a_task_has_nothing_to_wait_for(world: World) -> None:
    world.marathon.failing = {"alice"}
    assert hibernate(world.tier(), ["alice"], PATIENT).done == {"alice": "stopped"}


def test_a_task_that_does_not_end_is_told(world: World) -> None:
    world.marathon.stubborn = {"alice"}
    with pytest.raises(PartlyFailed, match="alice: its task is still there after 120 s"):
        hibernate(world.tier(), ["alice"], PATIENT)


def test_the_operators_time_out_bounds_the_wait_for_its_end(world: World) -> None:
    world.marathon.stubborn = {"alice"}
    tier = world.tier()
    bounded = replace(tier.run, waiter=replace(tier.run.waiter, left=lambda: 20.0))
    with pytest.raises(PartlyFailed, match="alice: its task is still there after 20 s"):
        hibernate(replace(tier, run=bounded), ["alice"], PATIENT)


def test_waking(world: World) -> None:
    hibernate(world.tier(), ["alice"], PATIENT)
    out = wake(world.tier(), ["alice", "bob"], PATIENT)
    assert list(out.done) == ["alice"]
    assert out.done["alice"].startswith("started, ready after")
    assert out.skipped == {"bob": "it is running"}
    assert instances(world) == {"alice": 1, "bob": 1}


def test_waking_takes_room() -> None:
    world = World()  # one master of 1024 MiB a node
    create(world.tier(), ["alice", "bob"])
    hibernate(world.tier(), ["alice"], PATIENT)
    create(world.tier(), ["carol"])
    with pytest.raises(ClusterctlError, match="alice does not fit on its node any more; nothing was started"):
        wake(world.tier(), ["alice"], PATIENT)


def test_waking_a_home_without_an_app_says_how(world: World) -> None:
    del world.marathon.apps["/jenkins/alice"]
    with pytest.raises(PartlyFailed, match="alice: it has no app; `clusterctl jenkins create FILE alice` starts it"):
        wake(world.tier(), ["alice"], PATIENT)


def test_a_restart_is_over_when_the_new_task_serves(world: World) -> None:
    out = restart(world.tier(), ["alice"], PATIENT)
    assert world.marathon.restarted == ["/jenkins/alice"]
    assert world.marathon.launched == {"/jenkins/alice": 2, "/jenkins/bob": 1}
    assert out.done["alice"].startswith("restarted, ready after")


def test_a_restart_brings_what_the_file_says_now(world: World) -> None:
    world.spec = jenkins_spec(master=SMALL | {"mem_mib": 400})
    restart(world.tier(), ["alice"], PATIENT)
    assert world.marathon.restarted == []
    assert world.marathon.apps["/jenkins/alice"]["mem"] == 400
    assert world.marathon.launched["/jenkins/alice"] == 2


def test_batches_and_the_rest(world: World) -> None:
    hibernate(world.tier(), ["bob"], PATIENT)
    out = restart(world.tier(), ["alice", "bob"], Manner(quiet_timeout_s=60, ready_timeout_s=60, batch=1))
    assert out.skipped == {"bob": "it is hibernating"}
    world.marathon.refusing["/jenkins/alice"] = Answer(409, {"message": "App is locked"})
    with pytest.raises(PartlyFailed, match="alice: HTTP 409: App is locked"):
        restart(world.tier(), ["alice"], PATIENT)


def test_a_deleted_masters_home_stays(world: World) -> None:
    shown: list[str] = []
    out = delete(world.tier(), ["alice"], PATIENT, purge=False, confirm=shown.extend)
    assert shown == ["- alice (running), keeping its home on demo-jenkins-1"]
    assert out.done == {"alice": "deleted; its home stays on demo-jenkins-1"}
    assert world.app_names == ["bob"]
    assert "alice" in world.nodes.homes_at["demo-jenkins-1"]
    # before the app goes, its task has gone
    writes = [(call.method, call.path.partition("?")[0]) for call in world.marathon.writes[-2:]]
    assert writes == [("PUT", "/v2/apps/jenkins/alice"), ("DELETE", "/v2/apps/jenkins/alice")]


def test_purge_takes_the_home_too(world: World) -> None:
    delete(world.tier(), ["alice"], PATIENT, purge=False, confirm=agree)
    out = delete(world.tier(), ["alice"], PATIENT, purge=True, confirm=agree)
    assert out.done == {"alice": "deleted"}
    assert world.nodes.homes_at["demo-jenkins-1"] == {}


def test_nothing_is_deleted_without_consent(world: World) -> None:
    def decline(_lines: Sequence[str]) -> None:
        raise CancelledError("declined")

    with pytest.raises(CancelledError):
        delete(world.tier(), ["alice"], PATIENT, purge=True, confirm=decline)
    assert instances(world) == {"alice": 1, "bob": 1}


def test_a_home_is_kept_while_its_task_runs(world: World) -> None:
    world.marathon.stubborn = {"alice"}
    with pytest.raises(PartlyFailed, match="its task is still there"):
        delete(world.tier(), ["alice"], FORCE, purge=True, confirm=agree)
    assert "alice" in world.nodes.homes_at["demo-jenkins-1"]
    assert "alice" in world.app_names


def test_a_node_that_does_not_purge_is_told(world: World) -> None:
    hibernate(world.tier(), ["alice"], PATIENT)
    tier = world.tier()
    homes = world.nodes.homes_at["demo-jenkins-1"]

    def breaks(_lines: Sequence[str]) -> None:
        world.nodes.silent["demo-jenkins-1"] = "no route to host"

    with pytest.raises(PartlyFailed, match="alice: node demo-jenkins-1: no route to host"):
        delete(tier, ["alice"], FORCE, purge=True, confirm=breaks)
    assert "alice" in homes


def test_a_framework_of_2x_is_torn_down() -> None:
    world = World(master=SMALL, plugin="2.x", registration="always", checkpoint=False)
    create(world.tier(), ["alice"])
    world.prober.frameworks = ["jenkins-alice"]
    delete(world.tier(), ["alice"], PATIENT, purge=False, confirm=agree)
    assert world.mesos.calls == [{"type": "TEARDOWN", "teardown": {"framework_id": {"value": "f-jenkins-alice"}}}]
    create(world.tier(), ["alice"])
    world.mesos.failure = "HTTP 403"
    with pytest.raises(PartlyFailed, match="its framework f-jenkins-alice was not torn down: HTTP 403"):
        delete(world.tier(), ["alice"], PATIENT, purge=False, confirm=agree)


def test_a_framework_of_0x_needs_no_teardown(world: World) -> None:
    world.prober.frameworks = ["jenkins-alice"]
    delete(world.tier(), ["alice"], PATIENT, purge=False, confirm=agree)
    assert world.mesos.calls == []


NOW = 1767312000.0  # a day after the tasks started


@pytest.mark.parametrize(
    ("busy", "queue", "ended_h", "idle"),
    [(0, 0, 5, True), (0, 0, 3, False), (1, 0, 5, False), (0, 1, 5, False)],
)
def test_idle_masters(world: World, busy: int, queue: int, ended_h: int, idle: bool) -> None:
    alice, bob = world.nodes.master("alice"), world.nodes.master("bob")
    last = {"timestamp": (NOW - ended_h * 3600) * 1000 - 5000, "duration": 5000, "building": False}
    alice.jobs = [{"jobs": [{"lastBuild": last}]}, {"lastBuild": None}]
    alice.busy, alice.queue = busy, queue
    bob.starting = 1000
    assert idle_masters(world.tier(), 4 * 3600, NOW) == (["alice"] if idle else [])


def test_a_master_that_was_just_started_is_in_use(world: World) -> None:
    world.marathon.started_at = "2026-01-01T23:00:00Z"
    assert idle_masters(world.tier(), 4 * 3600, NOW) == []
    assert idle_masters(world.tier(), 3600, NOW) == ["alice", "bob"]


def test_spans() -> None:
    assert [span_s(text) for text in ("90m", "4h", "2d")] == [5400, 14400, 172800]
    with pytest.raises(InputError, match="--idle: found '4'; allowed: minutes, hours or days"):
        span_s("4")


def test_no_master_is_stopped_or_started_where_its_home_could_not_be_written(world: World) -> None:
    """A restart would end one that still serves."""
    hibernate(world.tier(), ["bob"], FORCE)
    world.nodes.free_mib = 3
    before = dict(world.marathon.launched)
    for verb, name in ((restart, "alice"), (wake, "bob")):
        with pytest.raises(PartlyFailed, match=r"no space on demo-jenkins-\d:/srv/jenkins has 3 of 10000 MiB free"):
            verb(world.tier(), [name], FORCE)
    assert (world.marathon.restarted, world.marathon.launched) == ([], before)
    assert not world.nodes.master("alice").quiet
    world.nodes.free_mib = 9000
    assert list(restart(world.tier(), ["alice"], FORCE).done) == ["alice"]
    assert list(wake(world.tier(), ["bob"], FORCE).done) == ["bob"]
