"""``jenkins create`` against Marathon and nodes in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.jenkins.create import create, differs
from clusterctl.ops.kit.lock import LockedError
from clusterctl.remote.marathons import Answer
from tests.unit.ops.jenkins.world import RELEASE, MemoryHome, World


def test_a_master_gets_a_home_then_an_app_and_is_ready() -> None:
    world = World()
    report = create(world.tier(), ["alice"])
    home = world.nodes.homes_at["demo-jenkins-1"]["alice"]
    assert home.user == "jm-001"
    marker = json.loads(home.marker)
    assert (marker["cluster"], marker["name"], marker["slot"], marker["admin"]) == ("demo", "alice", 1, "admin")
    definition = world.marathon.apps["/jenkins/alice"]
    assert definition["user"] == "jm-001"
    assert definition["constraints"] == [["hostname", "CLUSTER", "10.0.0.11"]]
    assert definition["cmd"].endswith(f"jenkins-start alice 1 {RELEASE}")
    [made] = report.to_json()["created"]
    assert (made["name"], made["slot"], made["url"]) == ("alice", 1, "http://10.0.0.11:31000/")
    assert made["ready_s"] > 0
    assert not world.cloud.lock_records


def test_masters_are_told_by_slot_whoever_was_ready_first() -> None:
    report = create(World().tier(), ["alice", "bob"])
    report.ready_s = {"bob": 1.0, "alice": 2.0}
    assert [each["name"] for each in report.to_json()["created"]] == ["alice", "bob"]


def test_the_same_command_again_writes_nothing() -> None:
    world = World()
    create(world.tier(), ["alice", "bob"])
    calls, locks = len(world.marathon.writes), world.cloud.calls.write
    report = create(world.tier(), ["alice", "bob"])
    assert report.there == ["alice", "bob"]
    assert (len(world.marathon.writes), world.cloud.calls.write) == (calls, locks)
    assert [action for _, action in world.nodes.actions][-2:] == ["survey", "survey"]


def test_masters_are_spread_and_slots_are_unique() -> None:
    world = World(master={"cpus": 0.1, "mem_mib": 320, "heap_mib": 64})
    report = create(world.tier(), [f"dev-{number}" for number in range(1, 8)], batch=3)
    slots = [json.loads(home.marker)["slot"] for at in world.nodes.homes_at.values() for home in at.values()]
    assert sorted(slots) == [1, 2, 3, 4, 5, 6, 7]
    assert [len(at) for at in world.nodes.homes_at.values()] == [4, 3]
    assert len(report.ready_s) == 7
    assert report.calls == 7


def test_a_free_slot_between_others_is_taken() -> None:
    world = World(master={"cpus": 0.1, "mem_mib": 320, "heap_mib": 64})
    create(world.tier(), ["a", "b", "c"])
    for at in world.nodes.homes_at.values():
        at.pop("b", None)
    del world.marathon.apps["/jenkins/b"]
    create(world.tier(), ["d"])
    assert world.marathon.apps["/jenkins/d"]["user"] == "jm-002"


def test_what_does_not_fit_is_told_before_anything_is_made() -> None:
    world = World()
    # m1.small: 2048 MiB less the reserve is 1856, so one master of 1024 MiB a node
    with pytest.raises(ClusterctlError) as caught:
        create(world.tier(), ["a", "b", "c"])
    assert "3 new masters, and there is room for 2; nothing was made" in caught.value.message
    assert "demo-jenkins-1 (10.0.0.11): room for 1, bound by memory" in caught.value.message
    assert not world.marathon.apps
    assert world.nodes.homes_at == {"demo-jenkins-1": {}, "demo-jenkins-2": {}}


def test_a_full_volume_is_told() -> None:
    world = World()
    world.nodes.free_mib = 560  # 500 are spared
    with pytest.raises(ClusterctlError, match="bound by disk"):
        create(world.tier(), ["a"])


def test_slots_run_out() -> None:
    world = World(max_masters=1, master={"cpus": 0.1, "mem_mib": 320, "heap_mib": 64})
    with pytest.raises(ClusterctlError, match=r"2 new masters, and 1 slots are free of jenkins\.max_masters = 1"):
        create(world.tier(), ["a", "b"])


def test_other_tasks_take_room_and_hibernating_masters_take_none() -> None:
    world = World()
    create(world.tier(), ["a", "b"])
    world.marathon.apps["/jenkins/a"]["instances"] = 0
    create(world.tier(), ["c"])
    assert world.marathon.apps["/jenkins/c"]["constraints"][0][2] == "10.0.0.11"
    world.marathon.apps["/jenkins/b"]["instances"] = 0
    world.marathon.apps["/other"] = {
        "id": "/other",
        "instances": 1,
        "cpus": 1.9,
        "mem": 10,
        "constraints": [["hostname", "CLUSTER", "10.0.0.12"]],
    }
    with pytest.raises(ClusterctlError, match=r"demo-jenkins-2 \(10.0.0.12\): room for 0, bound by cpus"):
        create(world.tier(), ["d"])


def test_an_agent_that_is_not_registered_hosts_nothing() -> None:
    world = World()
    world.prober.lost = {"10.0.0.11"}
    create(world.tier(), ["a"])
    assert "a" in world.nodes.homes_at["demo-jenkins-2"]


def test_no_slot_is_given_while_a_node_is_silent() -> None:
    world = World()
    world.nodes.silent["demo-jenkins-2"] = "no route to host"
    with pytest.raises(ClusterctlError, match="as long as not every home is known") as caught:
        create(world.tier(), ["a"])
    assert "demo-jenkins-2: no route to host" in caught.value.message


def test_a_home_without_an_app_gets_its_app_again() -> None:
    world = World()
    create(world.tier(), ["a"])
    before = world.nodes.homes_at["demo-jenkins-1"]["a"].marker
    del world.marathon.apps["/jenkins/a"]
    create(world.tier(), ["a"])
    assert world.nodes.homes_at["demo-jenkins-1"]["a"].marker == before
    assert world.marathon.apps["/jenkins/a"]["user"] == "jm-001"


def test_an_app_without_its_home_is_not_touched() -> None:
    world = World()
    create(world.tier(), ["a"])
    world.nodes.homes_at["demo-jenkins-1"].clear()
    with pytest.raises(ClusterctlError, match="a: has an app and no home on demo-jenkins-1"):
        create(world.tier(), ["a"])


def test_one_that_does_not_come_up_fails_and_the_others_stay() -> None:
    world = World(master={"cpus": 0.1, "mem_mib": 320, "heap_mib": 64})
    world.marathon.failing = {"b"}
    with pytest.raises(ClusterctlError) as caught:
        create(world.tier(), ["a", "b", "c"], batch=2, timeout_s=60)
    assert "1 of 3 Jenkins masters are not ready" in caught.value.message
    assert "b: /login: connection refused; its last task failed at 2026-01-01T00:00:00Z: exit status 3" in str(
        caught.value.message
    )
    assert caught.value.hint is not None
    assert "`clusterctl jenkins VERB demo.yml` goes on" in caught.value.hint
    assert world.app_names == ["a", "b", "c"]
    # the same command waits for it again, and writes nothing
    world.marathon.failing.clear()
    writes = len(world.marathon.writes)
    assert create(world.tier(), ["a", "b", "c"]).there == ["a", "b", "c"]
    assert len(world.marathon.writes) == writes


def test_a_batch_of_which_nothing_comes_up_is_the_last() -> None:
    world = World(master={"cpus": 0.1, "mem_mib": 320, "heap_mib": 64})
    world.marathon.failing = {"a", "b", "c"}
    with pytest.raises(ClusterctlError, match="2 of 3 Jenkins masters"):
        create(world.tier(), ["a", "b", "c"], batch=2, timeout_s=60)
    assert world.app_names == ["a", "b"]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("login", "/login: HTTP 500"),
        ("token", "/api/json with the token: HTTP 401"),
        ("inbound", "the port for inbound agents: connection refused"),
    ],
)
def test_ready_means_all_of_it(broken: str, why: str) -> None:
    world = World()
    create(world.tier(), ["a"])
    world.nodes.master("a").broken = broken
    with pytest.raises(ClusterctlError, match=why):
        create(world.tier(), ["a"], timeout_s=30)


def test_marathon_refuses_one() -> None:
    world = World()
    world.marathon.refusing["/jenkins/a"] = Answer(422, {"message": "Object is not valid", "details": ["x"]})
    with pytest.raises(ClusterctlError, match=r'a: HTTP 422: Object is not valid \(\["x"\]\)'):
        create(world.tier(), ["a", "b"])
    assert world.app_names == ["b"]


def test_a_build_proves_that_agents_come() -> None:
    world = World()
    [made] = create(world.tier(), ["a"], probe=True).to_json()["created"]
    assert made["probe"] == {"error": "", "wait_s": 4.5, "agent": "mesos-jenkins-1"}
    assert world.nodes.master("a").asked[-1] == "/job/clusterctl-probe/doDelete"


def test_a_build_that_gets_no_agent_fails_the_probe() -> None:
    world = World()
    tier = world.tier()
    world.nodes.starting = 0
    changed = world.marathon.on_change

    def breaks(path: str) -> None:
        changed(path)
        world.nodes.master("a").broken = "builds"

    world.marathon.on_change = breaks
    with pytest.raises(ClusterctlError, match="a: no build within 300 s: its build waits: no agents"):
        create(tier, ["a"], probe=True)


def test_files_of_the_operator_go_into_the_home(tmp_path: Path) -> None:
    (tmp_path / "ldap.xml").write_text("<x/>")
    (tmp_path / "seed.groovy").write_text("println 1")
    world = World(security={"realm": "file", "file": "ldap.xml", "extra_groovy": ["seed.groovy"]})
    create(world.tier(tmp_path), ["a"])
    assert world.nodes.homes_at["demo-jenkins-1"]["a"].files == {
        ".clusterctl/security.xml": "<x/>",
        "init.groovy.d/seed.groovy": "println 1",
    }
    assert "<x/>" not in json.dumps(world.marathon.apps)
    with pytest.raises(InputError, match=r"jenkins.security.file: found 'ldap.xml', which can't be read"):
        create(world.tier(tmp_path / "elsewhere"), ["a"])


def test_one_command_at_a_time() -> None:
    world = World()
    world.cloud.create_lock("demo", "clusterctl.lock=demo owner=bob@ops2 pid=99 command=scale")
    with pytest.raises(LockedError):
        create(world.tier(), ["a"])
    assert not world.marathon.apps


def test_a_home_of_another_slot_is_a_problem() -> None:
    world = World()
    create(world.tier(), ["a"])
    stolen = world.nodes.homes_at["demo-jenkins-1"]["a"]
    world.nodes.homes_at["demo-jenkins-2"]["b"] = MemoryHome(stolen.marker.replace('"a"', '"b"'), "jm-001")
    with pytest.raises(ClusterctlError, match="b: shares slot 1 with a"):
        create(world.tier(), ["b"])


@pytest.mark.parametrize(
    ("found", "differ"),
    [
        ({"cpus": 0.5, "ports": [{"port": 1, "labels": {}}], "extra": 1}, False),
        ({"cpus": 0.6, "ports": [{"port": 1}]}, True),
        ({"cpus": 0.5, "ports": []}, True),
        ({"cpus": 0.5}, True),
    ],
)
def test_what_marathon_adds_is_no_difference(found: object, differ: bool) -> None:
    assert differs({"cpus": 0.5, "ports": [{"port": 1}]}, found) is differ
