"""Mesos and the stand-in built once, one small cluster for all tests, and masters made as the tests want them."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.contract.jenkins.master import CORES, Master, built, classic_cloud, second_cloud
from tests.contract.jenkins.tool import ToolsMaster
from tests.contract.loopback import unpacked_mesos
from tests.contract.mesos.cluster import AGENT_PORT, JAVA, MASTER_PORT, Cluster, Json, request, wait_for
from tests.contract.mesos.netns import private_network

Make = Callable[..., Master]


class Lab(Cluster):
    """The cluster of tests/contract/mesos; agent 1 is a builder, agent 2 is reserved for masters."""

    def frameworks(self) -> dict[str, Json]:
        """GET_FRAMEWORKS of the leader, those that are not completed, by id."""
        answer = self.operator({"type": "GET_FRAMEWORKS"})["get_frameworks"]
        return {each["framework_info"]["id"]["value"]: each for each in answer.get("frameworks", [])}

    def frameworks_on_agents(self) -> set[str]:
        """Ids of those that have executors."""
        states = [request(host, AGENT_PORT, "/state")[1] for host in self.hosts[: len(self.agents)]]
        return {each["id"] for state in states for each in state["frameworks"]}

    def tasks(self) -> dict[str, Json]:
        """The tasks that are not over, by id."""
        found = self.operator({"type": "GET_TASKS"})["get_tasks"].get("tasks", [])
        return {each["task_id"]["value"]: each for each in found}

    def completed_tasks(self) -> dict[str, Json]:
        found = self.operator({"type": "GET_TASKS"})["get_tasks"].get("completed_tasks", [])
        return {each["task_id"]["value"]: each for each in found}


@pytest.fixture(scope="session")
def passable() -> Iterator[Path]:
    """A directory that all users get through: masters and builds run as users of their own.

    It is none of pytest's: each start of pytest on this machine closes those.
    """
    with TemporaryDirectory(prefix="jenkins-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="session")
def mesos(passable: Path) -> Path:
    return unpacked_mesos(passable / "mesos")


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """By generation of the plugin: the war, then the plugin files."""
    target = tmp_path_factory.mktemp("jenkins")
    return {
        kind: built(target / kind, "war", "--version", core) + built(target / kind, "plugins", kind)
        for kind, core in CORES.items()
    }


@pytest.fixture(scope="session")
def java11(passable: Path) -> str:
    """A Java that Jenkins 2.319 starts with."""
    target = passable / "java"
    subprocess.run(["tar", "-xzf", built(target, "java")[0], "-C", target], check=True)
    return str(next(target.glob("*/bin/java")))


@pytest.fixture(scope="module")
def lab(mesos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with private_network(), Lab(mesos, tmp_path_factory.mktemp("cluster")) as made:
        made.agent_ids(2)
        yield made


@pytest.fixture
def tools_master(
    make: Make, artifacts: dict[str, list[Path]], java11: str, tmp_path: Path
) -> Iterator[ToolsMaster]:  # after make, which sees frameworks and tasks gone
    made = ToolsMaster(artifacts["0.x"], java11, tmp_path / "node")
    made.start()
    made.wait_up()
    yield made
    made.kill()


@pytest.fixture
def make(lab: Lab, artifacts: dict[str, list[Path]], java11: str, tmp_path: Path) -> Iterator[Make]:
    """Makes masters: ``make("0.x", info={...}, onDemandRegistration="false")``; all of them is gone afterwards."""
    masters: list[Master] = []

    def one(plugin: str, *, start: bool = True, info: Json | None = None, **cloud: object) -> Master:
        number = len(masters) + 1
        url = f"http://127.0.0.1:{18000 + 10 * number}/"
        text = (
            second_cloud(lab.zk, url, **cloud) if plugin == "2.x" else classic_cloud(plugin, lab.zk, url, info, **cloud)
        )
        war, *plugins = artifacts[plugin]
        master = Master(war, JAVA if plugin == "2.x" else java11, tmp_path, number, text)
        master.install(plugins)
        masters.append(master)
        if start:
            master.start()
            master.wait_up()
        return master

    lab.leader()
    yield one
    for master in masters:
        master.kill()
    for daemon in [*lab.zookeepers, *lab.masters, *lab.agents]:
        if not daemon.running:
            daemon.start()
    lab.agent_ids(2)
    for framework in lab.frameworks():  # those of 2.x stay for a week
        # others may have left since they were listed, and Mesos refuses to tear those down
        call = {"type": "TEARDOWN", "teardown": {"framework_id": {"value": framework}}}
        request(lab.leader(), MASTER_PORT, "/api/v1", call)
    wait_for("no frameworks", lambda: not lab.frameworks(), 30)
    wait_for("no tasks", lambda: not lab.tasks(), 30)
    # the next leading master would learn from agents of those whose executors are ending
    wait_for("no frameworks on agents", lambda: not lab.frameworks_on_agents(), 30)
