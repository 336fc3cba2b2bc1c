"""The verbs of the Jenkins tier against real ZooKeeper, Mesos and java, with both stand-ins, on loopback addresses."""

import json
import multiprocessing
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusterctl.jenkins.slots import build_uid, master_uid
from clusterctl.load.plan import Canary, FrameworkGroup, LoadPlan
from clusterctl.load.verdict import Thresholds, summarise
from clusterctl.ops.jenkins.backup import backup
from clusterctl.ops.jenkins.create import create
from clusterctl.ops.jenkins.delete import delete
from clusterctl.ops.jenkins.ground import PartlyFailed
from clusterctl.ops.jenkins.idle import idle_masters
from clusterctl.ops.jenkins.looks import list_masters, status
from clusterctl.ops.jenkins.restore import move, restore
from clusterctl.ops.jenkins.stop import Manner, hibernate, restart, wake
from clusterctl.ops.jenkins.upgrade import upgrade
from clusterctl.ops.loadtest.tier import left, remove, run_masters
from clusterctl.ops.observe.healthy import healthy_within
from clusterctl.ops.observe.verify import verify
from tests.contract.jenkins import tier as tiers
from tests.contract.jenkins.master import built
from tests.contract.jenkins.tier import RELEASE, TierCluster, World, processes_of, release
from tests.contract.loopback import unpacked_marathon
from tests.contract.mesos.cluster import wait_for
from tests.contract.mesos.netns import private_network

PATIENT = Manner(quiet_timeout_s=60, ready_timeout_s=120)


@pytest.fixture(scope="session")
def marathon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked_marathon(tmp_path_factory.mktemp("marathon"))


@pytest.fixture(scope="module")
def world(
    mesos: Path,
    marathon: Path,
    artifacts: dict[str, list[Path]],
    java11: str,
    passable: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    work = passable / "tier"
    work.mkdir()
    spec = tiers.spec()
    with private_network():
        cluster = TierCluster(mesos, marathon, work, spec)
        for n in (2, 3):
            war, *plugins = artifacts["0.x"]
            release(cluster.roots[n], RELEASE, war, plugins)
            tiers.java(cluster.roots[n], Path(java11))
        try:
            with cluster:
                cluster.leading_marathon()
                yield World(cluster, spec, work)
        finally:
            shutil.copytree(work, tmp_path_factory.mktemp("logs"), ignore=only_logs, dirs_exist_ok=True)


def only_logs(directory: str, names: list[str]) -> list[str]:
    """What isn't a log of the cluster's: the others go with their directory."""
    return [name for name in names if not (Path(directory) / name).is_file() or not name.endswith(".log")]


def checks(world: World) -> dict[str, tuple[bool, str]]:
    found = verify(world.spec, tiers.servers(world.spec), [tiers.FLAVOR], world.access.prober)
    return {each.name: (each.ok, each.detail) for each in found.checks if each.name.startswith("jenkins.")}


def states(world: World) -> dict[str, str]:
    return {each.name: each.state for each in list_masters(world.tier()).masters}


def settled(world: World, wanted: dict[str, str]) -> None:
    """Waits for these states: Marathon's own health check comes to know later than we that a master serves."""
    wait_for(f"states {wanted}", lambda: states(world) == wanted, 60)


def at_rest(world: World) -> dict[str, str]:
    """The states once no master starts any more: what the test before did to them may not be over."""

    def seen() -> dict[str, str] | None:
        now = states(world)
        return None if "starting" in now.values() else now

    return wait_for("masters at rest", seen, 60)


def test_masters_are_made_and_a_build_of_each_runs_on_the_builder(world: World) -> None:
    report = create(world.tier(), ["alice", "bob"], timeout_s=120, probe=True).to_json()
    assert [(each["name"], each["slot"], each["node"]) for each in report["created"]] == [
        ("alice", 1, "loop-masters-1"),
        ("bob", 2, "loop-masters-2"),
    ]
    assert all(each["probe"]["agent"].startswith("mesos-jenkins-") for each in report["created"])
    again = create(world.tier(), ["alice", "bob"], timeout_s=60).to_json()
    assert (again["there"], again["marathon_writes"]) == (["alice", "bob"], 0)


def test_each_master_is_a_user_of_its_own(world: World) -> None:
    for slot, n, name in ((1, 2, "alice"), (2, 3, "bob")):
        assert any("jenkins.war" in line for line in processes_of(master_uid(slot))), name
        home = world.home(n, name)
        assert (home.stat().st_uid, home.stat().st_mode & 0o777) == (master_uid(slot), 0o700)
        token = home / ".clusterctl/token"
        assert (token.stat().st_uid, token.stat().st_mode & 0o777) == (master_uid(slot), 0o600)
        definition = world.cluster.ask_marathon("GET", f"/v2/apps/jenkins/{name}").body
        assert token.read_text().strip() not in json.dumps(definition)
        assert not any(token.read_text().strip() in line for line in processes_of(master_uid(slot)))
    wait_for("the agents of the probes to end", lambda: not processes_of(build_uid(1)) + processes_of(build_uid(2)))


@pytest.mark.parametrize("path", ["/srv/jenkins/alice", "/srv/jenkins/alice/.clusterctl/token"])
def test_another_master_reads_nothing_of_it(world: World, path: str) -> None:
    bob = ["setpriv", f"--reuid={master_uid(2)}", f"--regid={master_uid(2)}", "--clear-groups", "ls", "-l", f"{path}/"]
    done = subprocess.run(world.cluster.roots[2].enter(bob), capture_output=True, check=False, text=True)
    assert (done.returncode, "Permission denied" in done.stderr) == (2, True)


def test_what_the_masters_say(world: World) -> None:
    settled(world, {"alice": "running", "bob": "running"})
    found = status(world.tier(), "alice").to_json()
    assert (found["core"], found["quiet"], found["builds"], found["queue"]) == ("2.319.3", False, 0, 0)
    assert found["trouble"] == []
    assert found["home_mib"] > 0


def test_the_checks_hold(world: World) -> None:
    assert checks(world) == {
        "jenkins.placement": (True, "2 tasks of 2 apps, all on reserved agents"),
        "jenkins.masters": (True, "2 run"),
        "jenkins.homes": (True, "2 homes"),
        "jenkins.volumes": (True, "2 with more than 10% free"),
    }


def test_a_restart_starts_a_new_process(world: World) -> None:
    before = world.cluster.tasks("/jenkins/alice")
    out = restart(world.tier(), ["alice"], PATIENT)
    assert list(out.done) == ["alice"]
    [after] = world.cluster.tasks("/jenkins/alice")
    assert after["id"] != before[0]["id"]


def test_hibernating_and_waking_keep_the_home(world: World) -> None:
    settled(world, {"alice": "running", "bob": "running"})
    assert idle_masters(world.tier(), 3600, time.time()) == [], "they were started just now"
    assert idle_masters(world.tier(), 3600, time.time() + 3700) == ["alice", "bob"]
    hibernate(world.tier(), ["bob"], PATIENT)
    settled(world, {"alice": "running", "bob": "hibernating"})
    wait_for("no process of bob", lambda: not processes_of(master_uid(2)))
    assert checks(world)["jenkins.masters"] == (True, "1 run, 1 hibernate")
    marker = (world.home(3, "bob") / ".clusterctl/master.json").read_text()
    wake(world.tier(), ["bob"], PATIENT)
    settled(world, {"alice": "running", "bob": "running"})
    assert (world.home(3, "bob") / ".clusterctl/master.json").read_text() == marker


def test_deleting_keeps_the_home_and_purging_does_not(world: World) -> None:
    delete(world.tier(), ["bob"], PATIENT, purge=False, confirm=lambda _: None)
    settled(world, {"alice": "running", "bob": "kept"})
    assert checks(world)["jenkins.homes"] == (True, "2 homes; kept without an app: bob")
    create(world.tier(), ["bob"], timeout_s=120)
    settled(world, {"alice": "running", "bob": "running"})
    delete(world.tier(), ["bob"], PATIENT, purge=True, confirm=lambda _: None)
    settled(world, {"alice": "running"})
    assert not world.home(3, "bob").exists()
    wait_for("no process of bob", lambda: not processes_of(master_uid(2)))


JOB = "<project><builders><hudson.tasks.Shell><command>echo done</command></hudson.tasks.Shell></builders></project>"


def history(world: World, name: str) -> list[str]:
    """Results of the first build of job ``kept``, as the master itself tells them; none while it runs."""
    tier = world.tier()
    [master] = tier.survey().named([name])
    [reply] = tier.call([master], {"method": "GET", "path": "/job/kept/1/api/json"})[name]
    return [reply.body["result"]] if reply.status == 200 and reply.body["result"] else []


def test_a_home_comes_back_with_its_builds(world: World, tmp_path: Path) -> None:
    tier = world.tier()
    [alice] = tier.survey().named(["alice"])
    xml = JOB.replace("<builders>", "<assignedNode>mesos</assignedNode><canRoam>false</canRoam><builders>")
    make = {"method": "POST", "path": "/createItem?name=kept", "body": xml, "type": "application/xml"}
    build = {"method": "POST", "path": "/job/kept/build?delay=0sec"}
    assert [each.status for each in tier.call([alice], make, build)["alice"]] == [200, 201]
    wait_for("a build of alice's job", lambda: history(world, "alice") == ["SUCCESS"], 120)

    backup(world.tier(), ["alice"], PATIENT, tmp_path, "20261126T000000Z")
    delete(world.tier(), ["alice"], PATIENT, purge=True, confirm=lambda _: None)
    settled(world, {})
    archive = tmp_path / "alice/alice-20261126T000000Z.tar.gz"
    restore(world.tier(), archive, PATIENT)
    settled(world, {"alice": "running"})
    assert history(world, "alice") == ["SUCCESS"]

    restore(world.tier(), archive, PATIENT, name="carol", node="loop-masters-2")
    assert history(world, "carol") == ["SUCCESS"]
    assert (world.home(3, "carol") / ".clusterctl/token").read_text() != (
        world.home(2, "alice") / ".clusterctl/token"
    ).read_text()


def test_a_master_starts_again_at_a_new_server_of_its_node(world: World) -> None:
    """The server was destroyed, and that was found out late; its volume came back with a new one."""
    cluster, at = world.cluster, "127.0.0.2"

    def states_of(name: str) -> list[str]:
        return [each["state"] for each in cluster.tasks(f"/jenkins/{name}", None)]

    [before] = cluster.tasks("/jenkins/alice")
    old = cluster.agent_ids(3)[at]
    directory = cluster.destroy_agent(2)
    wait_for(
        "Mesos to give the agent up",
        lambda: states_of("alice") == ["TASK_UNREACHABLE"],
        60,
    )
    shutil.rmtree(directory)
    cluster.agents[1].start()
    wait_for("another agent at its address", lambda: cluster.agent_ids(3)[at] != old, 60)
    assert states_of("alice") == ["TASK_UNREACHABLE"]
    assert checks(world)["jenkins.masters"] == (False, "/jenkins/alice has no running task")

    run = world.tier().run
    assert healthy_within(run, 120)(world.spec, True).healthy
    [after] = cluster.tasks("/jenkins/alice")
    assert (after["state"], after["host"], after["id"] != before["id"]) == ("TASK_RUNNING", at, True)
    wait_for("alice to serve", lambda: history(world, "alice") == ["SUCCESS"], 60)


def test_a_move_takes_the_builds_along(world: World) -> None:
    move(world.tier(), "alice", "loop-masters-2", PATIENT)
    assert history(world, "alice") == ["SUCCESS"]
    assert not world.home(2, "alice").exists()
    assert world.home(3, "alice").stat().st_uid == master_uid(1)
    assert list(world.home(2, ".aside").iterdir()) != []
    assert all(ok for ok, _ in checks(world).values()), checks(world)


def test_an_upgrade_and_the_way_back(world: World, artifacts: dict[str, list[Path]], tmp_path: Path) -> None:
    new, broken = "2.319.4-00000002", "2.319.5-00000003"
    [war] = built(tmp_path, "war", "--version", "2.319.4")
    for n in (2, 3):
        root = world.cluster.roots[n]
        release(root, new, war, artifacts["0.x"])
        root.write(f"/opt/jenkins/{broken}/jenkins.war", b"no war")
    upgrade(world.tier(), ["alice"], new, PATIENT, tmp_path / "archives", "20261126T000000Z")
    assert status(world.tier(), "alice").core == "2.319.4"
    assert history(world, "alice") == ["SUCCESS"]
    impatient = Manner(quiet_timeout_s=60, ready_timeout_s=30)
    with pytest.raises(PartlyFailed, match=f"it is back at {new}"):
        upgrade(world.tier(), ["alice"], broken, impatient, tmp_path / "archives", "20261126T000001Z")
    assert status(world.tier(), "alice").core == "2.319.4"
    assert history(world, "alice") == ["SUCCESS"]


def load(builds: int, run_s: float) -> LoadPlan:
    group = FrameworkGroup(
        name="jenkins", kind="on_demand", count=2, builds=builds, start_s=1, over_s=5, run_s=run_s, decline_s=5
    )
    canary = Canary(turns=1, start_s=2, cpus=0.05, base_cpus=0.05)
    return LoadPlan(groups=(group,), canary=canary, limit_s=150)


def test_a_load_test_makes_masters_builds_on_them_and_leaves_nothing(world: World) -> None:
    before = at_rest(world)
    result = run_masters(world.tier(), load(builds=3, run_s=1))
    assert (result.ended, [build.state for build in result.builds]) == ("complete", ["SUCCESS"] * 6)
    # the runners of this machine are slow; what is late is seen, never lost
    summary = summarise(result, Thresholds(agent_p99_s=120, canary_s=60))
    assert summary.ok, summary.checks
    assert all(each.offers > 0 for each in result.frameworks)
    assert all(turn.wait_s is not None for turn in result.canary)
    assert len(result.canary) == 1
    assert max(sample.cpus_used for sample in result.samples) > 0
    assert states(world) == before
    assert left(world.tier()) == ([], [])


def test_what_a_killed_load_test_left_is_removed(world: World) -> None:
    before = at_rest(world)
    child = multiprocessing.get_context("fork").Process(
        target=lambda: run_masters(world.tier(), load(builds=1, run_s=600))
    )
    child.start()
    try:
        wait_for("running builds", lambda: not child.is_alive() or len(builds_of_load()) >= 2, 120)
        assert child.is_alive()
    finally:
        child.kill()
        child.join()
    masters, apps = left(world.tier())
    assert (len(masters), len(apps)) == (2, 1)
    assert remove(world.tier()) == (masters, apps)
    assert left(world.tier()) == ([], [])
    assert states(world) == before
    wait_for("builds to end", lambda: not builds_of_load())


def builds_of_load() -> list[str]:
    users = (build_uid(slot) for slot in range(1, tiers.SLOTS + 1))
    return [line for user in users for line in processes_of(user) if line.startswith("sleep 600")]
