"""Operating rules of restarts, each by its name, on a cluster that watches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from clusterctl.ansible.playbook import PlaybookResult
from clusterctl.errors import InputError, UnhealthyError
from clusterctl.ops.roll.order import batch_size, chosen
from clusterctl.ops.roll.report import RollError
from clusterctl.ops.roll.restart import Restart, StepDown
from clusterctl.ops.roll.steps import SETTLE_S, Patience, Roll
from clusterctl.ops.roll.window import roll_service
from clusterctl.services import ROLLS, Service
from tests.unit.health.clusters import CONTROL
from tests.unit.ops.roll.world import AGENT, MARATHON, MASTER, ONE, THREE, TWO, ZK, World


@pytest.fixture
def world() -> World:
    return World()


def restart(
    world: World, service: str, *only: str, batch: str = "20%", max_failures: int = 0, **options: Patience
) -> Roll:
    """The steps of `clusterctl restart`."""
    roll = world.roll(Restart(world), f"restart {service}", **options)
    look = world.cluster.look()
    targets = chosen(look.expect, ROLLS[service], only)
    for each, names in targets.items():
        roll.journal.plan(each, names)
    size = batch_size(batch, len(look.expect.agents))
    for each, names in targets.items():
        roll_service(roll, each, names, batch=size, max_failures=max_failures)
    return roll


@pytest.mark.parametrize(
    ("service", "order"),
    [("zookeeper", [ONE, TWO, THREE]), ("mesos_master", [TWO, THREE, ONE]), ("marathon", [ONE, THREE, TWO])],
)
def test_followers_are_restarted_first_and_the_leader_last(world: World, service: str, order: list[str]) -> None:
    roll = restart(world, service)
    assert world.acted("restarted", service) == order
    assert [name for _, name in roll.journal.done] == order
    assert (roll.journal.left, roll.journal.failed) == ([], [])


def test_the_leader_is_looked_up_anew_before_each_step(world: World) -> None:
    def lead(event: str) -> None:
        if event == f"restarted zookeeper {ONE}":  # meanwhile another member takes over
            world.leaders[ZK] = TWO

    world.on_event = lead
    restart(world, "zookeeper")
    assert world.acted("restarted", "zookeeper") == [ONE, THREE, TWO]


def test_never_two_members_and_never_two_components_at_once(world: World) -> None:
    for service in ("zookeeper", "mesos", "marathon"):
        restart(world, service)
    assert world.violations == []
    assert len(world.acted("restarted", "mesos_agent")) == 3
    kinds = [event.split()[1] for event in world.events]
    assert sorted(set(kinds), key=kinds.index) == ["zookeeper", "mesos_master", "mesos_agent", "marathon"]


def test_mesos_means_masters_then_agents(world: World) -> None:
    restart(world, "mesos")
    services = [event.split()[1] for event in world.events]
    assert services == ["mesos_master"] * 3 + ["mesos_agent"] * 3


def test_an_unhealthy_cluster_is_not_touched(world: World) -> None:
    del world.up[ZK, TWO]
    with pytest.raises(UnhealthyError) as caught:
        restart(world, "mesos_master")
    assert world.events == []
    assert world.clock.now < SETTLE_S + 5
    assert "nothing was touched" in caught.value.message
    assert "zookeeper.members: demo-control-2" in caught.value.message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("service", [ZK, MASTER, MARATHON])
def test_the_one_that_is_sick_may_be_restarted_by_name(world: World, service: Service) -> None:
    """Its connections died silently: it is out until somebody restarts it."""
    follower = next(name for name in (ONE, TWO, THREE) if name != world.leaders[service])
    world.up.pop((service, follower))
    restart(world, service, follower)
    assert world.acted("restarted", service) == [follower]
    assert world.answers(service, follower)


def members(world: World, names: Sequence[str], out: Sequence[str]) -> Roll:
    """ZooKeepers whose list of members changes."""
    roll = world.roll(Restart(world), "restart zookeeper")
    roll.journal.plan(ZK, names)
    roll.members(ZK, names, out=out)
    return roll


def test_where_members_may_be_out_they_go_first(world: World) -> None:
    del world.up[ZK, TWO]
    members(world, [ONE, TWO, THREE], out=[ONE, TWO, THREE])
    assert world.acted("restarted", "zookeeper") == [TWO, ONE, THREE]
    assert world.violations == []


def test_who_falls_out_between_two_steps_goes_next_if_it_may(world: World) -> None:
    def fall_out(event: str) -> None:
        if event == f"restarted zookeeper {ONE}":  # an election is won by a member that the leader does not list
            del world.up[ZK, THREE]

    world.on_event = fall_out
    roll = members(world, [ONE, TWO, THREE], out=[ONE, TWO, THREE])
    assert world.acted("restarted", "zookeeper") == [ONE, THREE, TWO]
    assert [name for _, name in roll.journal.done] == [ONE, THREE, TWO]


@pytest.mark.parametrize("out", [[], [TWO], [ONE, TWO]])
def test_others_may_not_be_out(world: World, out: list[str]) -> None:
    del world.up[ZK, THREE]
    with pytest.raises(UnhealthyError):
        members(world, [ONE, TWO], out=out)
    assert world.events == []


def test_where_their_lists_let_none_lead_the_roll_goes_on(world: World) -> None:
    """As when the leader dies while one of four has the longer list: the three others have no common candidate."""

    def die(event: str) -> None:
        if event == f"restarted zookeeper {ONE}":
            world.sick.add((ZK, THREE))
            world.at_odds_until = inf
        elif event == f"restarted zookeeper {TWO}":
            world.at_odds_until = 0.0

    world.on_event = die
    began = world.clock.now
    with pytest.raises(RollError, match=THREE):  # it is dead: nothing can be done for it here
        members(world, [ONE, TWO, THREE], out=[ONE, TWO, THREE])
    assert world.acted("restarted", "zookeeper") == [ONE, TWO, THREE]
    assert world.clock.now - began >= 30


def test_where_those_that_serve_are_too_few_for_the_longer_list_the_roll_goes_on(world: World) -> None:
    """As when two of four with the list of three elect one of them: the others, restarted or not, stay out."""

    def elected(event: str) -> None:
        if event == f"restarted zookeeper {ONE}":
            world.voting = {ONE, TWO}
        elif event == f"restarted zookeeper {TWO}":
            world.voting = set()

    world.on_event = elected
    began = world.clock.now
    members(world, [ONE, TWO, THREE], out=[ONE, TWO, THREE])
    assert world.acted("restarted", "zookeeper") == [ONE, TWO, THREE]
    assert world.clock.now - began >= 30


def test_one_that_fails_is_not_taken_for_one_that_votes(world: World) -> None:
    def fail(event: str) -> None:
        if event == f"restarted zookeeper {ONE}":
            world.voting = {ONE}
            world.sick = {(ZK, TWO)}

    world.on_event = fail
    with pytest.raises(RollError, match=TWO):
        members(world, [ONE, TWO, THREE], out=[ONE, TWO, THREE])
    assert world.acted("restarted", "zookeeper") == [ONE]


def test_a_few_are_not_passed_over_where_none_is_left_to_restart(world: World) -> None:
    world.voting = {TWO, ONE}
    with pytest.raises(UnhealthyError, match=TWO):
        members(world, [THREE], out=[])
    assert world.events == []


def test_an_election_is_waited_for(world: World) -> None:
    def vote(event: str) -> None:
        if event == f"restarted zookeeper {ONE}":
            world.at_odds_until = world.clock.now + 20

    world.on_event = vote
    members(world, [ONE, TWO, THREE], out=[ONE, TWO, THREE])
    assert world.acted("restarted", "zookeeper") == [ONE, TWO, THREE]
    assert world.violations == []


def test_who_steps_down_comes_back_when_another_leads(world: World) -> None:
    led: list[str | None] = []

    def note(event: str) -> None:
        led.append(world.leader(ZK))

    world.on_event = note
    roll = world.roll(StepDown(world, cluster=world.cluster), "scale")
    roll.journal.plan(ZK, [THREE])
    roll.members(ZK, [THREE], out=[])
    assert world.events == [f"stopped zookeeper {THREE}", f"started zookeeper {THREE}"]
    assert led[1] == ONE


def test_who_was_left_stopped_is_started(world: World) -> None:
    del world.up[ZK, THREE]
    roll = world.roll(StepDown(world, cluster=world.cluster), "scale")
    roll.journal.plan(ZK, [THREE])
    roll.members(ZK, [THREE], out=[ONE, TWO])
    assert world.answers(ZK, THREE)


def test_the_last_step_wants_all_back(world: World) -> None:
    world.up[ZK, TWO] = 30.0  # by itself, once the leader that it does not list is restarted
    members(world, [THREE], out=[ONE, TWO])
    assert world.acted("restarted", "zookeeper") == [THREE]
    assert all(world.answers(ZK, name) for name in CONTROL)


def test_another_may_not_while_one_is_sick(world: World) -> None:
    del world.up[ZK, TWO]
    for service, only in (("zookeeper", ONE), ("mesos_master", TWO)):
        with pytest.raises(UnhealthyError):
            restart(world, service, only)
    assert world.events == []


def test_a_disk_that_is_full_is_the_reason_whatever_ansible_says(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fails["restarted", TWO] = "Set it: Module result deserialization failed: No start of json char found"
    run = world.run

    def filled(playbook: str, names: Sequence[str], variables: Mapping[str, Any] | None = None) -> PlaybookResult:
        if list(names) == [TWO]:
            world.disks[TWO] = [{"path": "/", "free_mib": 0, "size_mib": 2000}]
        return run(playbook, names, variables)

    monkeypatch.setattr(world, "run", filled)
    with pytest.raises(RollError) as caught:
        restart(world, "zookeeper")
    [failed] = caught.value.journal.failed
    assert failed.reason == f"no space on {TWO}:/ (0 of 2000 MiB free)"


def test_nor_the_sick_one_where_more_is_wrong(world: World) -> None:
    del world.up[ZK, TWO]
    del world.up[MASTER, THREE]
    with pytest.raises(UnhealthyError):
        restart(world, "zookeeper", TWO)
    assert world.events == []


def test_zookeepers_steps_wait_for_marathons_that_load_for_minutes() -> None:
    world = World(marathon_s=400.0)
    roll = restart(world, "zookeeper")
    # each step ends the Marathon of its member, the leader's step all of them; the next step waits for them
    assert world.violations == []
    assert world.clock.now >= 2 * 400
    assert [name for name in CONTROL if world.answers(MARATHON, name)] == []
    roll.ready(ZK)
    assert all(world.answers(MARATHON, name) for name in CONTROL)


def test_an_operators_patience_counts_for_marathon_too() -> None:
    world = World(marathon_s=400.0)
    with pytest.raises(RollError, match="cluster is not healthy"):
        restart(world, "zookeeper", patience=Patience(120))
    assert world.acted("restarted", "zookeeper") == [ONE]


def test_a_cluster_whose_marathons_are_only_starting_is_waited_for(world: World) -> None:
    for name in CONTROL:
        world.up[MARATHON, name] = 300.0
    restart(world, "mesos_master")
    assert world.violations == []
    assert world.acted("restarted", "mesos_master") != []


def test_patience_is_what_each_service_needs_unless_given() -> None:
    assert [Patience().gate(each) for each in (ZK, MARATHON)] == [180, 600]
    assert (Patience().whole, Patience().back(ZK), Patience().back(MARATHON)) == (600, 60, 600)
    assert [Patience(30).gate(each) for each in (ZK, MARATHON)] == [30, 30]
    assert (Patience(30).whole, Patience(30).back(MARATHON)) == (30, 600)


def test_a_zookeeper_follower_must_be_in_sync_before_the_next_step(world: World) -> None:
    seen: list[int] = []

    def count(event: str) -> None:
        seen.append(sum(world.answers(ZK, name) for name in CONTROL))

    world.on_event = count
    restart(world, "zookeeper")
    assert seen == [3, 3, 3], "a member was restarted before the one before it was back"


def test_a_member_that_does_not_come_back_stops_the_run_and_is_put_back(world: World) -> None:
    def fall_ill(event: str) -> None:
        if event == f"restarted zookeeper {TWO}":
            world.sick.add((ZK, TWO))

    world.on_event = fall_ill
    with pytest.raises(RollError) as caught:
        restart(world, "zookeeper")
    journal = caught.value.journal
    assert journal.done == [(ZK, ONE)]
    assert [(each.node, each.state) for each in journal.failed] == [(TWO, "back in service")]
    assert journal.left == [(ZK, THREE)]
    assert world.events[-2:] == [f"restarted zookeeper {TWO}", f"started zookeeper {TWO}"]
    assert f"restarted zookeeper {THREE}" not in world.events
    assert caught.value.exit_code == 1
    assert caught.value.hint == (
        f"Fix the cause, then `clusterctl restart zookeeper --only {TWO},{THREE}` does what is left."
    )
    assert f"done: zookeeper on {ONE}" in caught.value.message
    assert f"left: zookeeper on {THREE}" in caught.value.message
    assert journal.to_json()["continue"] == f"clusterctl restart zookeeper --only {TWO},{THREE}"


def test_continuing_touches_only_what_is_left(world: World) -> None:
    world.fails["restarted", TWO] = "Failed to connect to bus"
    with pytest.raises(RollError, match="Failed to connect to bus") as caught:
        restart(world, "zookeeper")
    del world.fails["restarted", TWO]
    done = len(world.events)
    restart(world, "zookeeper", *caught.value.journal.unfinished)
    assert world.events[done:] == [f"restarted zookeeper {TWO}", f"restarted zookeeper {THREE}"]


def test_a_node_that_can_not_be_put_back_is_named_as_out_of_service(world: World) -> None:
    world.fails |= {("restarted", ONE): "unreachable", ("started", ONE): "unreachable"}
    with pytest.raises(RollError) as caught:
        restart(world, "zookeeper")
    assert caught.value.journal.failed[0].state == "NOT in service: restart task: unreachable"
    assert f"failed: zookeeper on {ONE}: NOT in service" in caught.value.message


def test_a_node_that_was_started_and_stays_silent_is_named_as_out_of_service(world: World) -> None:
    def die(event: str) -> None:
        if ONE in event:
            world.up[ZK, ONE] = 1e9

    world.on_event = die
    world.fails["restarted", ONE] = "no"
    with pytest.raises(RollError) as caught:
        restart(world, "zookeeper")
    assert caught.value.journal.failed[0].state.startswith("NOT in service: connection refused")
    assert world.clock.now >= Patience().back(ZK)


def test_another_service_that_falls_ill_stops_the_run_before_the_next_node(world: World) -> None:
    def fall_ill(event: str) -> None:
        if event == f"restarted mesos_master {TWO}":
            world.up[ZK, ONE] = 1e9

    world.on_event = fall_ill
    with pytest.raises(RollError, match="the cluster is not healthy") as caught:
        restart(world, "mesos_master")
    assert caught.value.journal.done == [(MASTER, TWO)]
    assert world.acted("restarted", "mesos_master") == [TWO]


def test_masters_wait_until_every_agent_has_registered_again_with_its_id(world: World) -> None:
    def forget(event: str) -> None:
        if event == f"restarted mesos_master {ONE}":
            world.ids["demo-builders-abc-1"] = "S-other"

    world.on_event = forget
    with pytest.raises(RollError, match="has not registered again as S-demo-builders-abc-1"):
        restart(world, "mesos_master")


def test_marathon_must_keep_its_framework_id(world: World) -> None:
    def lose(event: str) -> None:
        world.framework = "f-9999"

    world.on_event = lose
    with pytest.raises(RollError, match="framework id f-9999, and had f-0000"):
        restart(world, "marathon")


def test_marathons_deployments_must_be_empty_before(world: World) -> None:
    world.deployments = 2
    with pytest.raises(
        UnhealthyError,
        match=r"d-0 of /a since 2026-01-01 is under way; .*curl -X DELETE .*deployments/d-0",
    ):
        restart(world, "marathon")
    assert world.events == []


def test_marathons_deployments_must_be_empty_after(world: World) -> None:
    def deploy(event: str) -> None:
        world.deployments = 1

    world.on_event = deploy
    with pytest.raises(RollError, match="Marathon's deployment d-0 of /a since 2026-01-01 is under way"):
        restart(world, "marathon")
    assert len(world.events) == 2  # the restart, and the start that puts back


def test_deployments_are_no_concern_of_other_services(world: World) -> None:
    world.deployments = 2
    assert len(restart(world, "zookeeper").journal.done) == 3


def test_an_agent_must_register_under_the_same_id(world: World) -> None:
    def renew(event: str) -> None:
        name = event.rsplit(maxsplit=1)[-1]
        world.ids[name] = "S-new"

    world.on_event = renew
    with pytest.raises(RollError, match="came back as S-new, and was S-demo-"):
        restart(world, "mesos_agent")


def test_agents_are_lost_after_the_masters_patience_not_later(world: World) -> None:
    def die(event: str) -> None:
        if event.startswith("restarted"):
            world.sick.add((AGENT, event.rsplit(maxsplit=1)[-1]))

    world.on_event = die
    with pytest.raises(RollError):
        restart(world, "mesos_agent")
    # 5 pings of 15 s, then as long as a node that was put back may take
    assert 75 <= world.clock.now <= 75 + Patience().back(AGENT) + 10


def test_agents_go_in_batches_that_spread_over_groups() -> None:
    world = World(builders=9)
    batches: list[int] = []

    def note(event: str) -> None:
        batches.append(int(world.clock.now))

    world.on_event = note
    restart(world, "mesos_agent", batch="30%")
    sizes = [batches.count(moment) for moment in sorted(set(batches))]
    assert sizes == [3, 3, 3, 1]


def test_the_cluster_is_healthy_between_batches() -> None:
    world = World(builders=4)

    def fall_ill(event: str) -> None:
        if event.startswith("restarted"):
            world.up[MASTER, TWO] = 1e9

    world.on_event = fall_ill
    with pytest.raises(RollError, match=r"mesos\.masters: demo-control-2") as caught:
        restart(world, "mesos_agent", batch="1")
    assert (len(caught.value.journal.done), len(caught.value.journal.left)) == (1, 4)


def test_a_failed_agent_stops_the_run_after_its_batch() -> None:
    world = World(builders=5)
    order = sorted(world.agents)
    world.fails["restarted", order[0]] = "boom"
    with pytest.raises(RollError) as caught:
        restart(world, "mesos_agent", batch="2")
    journal = caught.value.journal
    assert len(journal.done) + len(journal.failed) == 2
    assert [each.node for each in journal.failed] == [order[0]]
    assert len(journal.left) == 4
    assert f"started mesos_agent {order[0]}" in world.events


def test_fewer_failures_than_allowed_go_on_and_are_told_at_the_end() -> None:
    world = World(builders=5)
    bad = sorted(world.agents)[0]
    world.fails |= {("restarted", bad): "boom", ("started", bad): "boom"}

    def stay_away(_: str) -> None:
        world.up.pop((AGENT, bad), None)

    world.on_event = stay_away
    with pytest.raises(RollError, match="1 agents failed, 1 are allowed") as caught:
        restart(world, "mesos_agent", batch="1", max_failures=1)
    journal = caught.value.journal
    assert (len(journal.done), len(journal.failed), journal.left) == (5, 1, [])
    assert caught.value.hint is not None
    assert f"--only {bad}`" in caught.value.hint


def test_more_failures_than_allowed_stop_the_run() -> None:
    world = World(builders=5)
    for name in world.agents:
        world.fails["restarted", name] = "boom"
    with pytest.raises(RollError, match="2 agents failed") as caught:
        restart(world, "mesos_agent", batch="1", max_failures=1)
    assert (len(caught.value.journal.failed), len(caught.value.journal.left)) == (2, 4)


def test_ctrl_c_puts_the_node_back_and_names_the_rest(world: World) -> None:
    def interrupt(event: str) -> None:
        if event == f"restarted zookeeper {TWO}":
            raise KeyboardInterrupt

    world.on_event = interrupt
    with pytest.raises(RollError, match=r"Ctrl-C at zookeeper on demo-control-2 \(back in service\)") as caught:
        restart(world, "zookeeper")
    assert world.events[-1] == f"started zookeeper {TWO}"
    assert caught.value.journal.unfinished == [TWO, THREE]


def test_unknown_names_are_refused_before_anything_is_done(world: World) -> None:
    with pytest.raises(InputError, match="--only: found demo-control-9; allowed: demo-control-1, "):
        restart(world, "zookeeper", "demo-control-9")
    assert world.events == []


@pytest.mark.parametrize("service", [ZK, MASTER, MARATHON])
def test_one_node_is_restarted_by_name(world: World, service: Service) -> None:
    restart(world, service.value, TWO)
    assert world.events == [f"restarted {service} {TWO}"]


def test_marathon_roll_passes_all_its_members(world: World) -> None:
    assert len(restart(world, "marathon").journal.done) == 3
    assert world.leader(MARATHON) != TWO


def test_a_broken_agent_that_is_left_out_by_word_blocks_nothing(world: World) -> None:
    broken = world.agents[-1]
    world.cloud.listed = [
        replace(each, status="ERROR", fault="host is gone") if each.name == broken else each
        for each in world.cloud.listed
    ]
    del world.up[AGENT, broken]
    with pytest.raises(UnhealthyError, match="host is gone"):
        restart(world, "zookeeper")
    world.cluster.left_out = [broken]
    restart(world, "zookeeper")
    restart(world, "mesos_agent")
    assert len(world.acted("restarted", "zookeeper")) == 3
    assert broken not in world.acted("restarted", "mesos_agent")
    assert not world.violations


def test_only_agents_can_be_left_out(world: World) -> None:
    for name in (ONE, "nobody"):
        world.cluster.left_out = [name]
        with pytest.raises(InputError, match=f"--without: found '{name}'; allowed: agents"):
            restart(world, "zookeeper")


def test_a_full_disk_is_told_before_anything_is_touched(world: World) -> None:
    world.disks[TWO] = [{"path": "/", "free_mib": 0, "size_mib": 4000}]
    began = world.clock.now
    with pytest.raises(UnhealthyError, match="/ has 0 of 4000 MiB free, expected 256"):
        restart(world, "zookeeper")
    assert world.events == []
    assert world.clock.now == began, "waiting makes no room"


@pytest.mark.parametrize("only", [(), ("demo-builders-abc-2",)])
def test_a_full_disk_of_an_agent_is_told_before_anything_is_touched(world: World, only: tuple[str, ...]) -> None:
    world.disks["demo-builders-abc-2"] = [{"path": "/", "free_mib": 0, "size_mib": 4000}]
    with pytest.raises(UnhealthyError, match=r"demo-builders-abc-2 .*/ has 0 of 4000 MiB free, expected 256") as caught:
        restart(world, "mesos_agent", *only)
    assert "--without AGENT" in (caught.value.hint or "")
    assert world.events == []
    world.cluster.left_out = ["demo-builders-abc-2"]
    restart(world, "mesos_agent")
    assert "demo-builders-abc-2" not in world.acted("restarted", "mesos_agent")


def test_a_member_that_a_full_disk_has_stopped_is_not_restarted_before_there_is_room(world: World) -> None:
    del world.up[ZK, TWO]
    world.disks[TWO] = [{"path": "/", "free_mib": 0, "size_mib": 4000}]
    with pytest.raises(UnhealthyError, match="/ has 0 of 4000 MiB free, expected 256"):
        restart(world, "zookeeper", TWO)
    assert world.events == []
    world.disks.clear()
    restart(world, "zookeeper", TWO)
    assert world.events == [f"restarted zookeeper {TWO}"]
