"""A real cluster grows, shrinks and is hurt: scale, replace and repair, with a task that Marathon has to run on.

What hurts it goes to the cloud's own APIs, past clusterctl.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import labkit
import openstack
import pytest

from tests.e2e.cluster import COUNTER, Cluster, eventually
from tests.e2e.conftest import as_json, run

pytestmark = [pytest.mark.e2e, pytest.mark.operate]

NAME = "e2egrow"


@pytest.fixture(scope="module")
def cluster(container_image: dict[str, Any]) -> Iterator[Cluster]:
    """The demo topology: three control nodes, one agent for Jenkins masters, one builder."""
    with Cluster(labkit.cluster_file("demo", "container", name=NAME)) as made:
        made.marathon("PUT", "/v2/apps/counter", COUNTER)
        yield made


@pytest.fixture(scope="module")
def cloud(lab: dict[str, str]) -> Any:
    """The cloud's own APIs."""
    return openstack.connect(cloud="lab")


def scale(cluster: Cluster, *words: str) -> dict[str, Any]:
    return labkit.clusterctl("scale", cluster.file, *words, "--yes", "--write")


def task(cluster: Cluster, *, elsewhere_than: str = "") -> dict[str, Any]:
    """The counter's one running task."""

    def good(tasks: list[dict[str, Any]]) -> bool:
        return [each["state"] for each in tasks] == ["TASK_RUNNING"] and tasks[0]["host"] != elsewhere_than

    (found,) = eventually(
        f"the counter runs{f' elsewhere than on {elsewhere_than}' if elsewhere_than else ''}",
        lambda: cluster.tasks("counter"),
        good,
        within_s=240,
    )
    return dict(found)


def name_at(cluster: Cluster, address: str) -> str:
    return next(str(node["name"]) for node in cluster.status()["nodes"] if node["address"] == address)


def servers(cloud: Any) -> dict[str, str]:
    """Name -> id of the cluster's servers."""
    return {server.name: server.id for server in cloud.compute.servers(tags=f"clusterctl.cluster={NAME}")}


def locks(cloud: Any) -> list[Any]:
    return list(cloud.network.security_groups(name=f"clusterctl.{NAME}.lock"))


def healthy(cluster: Cluster) -> None:
    report = cluster.verify()
    assert report["healthy"], [check for check in report["checks"] if not check["ok"]]


def test_builders_come_by_one_call_and_nobody_is_touched(cluster: Cluster, cloud: Any) -> None:
    before, first = servers(cloud), task(cluster)
    report = scale(cluster, "builders=3")
    assert (report["created"], report["healthy"]) == (2, True)
    # lock, server group, one multi-create, unlock
    assert report["api_calls"]["write"] == 4
    assert before.items() <= servers(cloud).items()
    assert task(cluster)["id"] == first["id"]
    healthy(cluster)
    assert cluster.create()["api_calls"]["write"] == 0, "the file was not changed"


def test_a_drained_task_is_run_elsewhere(cluster: Cluster, cloud: Any) -> None:
    first = task(cluster)
    leaving = name_at(cluster, first["host"])
    report = scale(cluster, "builders=2", "--remove", leaving)
    assert report["removed"] == [leaving]
    assert len(report["moved"][leaving]) == 1
    assert leaving not in servers(cloud)
    second = task(cluster, elsewhere_than=first["host"])
    assert second["id"] != first["id"]
    healthy(cluster)


def test_the_emptiest_goes(cluster: Cluster) -> None:
    first = task(cluster)
    report = scale(cluster, "builders=1")
    assert report["moved"] == {report["removed"][0]: []}
    assert task(cluster)["id"] == first["id"], "the task was moved although another builder was empty"
    assert len(cluster.agents()) == 2
    healthy(cluster)


def test_a_second_operator_is_told(cluster: Cluster, cloud: Any) -> None:
    text = f"clusterctl.lock={NAME} owner=bob@elsewhere pid=4711 started=1 machine=m command=upgrade token=1"
    cloud.network.create_security_group(name=f"clusterctl.{NAME}.lock", description=text)
    done = run("scale", cluster.file, "builders=2", "--yes")
    assert done.returncode == 1
    assert "bob@elsewhere (pid 4711, `clusterctl upgrade`)" in done.stderr
    assert labkit.clusterctl("unlock", cluster.file, "--yes")["broken"][0].startswith("bob@elsewhere")
    assert locks(cloud) == []


def test_killed_in_the_middle_it_is_finished_by_the_same_command(cluster: Cluster, cloud: Any) -> None:
    before = servers(cloud)
    child = subprocess.Popen([labkit.PROGRAM, "scale", cluster.file, "builders=2", "--write"], stdin=subprocess.DEVNULL)
    try:
        eventually("a builder is made", lambda: servers(cloud), lambda now: len(now) > len(before), within_s=60)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert len(locks(cloud)) == 1
    report = scale(cluster, "builders=2")
    assert (report["created"], report["healthy"]) == (0, True)
    assert (len(servers(cloud)), locks(cloud)) == (len(before) + 1, [])
    healthy(cluster)


def test_a_builder_deleted_by_somebody_is_made_anew_by_repair(cluster: Cluster, cloud: Any) -> None:
    first = task(cluster)
    name = name_at(cluster, first["host"])
    cloud.compute.delete_server(servers(cloud)[name])
    eventually("the server is gone", lambda: servers(cloud), lambda now: name not in now)
    told = run("repair", cluster.file, "--json")
    assert told.returncode == 3
    assert [finding["remedy"] for finding in as_json(told)["findings"]] == ["make"]
    report = labkit.clusterctl("repair", cluster.file, "--apply")
    assert report["healthy"]
    assert len(cluster.agents()) == 3
    task(cluster, elsewhere_than=first["host"])
    healthy(cluster)


def test_a_master_shut_off_is_started_by_repair(cluster: Cluster, cloud: Any) -> None:
    leader = cluster.status()["leaders"]["mesos_master"]
    agents = cluster.agents()
    cloud.compute.stop_server(servers(cloud)[leader])
    eventually("it is shut off", lambda: cloud.compute.get_server(servers(cloud)[leader]).status, "SHUTOFF".__eq__)
    # the others go on without it
    eventually(
        "another master leads", lambda: cluster.status()["leaders"]["mesos_master"], lambda x: x not in (None, leader)
    )
    report = labkit.clusterctl("repair", cluster.file, "--apply")
    assert [line.split(":")[0] for line in report["done"]] == [leader]
    assert report["healthy"]
    assert cluster.agents() == agents
    healthy(cluster)


@contextmanager
def cut_off(cluster: Cluster, name: str, addresses: list[str]) -> Iterator[None]:
    """The node sends nothing to these addresses while the body runs; so no answer of its reaches them, either."""
    routes = " && ".join(f"sudo ip route add blackhole {address}/32" for address in addresses)
    cluster.on(name, routes)
    try:
        yield
    finally:
        cluster.on(name, routes.replace(" add ", " del "))


def test_a_partition_heals_by_itself(cluster: Cluster) -> None:
    """The leading master's node and the other control nodes don't reach each other; no command fixes it."""
    leader = str(cluster.status()["leaders"]["mesos_master"])
    first, agents = task(cluster), cluster.agents()
    others = [node["address"] for node in cluster.status()["nodes"] if node["group"] == "control"]
    others.remove(cluster.node(leader)["address"])
    with cut_off(cluster, leader, others):
        eventually(
            "the majority elects another master",
            lambda: cluster.status()["leaders"]["mesos_master"],
            lambda now: now not in (None, leader),
        )
        assert not cluster.verify()["healthy"]
    eventually("the cluster is healthy again", cluster.verify, lambda found: bool(found["healthy"]), within_s=180)
    assert cluster.agents() == agents
    assert task(cluster)["id"] == first["id"], "the task was lost"


def test_a_destroyed_zookeeper_is_replaced_with_its_identity(cluster: Cluster, cloud: Any) -> None:
    name = str(cluster.status()["leaders"]["zookeeper"])
    address = cluster.node(name)["address"]
    number = name.rsplit("-", 1)[1]
    apps = cluster.marathon("GET", "/v2/apps")["apps"]
    cloud.compute.delete_server(servers(cloud)[name])
    eventually("the server is gone", lambda: servers(cloud), lambda now: name not in now)
    report = labkit.clusterctl("replace", cluster.file, name, "--yes")
    assert (report["deleted"], report["created"], report["healthy"]) == (0, 1, True)
    assert cluster.node(name)["address"] == address
    assert cluster.on(name, "sudo cat /etc/zookeeper/myid").strip() == number
    assert [app["id"] for app in cluster.marathon("GET", "/v2/apps")["apps"]] == [app["id"] for app in apps]
    healthy(cluster)


def test_a_working_node_is_replaced(cluster: Cluster, cloud: Any) -> None:
    name = f"{NAME}-control-1"
    old = servers(cloud)[name]
    address = cluster.node(name)["address"]
    report = labkit.clusterctl("replace", cluster.file, name, "--yes")
    assert (report["deleted"], report["created"]) == (1, 1)
    assert servers(cloud)[name] != old
    assert cluster.node(name)["address"] == address
    healthy(cluster)


ZOOKEEPER_PID = "$(systemctl show -p MainPID --value zookeeper)"


# 0 where the node's ZooKeeper does not lead
LEADS = """bash -c '
exec 3<>/dev/tcp/$(hostname -I | cut -d" " -f1)/2181 && echo mntr >&3
timeout 5 cat <&3 | grep -c "zk_server_state.leader" || true'"""


def another_leads(cluster: Cluster) -> None:
    """Freezes ZooKeeper's leader until the others, of four, have elected one of theirs."""
    leader = cluster.status()["leaders"]["zookeeper"]
    cluster.on(leader, f"sudo kill -STOP {ZOOKEEPER_PID}")
    # the cluster file has three still, so that status doesn't ask the fourth
    others = [name for name in (f"{NAME}-control-{n}" for n in (1, 2, 3, 4)) if name != leader]
    eventually(
        f"another ZooKeeper leads than {leader}",
        lambda: [name for name in others if cluster.on(name, LEADS) == "1\n"],
        lambda found: len(found) == 1,
        within_s=180,
    )
    cluster.on(leader, f"sudo kill -CONT {ZOOKEEPER_PID}")


def test_growth_gets_over_the_loss_of_the_leader(cluster: Cluster) -> None:
    """While one of four has the longer list, the others can elect nobody; then whom the last one does not list."""
    words = [labkit.PROGRAM, "scale", cluster.file, "control=5", "--yes", "--write", "--json"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line.decode())
            restarted = [each for each in said if re.match("restart zookeeper on .*: done", each)]
            if len(restarted) == 1 and restarted[0] is said[-1]:
                another_leads(cluster)
        text = process.stdout.read()
    print("".join(said))
    assert process.returncode == 0, said
    report = json.loads(text)
    assert (report["created"], report["healthy"]) == (2, True)
    healthy(cluster)
    assert sorted(scale(cluster, "control=3")["removed"]) == [f"{NAME}-control-4", f"{NAME}-control-5"]


def test_the_control_nodes_grow_to_five_and_shrink_to_three(cluster: Cluster, cloud: Any) -> None:
    first, agents = task(cluster), cluster.agents()
    report = scale(cluster, "control=5")
    assert (report["created"], report["healthy"]) == (2, True)
    quorums = [cluster.on(f"{NAME}-control-{n}", "sudo grep -h QUORUM /etc/default/mesos-master") for n in range(1, 6)]
    assert set(quorums) == {"MESOS_QUORUM=3\n"}
    members = [cluster.on(f"{NAME}-control-{n}", "sudo grep -c ^server /etc/zookeeper/zoo.cfg") for n in range(1, 6)]
    assert {text.strip() for text in members} == {"5"}
    healthy(cluster)
    assert labkit.clusterctl("configure", cluster.file, "--check")["changed"] == 0

    report = scale(cluster, "control=3")
    assert sorted(report["removed"]) == [f"{NAME}-control-4", f"{NAME}-control-5"]
    assert len(list(cloud.network.ports(description=f"clusterctl.cluster={NAME}"))) == 3
    healthy(cluster)
    assert labkit.clusterctl("configure", cluster.file, "--check")["changed"] == 0
    assert cluster.agents() == agents
    assert task(cluster)["id"] == first["id"], "the task didn't live through it"


def test_status_is_watched(cluster: Cluster) -> None:
    child = subprocess.Popen(
        [labkit.PROGRAM, "status", cluster.file, "--watch", "--interval", "1", "--json"],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(2)]
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 0
    assert all(f'"cluster": "{NAME}"' in line for line in lines)


def test_repair_finds_nothing(cluster: Cluster) -> None:
    report = labkit.clusterctl("repair", cluster.file)
    assert (report["findings"], report["healthy"], report["api_calls"]["write"]) == ([], True, 0)
