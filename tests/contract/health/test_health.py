"""The probe and the checks against real ZooKeeper, real Mesos and the Marathon stand-in: what is broken is named."""

import re
import signal
import time

import pytest

from clusterctl.ops.observe.status import collect_status
from tests.contract.health.world import SPEC, World, send
from tests.contract.loopback import MARATHON_SESSION_S
from tests.contract.mesos.cluster import SESSION_S, Json, wait_for

pytestmark = pytest.mark.mesos

ON_RESERVED = {"acceptedResourceRoles": ["marathon"], "constraints": [["pool", "CLUSTER", "jenkins-master"]]}


def test_a_healthy_cluster(world: World) -> None:
    assert world.verify(deep=True) == {}


def test_status_names_the_leaders_that_the_services_name(world: World) -> None:
    report = collect_status(SPEC, world.cloud, world.access.prober)
    assert report.ready == 6
    assert report.leaders == {
        "zookeeper": f"loop-control-{world.zookeeper_leader() + 1}",
        "mesos_master": world.node(world.cluster.leader()),
        "marathon": world.node(world.cluster.leading_marathon()),
    }
    control = report.nodes[0]
    assert control.versions["zookeeper"].startswith("3.8")
    assert control.versions["mesos_master"] == "1.11.0"
    builders = next(group for group in report.groups if group.name == "builders")
    assert (builders.registered, builders.cpus, builders.mem_mib) == (1, 2.0, 1024.0)


def test_a_dead_follower(world: World) -> None:
    follower = next(index for index in (0, 1, 2) if index != world.zookeeper_leader())
    world.kill(world.cluster.zookeepers[follower])
    leader = f"loop-control-{world.zookeeper_leader() + 1}"
    wait_for("the leader to notice", lambda: "zookeeper.synced" in world.verify())
    found = world.verify()
    assert found["zookeeper.members"].startswith(f"loop-control-{follower + 1} (127.0.0.{follower + 1}): ")
    assert "connection refused" in found["zookeeper.members"]
    assert found["zookeeper.synced"] == f"{leader} counts 1 synced followers, expected 2"
    assert "zookeeper.leader" not in found


def test_a_zookeeper_that_hangs_costs_seconds_not_the_command(world: World) -> None:
    follower = next(index for index in (0, 1, 2) if index != world.zookeeper_leader())
    send(world.cluster.zookeepers[follower], signal.SIGSTOP)
    try:
        start = time.monotonic()
        found = world.verify()
        seconds = time.monotonic() - start
    finally:
        send(world.cluster.zookeepers[follower], signal.SIGCONT)
    assert "timed out" in found["zookeeper.members"]
    assert seconds < 15


def test_no_quorum(world: World) -> None:
    for zookeeper in world.cluster.zookeepers[:2]:
        world.kill(zookeeper)

    def lost() -> dict[str, str] | None:
        found = world.verify()
        return found if {"zookeeper.leader", "mesos.leader"} <= set(found) else None

    found = wait_for("the leaders to be gone", lost, 60)
    assert found["zookeeper.leader"] == "found no leader, expected exactly one leader"
    assert found["mesos.leader"] == "elected: none; expected exactly one master"
    assert found["agents.registered"] == "no leading master to ask"
    world.restore()
    assert world.wait().healthy  # by itself, once the members are back


def test_a_dead_leading_master(world: World) -> None:
    before = world.cluster.agent_ids(3)
    address = world.cluster.leader()
    start = time.monotonic()
    world.kill(world.cluster.masters[world.cluster.hosts.index(address)])
    at_once = world.verify()
    assert "connection refused" in at_once["mesos.masters"]
    assert "mesos.leader" in at_once or time.monotonic() - start > SESSION_S
    new = world.cluster.leader(other_than=address)
    wait_for("the standby to follow the new one", lambda: "mesos.leader" not in world.verify())
    found = world.verify()
    assert found["mesos.masters"].startswith(f"{world.node(address)} ({address}): connection refused")
    world.restore()
    assert world.wait().healthy
    assert world.cluster.agent_ids(3) == before
    assert new != address


def test_a_dead_leading_marathon(world: World) -> None:
    address = world.cluster.leading_marathon()
    start = time.monotonic()
    world.kill(world.cluster.marathons[world.cluster.hosts.index(address)])
    found = world.verify()
    assert found["marathon.members"] == f"{world.node(address)} ({address}): connection refused"
    # nobody follows before the dead one's session has expired; a busy machine may have asked only then
    assert "marathon.leader" in found or time.monotonic() - start > MARATHON_SESSION_S
    world.cluster.leading_marathon(other_than=address)
    wait_for("the others to agree", lambda: set(world.verify()) == {"marathon.members"}, 60)


def test_a_dead_agent(world: World) -> None:
    world.kill(world.cluster.agents[0])
    wait_for("the master to notice", world.verify)
    assert world.verify() == {"agents.registered": "loop-builders-x-1 (127.0.0.1): registered, but not active"}
    deep = world.verify(deep=True)
    assert set(deep) == {"agents.registered"}


def test_a_stranger_and_a_wrong_agent(world: World) -> None:
    cluster = world.cluster
    stranger = cluster._agent(4, "pool:jenkins-builder")
    wrong = cluster._agent(1, "pool:other", role="marathon")
    wrong.argv = [flag.replace("/agent1", "/agent1-wrong") for flag in wrong.argv]
    world.kill(cluster.agents[0])
    stranger.start()
    wrong.start()
    try:
        wait_for("both to register", lambda: {"127.0.0.1", "127.0.0.4"} <= set(cluster.agent_ids(4)), 60)
        found = world.verify()
    finally:
        for daemon in (stranger, wrong):
            send(daemon, signal.SIGUSR1)  # an agent leaves cleanly
    who = "loop-builders-x-1 (127.0.0.1)"
    assert found.pop("agents.unexpected").endswith("at 127.0.0.4 is not a node of this cluster")
    assert found == {
        "agents.attributes": f"{who}: has attributes pool:other, expected pool:jenkins-builder",
        "agents.resources": f"{who}: has reservations for marathon, expected none",
    }
    wait_for("both to leave", lambda: not (stranger.running or wrong.running))
    wait_for("the master to know", lambda: "not registered at" in world.verify().get("agents.registered", ""))


def test_a_drained_agent(world: World) -> None:
    agent = {"value": world.cluster.agent_ids(3)["127.0.0.1"]}
    world.cluster.operator({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": agent}})
    try:
        wait_for("the drain", lambda: "drained" in world.verify().get("agents.registered", ""))
        assert world.verify() == {"agents.registered": "loop-builders-x-1 (127.0.0.1): registered, but drained"}
    finally:
        world.cluster.operator({"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": agent}})


def test_jenkins_masters_in_the_wrong_place(world: World) -> None:
    def app(name: str, **more: object) -> Json:
        return {"id": name, "cmd": "sleep 600", "cpus": 0.1, "mem": 32, "labels": {"clusterctl.jenkins": name}, **more}

    try:
        world.cluster.deploy(app("/right", **ON_RESERVED))
        assert world.verify() == {}
        world.cluster.deploy(app("/wrong"))
        expected = "/wrong runs on 127.0.0.1, expected only agents reserved for marathon"
        assert world.verify() == {"jenkins.placement": expected}
    finally:
        world.cluster.delete_all_apps()


@pytest.mark.parametrize(("ahead_s", "text"), [(3600.0, "ahead of that of"), (-3600.0, "behind that of")])
def test_a_clock_that_is_off(world: World, ahead_s: float, text: str) -> None:
    """The machine has one clock: there the probe's process sees another one."""
    world.here.ahead_s["127.0.0.3"] = ahead_s
    try:
        found = world.verify()
        assert list(found) == ["clocks"]
        named = re.match(
            rf"loop-control-3 \(127.0.0.3\): its clock is (\d+) s {text} loop-control-[12], ", found["clocks"]
        )
        assert named, found
        assert 3540 <= int(named[1]) <= 3600, "less by the time that the answers took at most"
        told = collect_status(SPEC, world.cloud, world.access.prober).nodes[2]
        assert (told.name, told.state) == ("loop-control-3", "ready")
        assert told.detail.startswith("its clock is ")
        assert world.wait().healthy, "no wait depends on it"
    finally:
        world.here.ahead_s.clear()
    assert world.verify() == {}
