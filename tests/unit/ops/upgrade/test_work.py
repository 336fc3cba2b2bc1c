"""Operating rules of upgrades: checked before anything is touched, put back on failure, continued where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.observe.look import Look
from clusterctl.ops.roll.order import chosen
from clusterctl.ops.roll.report import Journal, RollError
from clusterctl.ops.roll.window import roll_service
from clusterctl.ops.upgrade.marathon import MarathonUpgrade
from clusterctl.ops.upgrade.nodestate import NodeState, WantedArtifact, obstacles
from clusterctl.ops.upgrade.survey import look_at_nodes, unfinished
from clusterctl.ops.upgrade.work import Ledger, Upgrade
from clusterctl.services import ROLLS, Service
from tests.unit.ops.roll.world import (
    MARATHON,
    NEW_MARATHON,
    NEW_MESOS,
    NEW_ZOOKEEPER,
    OLD_MARATHON,
    OLD_MESOS,
    OLD_ZOOKEEPER,
    ONE,
    THREE,
    TWO,
    ZK,
    World,
)

WANTED = {
    "mesos": WantedArtifact("mesos", NEW_MESOS[1], NEW_MESOS[0], Path("mesos.deb"), "mesos", 10 * 2**20),
    "marathon": WantedArtifact("marathon", NEW_MARATHON[1], NEW_MARATHON[0], Path("marathon.tgz"), "", 10 * 2**20),
}


@pytest.fixture
def world() -> World:
    return World()


def upgrade(
    world: World,
    service: str,
    *only: str,
    to: str | None = None,
    previous: Callable[[str, str], Path | None] = lambda *_: Path("old"),
    **wanted: WantedArtifact,
) -> Journal:
    """The steps of `clusterctl upgrade`."""
    targets = chosen(world.cluster.look().expect, ROLLS[service], only)
    states, want = look_at_nodes(world, targets, WANTED | wanted, to)
    left = unfinished(targets, states, want)
    work = Upgrade(world, Ledger(world.cloud, "demo"), want, states, previous)
    roll = world.roll(work, f"upgrade {service}")
    for each, names in left.items():
        roll.journal.plan(each, names)

    def back_up(_: Look) -> Path:
        world._event("backup")
        return Path(f"/backups/{world.events.count('backup')}")

    def bring_back(_: Look, backup: Path) -> None:
        world.events.append(f"restored {backup}")
        assert not any(world.answers(MARATHON, name) for name in (ONE, TWO, THREE)), "a Marathon runs"

    for each, names in left.items():
        if each is MARATHON:
            MarathonUpgrade(roll, work, back_up, bring_back).run(names)
        else:
            roll_service(roll, each, names, batch=1, max_failures=0)
    return roll.journal


def test_all_goes_through_zookeeper_masters_agents_and_marathon_in_this_order(world: World) -> None:
    upgrade(world, "all")
    order = list(dict.fromkeys(event.split()[1] for event in world.events if event.startswith("restarted")))
    assert order == ["zookeeper", "mesos_master", "mesos_agent", "marathon"]
    assert set(world.zookeeper.values()) == {NEW_ZOOKEEPER}
    assert set(world.mesos.values()) == {NEW_MESOS}
    assert set(world.running_marathon.values()) == {NEW_MARATHON}
    assert world.violations == []


def test_a_node_is_installed_and_restarted_before_the_next_is_touched(world: World) -> None:
    upgrade(world, "zookeeper")
    assert world.events == [
        line
        for name in (ONE, TWO, THREE)
        for line in (f"installed zookeeper {NEW_ZOOKEEPER} {name}", f"restarted zookeeper {name}")
    ]


def test_nodes_that_run_the_version_already_are_skipped(world: World) -> None:
    world.fails["upgrade", "demo-builders-abc-1"] = "No space left on device"
    with pytest.raises(RollError, match="No space left on device"):
        upgrade(world, "mesos")
    del world.fails["upgrade", "demo-builders-abc-1"]
    before = len(world.events)
    journal = upgrade(world, "mesos")
    touched = {event.split()[-1] for event in world.events[before:]}
    assert "demo-builders-abc-1" in touched
    assert not touched & {ONE, TWO, THREE}
    assert upgrade(world, "mesos").done == []
    assert len(journal.done) >= 1


def test_a_node_that_was_installed_and_not_restarted_is_not_done(world: World) -> None:
    world.mesos[TWO] = NEW_MESOS
    world.installed["mesos", TWO] = 100.0
    upgrade(world, "mesos")
    assert TWO in world.acted("restarted", "mesos_master")


def test_a_failed_upgrade_gets_its_old_version_back(world: World) -> None:
    def fall_ill(event: str) -> None:
        if event == f"restarted mesos_master {THREE}" and world.mesos[THREE] == NEW_MESOS:
            world.sick.add((Service.MESOS_MASTER, THREE))
        elif event == f"restarted mesos_master {THREE}":
            world.sick.clear()

    world.on_event = fall_ill
    asked: list[tuple[str, str]] = []

    def previous(component: str, sha256: str) -> Path:
        asked.append((component, sha256))
        return Path("old.deb")

    with pytest.raises(RollError) as caught:
        upgrade(world, "mesos", previous=previous)
    journal = caught.value.journal
    assert [(each.node, each.state) for each in journal.failed] == [
        (THREE, f"back in service (with mesos {OLD_MESOS[1]} again)")
    ]
    assert asked == [("mesos", OLD_MESOS[0])]
    assert world.mesos == dict.fromkeys(world.mesos, OLD_MESOS) | {TWO: NEW_MESOS}
    assert ONE in journal.unfinished
    assert THREE in journal.unfinished
    new, old = (f"{version} {sha256}" for sha256, version in (NEW_MESOS, OLD_MESOS))
    assert world.cloud.recorded("mesos") == {TWO: new, THREE: old}, "what new nodes would get, as far as was touched"


def test_without_a_copy_the_old_version_is_said_to_be_missing(world: World) -> None:
    def fall_ill(event: str) -> None:
        if event == f"restarted mesos_master {TWO}":
            if world.acted("restarted", "mesos_master") == [TWO]:
                world.sick.add((Service.MESOS_MASTER, TWO))
            else:
                world.sick.clear()

    world.on_event = fall_ill
    with pytest.raises(RollError) as caught:
        upgrade(world, "mesos", previous=lambda *_: None)
    assert "no copy of mesos 1.11.0-1 is at hand; --previous names" in caught.value.journal.failed[0].state


def test_a_step_that_installed_nothing_only_starts_the_unit(world: World) -> None:
    world.fails["upgrade", ONE] = "Failed to lock apt"
    with pytest.raises(RollError) as caught:
        upgrade(world, "zookeeper")
    assert world.events == [f"started zookeeper {ONE}"]
    assert caught.value.journal.failed[0].state == "back in service"


def test_zookeepers_version_is_what_apt_offers_everywhere(world: World) -> None:
    world.offered[TWO] = "3.8.0-13"
    with pytest.raises(InputError, match=r"--to: is missing, and .* 3\.8\.0-12, 3\.8\.0-13"):
        upgrade(world, "zookeeper")
    with pytest.raises(ClusterctlError, match=r"demo-control-2: apt offers libzookeeper-java 3\.8\.0-13, wanted"):
        upgrade(world, "zookeeper", to=NEW_ZOOKEEPER)
    world.offered = dict.fromkeys(world.offered, OLD_ZOOKEEPER)
    assert upgrade(world, "zookeeper").done == []
    assert world.events == []


def test_a_downgrade_is_refused_before_anything_is_touched(world: World) -> None:
    older = replace(WANTED["mesos"], version="1.10.0-1")
    with pytest.raises(InputError, match="a downgrade is not supported") as caught:
        upgrade(world, "mesos", mesos=older)
    assert caught.value.exit_code == 2
    assert world.events == []


def test_a_skipped_marathon_release_is_refused(world: World) -> None:
    world.marathon = dict.fromkeys(world.marathon, ("e" * 64, "1.9.109"))
    with pytest.raises(InputError, match="skips releases"):
        upgrade(world, "marathon")


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"locked": "apt-get (process 99)"}, "demo-control-2: dpkg is locked by apt-get (process 99)"),
        ({"free_mib": {"/usr": 73, "/opt": 5000}}, "demo-control-2: 73 MiB are free in /usr, and mesos needs 74 MiB"),
        ({"broken": ["mesos"]}, "demo-control-2: dpkg did not finish with mesos"),
    ],
)
def test_obstacles_on_any_node_stop_the_upgrade_before_the_first(world: World, facts: dict[str, Any], why: str) -> None:
    world.node_facts[TWO] = facts
    with pytest.raises(ClusterctlError) as caught:
        upgrade(world, "mesos")
    assert why in caught.value.message
    assert "nothing was changed" in caught.value.message
    assert world.events == []


def test_an_unreachable_node_stops_the_upgrade_before_the_first(world: World) -> None:
    world.fails["upgrade-check", "demo-builders-abc-2"] = "Failed to connect to the host via ssh"
    with pytest.raises(ClusterctlError, match=r"demo-builders-abc-2: .*Failed to connect to the host via ssh"):
        upgrade(world, "mesos")
    assert world.events == []


def test_a_node_without_a_record_is_refused() -> None:
    problems = list(obstacles("n", NodeState(apt_error="404 Not Found"), WantedArtifact("zookeeper", "1")))
    assert problems == ["n: apt-get update: 404 Not Found", "n: apt offers libzookeeper-java not at all, wanted 1"]


# --- Marathon's own order ---------------------------------------------------------------------------------------------


def test_marathon_is_upgraded_in_its_own_order(world: World) -> None:
    journal = upgrade(world, "marathon")
    version = NEW_MARATHON[1]
    assert world.events == [
        "backup",
        f"stopped marathon {ONE}",
        f"stopped marathon {THREE}",
        f"installed marathon {version} {ONE}",
        f"restarted marathon {ONE}",
        "backup",  # again, with what was done to apps meanwhile
        f"stopped marathon {TWO}",
        f"installed marathon {version} {TWO}",
        f"restarted marathon {TWO}",
        f"installed marathon {version} {THREE}",
        f"restarted marathon {THREE}",
    ]
    assert journal.facts["backup"] == "/backups/2"
    assert [name for _, name in journal.done] == [ONE, TWO, THREE]
    assert world.leader(MARATHON) == ONE
    assert world.violations == []


def test_the_old_marathon_stops_only_when_the_new_one_waits_behind_it(world: World) -> None:
    seen: list[bool] = []

    def look(event: str) -> None:
        if event == f"stopped marathon {TWO}":
            seen.append(world.answers(MARATHON, ONE))

    world.on_event = look
    upgrade(world, "marathon")
    assert seen == [True]


def test_a_failed_backup_stops_the_upgrade_before_anything_is_touched(world: World) -> None:
    targets = chosen(world.cluster.look().expect, (MARATHON,), ())
    states, want = look_at_nodes(world, targets, WANTED, None)
    work = Upgrade(world, Ledger(world.cloud, "demo"), want, states, lambda *_: None)
    roll = world.roll(work)

    def broken(_: Look) -> Path:
        raise ClusterctlError("no space for the backup")

    with pytest.raises(ClusterctlError, match="no space for the backup"):
        MarathonUpgrade(roll, work, broken, lambda *_: None).run(targets[MARATHON])
    assert world.events == []


@pytest.mark.parametrize("line", ["[..] ERROR cannot migrate", "[..] FATAL out of order (a.B:main)"])
def test_an_error_in_the_new_marathons_log_brings_the_old_version_back(world: World, line: str) -> None:
    world.log_lines[ONE] = line
    with pytest.raises(RollError, match="its log has errors") as caught:
        upgrade(world, "marathon")
    assert set(world.running_marathon.values()) == {OLD_MARATHON}
    # the new version has led: all are stopped, the state is restored, and the old leader leads before others start
    begin = world.events.index(f"stopped marathon {TWO}") + 1
    assert world.events[begin:] == [
        f"stopped marathon {ONE}",
        f"stopped marathon {TWO}",
        f"stopped marathon {THREE}",
        "restored /backups/2",
        f"stopped marathon {ONE}",
        f"back marathon {ONE}",
        f"started marathon {TWO}",
        f"started marathon {ONE}",
        f"started marathon {THREE}",
    ]
    assert caught.value.journal.failed[0].state == (
        "back in service with the old version, like the others, and the state restored from /backups/2"
    )
    assert [name for _, name in caught.value.journal.left] == [TWO, THREE]
    assert all(world.answers(MARATHON, name) for name in (ONE, TWO, THREE))


def test_a_new_marathon_that_never_answers_brings_the_old_version_back(world: World) -> None:
    def fall_ill(event: str) -> None:
        if event == f"restarted marathon {ONE}":
            world.sick.add((MARATHON, ONE))

    world.on_event = fall_ill
    with pytest.raises(RollError):
        upgrade(world, "marathon")
    assert f"stopped marathon {TWO}" not in world.events, "the old leader must go on leading"
    assert not any(event.startswith("restored") for event in world.events), "nothing new has led"
    assert set(world.running_marathon.values()) == {OLD_MARATHON}


def test_a_new_version_that_led_unasked_is_gone_back_from_with_the_state(world: World) -> None:
    def usurp(event: str) -> None:
        if event == f"restarted marathon {ONE}":  # the old leader dies on its own while the new one comes up
            world.up[MARATHON, TWO] = 1e9
            world.fails["upgrade", ONE] = "no matter"
            world.log_lines[ONE] = "[..] ERROR broken"

    world.on_event = usurp
    with pytest.raises(RollError, match="its log has errors"):
        upgrade(world, "marathon")
    assert "restored /backups/2" in world.events
    assert set(world.running_marathon.values()) == {OLD_MARATHON}


def test_a_backup_that_can_not_be_restored_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.log_lines[ONE] = "[..] ERROR cannot migrate"

    def broken(_: Look, backup: Path) -> None:
        raise ClusterctlError(f"the backup {backup} can't be read")

    original = MarathonUpgrade.run

    def run(self: MarathonUpgrade, old: Sequence[str]) -> None:
        self.bring_back = broken
        original(self, old)

    monkeypatch.setattr(MarathonUpgrade, "run", run)
    with pytest.raises(RollError) as caught:
        upgrade(world, "marathon")
    state = caught.value.journal.failed[0].state
    assert state.startswith("NOT in service: rolling back failed: the backup /backups/2 can't be read.")
    assert "The state before is in /backups/2; docs/operations.md tells how" in state
    assert not any(world.answers(MARATHON, name) for name in (ONE, TWO, THREE)), "none may lead on half a state"


@pytest.mark.parametrize(
    "line",
    [
        "[2026-11-26 12:00:00,001] ERROR Exception while processing request "
        "(mesosphere.marathon.api.MarathonExceptionMapper:qtp1-42)",
        "[2026-11-26 12:00:00,001] ERROR Connection to leader refused. "
        "(mesosphere.marathon.api.forwarder.AsyncUrlConnectionRequestForwarder:marathon-akka.actor.default-dispatcher-7)",
        "2026-11-26 12:00:00,123:77(0x7f):ZOO_ERROR@handle_socket_error_msg@1764: Socket [10.0.0.1:2181] ...",
        "[2026-11-26 12:00:00,001] INFO  Received status update for task a.instance-1._app.1: TASK_ERROR (no user) "
        "(mesosphere.marathon.MarathonScheduler:Thread-9)",
    ],
)
def test_lines_that_mean_nothing_do_not_stop_an_upgrade(world: World, line: str) -> None:
    world.log_lines[ONE] = line
    upgrade(world, "marathon")
    assert set(world.running_marathon.values()) == {NEW_MARATHON}


def test_a_tarball_named_by_commit_is_the_version_that_marathon_says(world: World) -> None:
    wanted = replace(WANTED["marathon"], version="1.11.25-9ee9f3ceb")

    def say(event: str) -> None:  # it calls itself by the version only
        if event.startswith("restarted marathon"):
            world.marathon[event.rsplit(maxsplit=1)[-1]] = (NEW_MARATHON[0], "1.11.25")

    world.on_event = say
    upgrade(world, "marathon", marathon=wanted)
    assert {version for _, version in world.running_marathon.values()} == {"1.11.25"}


def test_a_slow_start_and_migration_are_waited_for() -> None:
    world = World(marathon_s=500.0)
    upgrade(world, "marathon")
    assert set(world.running_marathon.values()) == {NEW_MARATHON}


def test_a_lost_framework_id_brings_the_old_version_back(world: World) -> None:
    def lose(event: str) -> None:
        world.framework = "f-9999" if event == f"stopped marathon {TWO}" else "f-0000"

    world.on_event = lose
    with pytest.raises(RollError, match="had f-0000: its tasks would be orphaned"):
        upgrade(world, "marathon")
    assert set(world.running_marathon.values()) == {OLD_MARATHON}


def test_a_marathon_of_another_version_than_wanted_is_not_taken(world: World) -> None:
    def other(event: str) -> None:
        if event == f"restarted marathon {ONE}":
            world.marathon[ONE] = ("d" * 64, "1.11.99")

    world.on_event = other
    with pytest.raises(RollError, match=r"says that it is Marathon 1\.11\.99, expected 1\.11\.25"):
        upgrade(world, "marathon")


def test_ctrl_c_in_the_middle_brings_the_old_version_back(world: World) -> None:
    def interrupt(event: str) -> None:
        if world.events.count(event) == 1 and event == f"stopped marathon {TWO}":
            raise KeyboardInterrupt

    world.on_event = interrupt
    with pytest.raises(RollError, match="Ctrl-C"):
        upgrade(world, "marathon")
    assert set(world.running_marathon.values()) == {OLD_MARATHON}
    assert all(world.answers(MARATHON, name) for name in (ONE, TWO, THREE))


def test_an_instance_that_does_not_follow_must_not_lead_with_its_old_version(world: World) -> None:
    world.fails["upgrade", TWO] = "No space left on device"
    with pytest.raises(RollError) as caught:
        upgrade(world, "marathon")
    assert caught.value.journal.failed[0].state.startswith("left stopped: its old version must not lead")
    assert not world.answers(MARATHON, TWO)
    assert world.leader(MARATHON) == ONE

    del world.fails["upgrade", TWO]
    before = len(world.events)
    journal = upgrade(world, "marathon")
    assert [name for _, name in journal.done] == [TWO, THREE]
    assert not any(ONE in event or event == "backup" for event in world.events[before:])
    assert set(world.running_marathon.values()) == {NEW_MARATHON}


@pytest.mark.parametrize("killed_at", range(1, 11))
def test_a_run_killed_anywhere_is_finished_by_the_same_command(killed_at: int) -> None:
    world = World()

    class Killed(BaseException):
        """kill -9: nothing of the run comes after it."""

    def kill(_: str) -> None:
        if len(world.events) == killed_at:
            raise Killed

    world.on_event = kill
    with pytest.raises(Killed):
        upgrade(world, "marathon")
    world.on_event = lambda _: None
    upgrade(world, "marathon")
    assert set(world.running_marathon.values()) == {NEW_MARATHON}
    assert all(world.answers(MARATHON, name) for name in (ONE, TWO, THREE))


def test_the_last_old_marathon_gives_way_to_new_ones_that_wait(world: World) -> None:
    for name in (ONE, THREE):  # the others are new already and wait behind the old leader
        world.marathon[name] = world.running_marathon[name] = NEW_MARATHON
    journal = upgrade(world, "marathon")
    assert [name for _, name in journal.done] == [TWO]
    assert world.acted("stopped", "marathon") == [TWO]


def test_zookeeper_unhealthy_stops_before_marathon_is_backed_up(world: World) -> None:
    world.up[ZK, ONE] = 1e9
    with pytest.raises(ClusterctlError, match="not healthy"):
        upgrade(world, "marathon")
    assert world.events == []
