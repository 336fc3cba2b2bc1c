"""The upgrade of Marathon by clusterctl's own steps: real ZooKeeper, Mesos and probe, and stand-ins of two releases.

Their state has different storage versions, so that the older one can't read what the newer one has migrated.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from clusterctl.ops.backup.backup import back_up, bring_back
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.observe.look import Cluster
from clusterctl.ops.roll.report import Journal, RollError
from clusterctl.ops.roll.steps import Roll
from clusterctl.ops.upgrade.marathon import MarathonUpgrade
from clusterctl.ops.upgrade.nodestate import WantedArtifact
from clusterctl.ops.upgrade.survey import node_states
from clusterctl.ops.upgrade.work import Ledger, Upgrade
from clusterctl.services import Service
from tests.contract.health.world import SPEC, World, WorldCluster
from tests.contract.loopback import unpacked_marathon, unpacked_mesos
from tests.contract.mesos.cluster import Json, wait_for
from tests.contract.mesos.netns import private_network
from tests.contract.upgrade.hosts import LoopbackHosts

pytestmark = pytest.mark.mesos

OLD, NEW = "1.9.146", "1.10.36"
ON_RESERVED = {"acceptedResourceRoles": ["marathon"], "constraints": [["pool", "CLUSTER", "jenkins-master"]]}
NODES = ["loop-control-1", "loop-control-2", "loop-control-3"]


class Unrecorded(Ledger):
    """The cloud of these tests has no metadata to write to."""

    def enter(self, found: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, LoopbackHosts]]:
    mesos = unpacked_mesos(tmp_path_factory.mktemp("mesos"))
    programs = {
        OLD: unpacked_marathon(tmp_path_factory.mktemp("old"), release="1.9"),
        NEW: unpacked_marathon(tmp_path_factory.mktemp("new"), release="1.10"),
    }
    with private_network():
        cluster = WorldCluster(mesos, programs[OLD], tmp_path_factory.mktemp("cluster"))
        for marathon in cluster.marathons:
            marathon.env |= {"STANDIN_START_S": "3", "STANDIN_MIGRATION_S": "3"}
        with cluster:
            made = World(cluster)
            assert made.wait().healthy
            yield made, LoopbackHosts(made, programs, OLD)


def upgrade(world: World, hosts: LoopbackHosts, root: Path) -> Journal:
    """`clusterctl upgrade marathon`, once artifacts and nodes were looked at."""
    wanted = {"marathon": WantedArtifact("marathon", NEW, hosts.sha256(NEW), Path("marathon.tgz"), "", 1)}
    states = node_states(hosts, NODES, (), refresh=False)
    work = Upgrade(hosts, Unrecorded(world.cloud, "loop"), wanted, states, lambda *_: None)
    journal = Journal("loop", "upgrade of marathon", lambda _: "clusterctl upgrade marathon")
    roll = Roll(Cluster(SPEC, world.cloud, world.access.prober), work, journal, Progress())
    old = [name for name in NODES if hosts.versions[name] == OLD]
    journal.plan(Service.MARATHON, old)
    MarathonUpgrade(
        roll,
        work,
        lambda look: back_up(hosts, look, root).directory,
        lambda look, directory: bring_back(hosts, look, directory),
    ).run(old)
    return journal


def state_of(cluster: WorldCluster) -> dict[str, bytes]:
    """Marathon's state in ZooKeeper."""
    client = KazooClient("127.0.0.1:2181,127.0.0.2:2181,127.0.0.3:2181")
    client.start(timeout=90)
    found, todo = {}, ["/marathon/state"]
    while todo:
        path = todo.pop()
        found[path] = client.get(path)[0]
        todo += [f"{path}/{name}" for name in client.get_children(path)]
    client.stop()
    return found


def test_an_upgrade_that_fails_after_it_led_goes_back_with_state_and_tasks_and_another_succeeds(
    world: tuple[World, LoopbackHosts], tmp_path: Path
) -> None:
    made, hosts = world
    cluster = made.cluster
    file = tmp_path / "count"
    counter: Json = {
        "id": "/jenkins/counter",
        "cmd": f"while true; do echo $MESOS_TASK_ID >> {file}; sleep 0.2; done",
        "cpus": 0.1,
        "mem": 32,
        **ON_RESERVED,
    }
    cluster.deploy(counter)
    cluster.ask_marathon("PUT", "/v2/apps/jenkins/counter", {"labels": {"team": "a"}})
    cluster.wait_deployed()
    (task,) = cluster.tasks("/jenkins/counter")
    framework = cluster.ask_marathon("GET", "/v2/info").body["frameworkId"]
    before = state_of(cluster)
    assert b"[19, 300, 0]" in before["/marathon/state/version"]
    file.unlink()

    def spoil(what: str, node: str) -> None:
        if what == "marathon-log":  # it leads by now, and has migrated the state
            assert b"[110, 100, 0]" in state_of(cluster)["/marathon/state/version"]
            with hosts.marathon(node).log.open("a") as log:
                log.write("[2026-11-26 12:00:00,000] ERROR the new version is broken (mesosphere.marathon.X:main)\n")

    hosts.on_run = spoil
    with pytest.raises(RollError, match=r"its log has errors: .* ERROR the new version is broken") as caught:
        upgrade(made, hosts, tmp_path)
    (failed,) = caught.value.journal.failed
    assert failed.state.startswith("back in service with the old version, like the others, and the state restored from")
    assert set(hosts.versions.values()) == {OLD}
    assert ("restore", "loop-control-" + str(made.zookeeper_leader() + 1)) in hosts.ran
    info = cluster.ask_marathon("GET", "/v2/info").body
    assert (info["version"], info["frameworkId"]) == (OLD, framework)
    assert {task["id"] for task in cluster.tasks("/jenkins/counter")} == {task["id"]}
    assert cluster.ask_marathon("GET", "/v2/apps/jenkins/counter").body["app"]["labels"] == {"team": "a"}
    after = state_of(cluster)
    assert after["/marathon/state/version"] == before["/marathon/state/version"]
    kept = [path for path in before if "/instances/" not in path]  # what Mesos says of a task is news
    assert {path: after.get(path) for path in kept} == {path: before[path] for path in kept}

    hosts.on_run = lambda _what, _node: None
    journal = upgrade(made, hosts, tmp_path)
    assert sorted(name for _, name in journal.done) == NODES
    assert set(hosts.versions.values()) == {NEW}
    wait_for("the new version to lead", lambda: cluster.ask_marathon("GET", "/v2/info").body["version"] == NEW)
    assert {task["id"] for task in cluster.tasks("/jenkins/counter")} == {task["id"]}
    lines = len(file.read_text().splitlines())
    wait_for("the task to go on", lambda: len(file.read_text().splitlines()) > lines + 5)
    assert set(file.read_text().split()) == {task["id"]}
    assert made.wait().healthy
