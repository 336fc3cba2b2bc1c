"""A real cluster loses the majority of its control nodes, and is led out: from the survivor, and from a backup.

What hurts it goes to the cloud's own APIs, past clusterctl.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import labkit
import openstack
import pytest

from tests.e2e.cluster import COUNTER, Cluster, eventually
from tests.e2e.conftest import as_json, run

pytestmark = [pytest.mark.e2e, pytest.mark.operate]

NAME = "e2elost"
CONTROL = tuple(f"{NAME}-control-{n}" for n in (1, 2, 3))


@pytest.fixture(scope="module")
def cluster(container_image: dict[str, Any]) -> Iterator[Cluster]:
    """The demo topology: three control nodes, one agent for Jenkins masters, one builder; an app runs."""
    with Cluster(labkit.cluster_file("demo", "container", name=NAME)) as made:
        made.marathon("PUT", "/v2/apps/counter", COUNTER)
        yield made


@pytest.fixture(scope="module")
def cloud(lab: dict[str, str]) -> Any:
    """The cloud's own APIs."""
    return openstack.connect(cloud="lab")


def servers(cloud: Any) -> dict[str, str]:
    """Name -> id of the cluster's servers."""
    return {server.name: server.id for server in cloud.compute.servers(tags=f"clusterctl.cluster={NAME}")}


def state(cluster: Cluster) -> dict[str, Any]:
    """What must not be lost: apps, the framework, the agents, the task."""

    def running(tasks: list[dict[str, Any]]) -> bool:
        return [each["state"] for each in tasks] == ["TASK_RUNNING"]

    (task,) = eventually("the counter runs", lambda: cluster.tasks("counter"), running, within_s=240)
    return {
        "apps": [app["id"] for app in cluster.marathon("GET", "/v2/apps")["apps"]],
        "framework": cluster.marathon("GET", "/v2/info")["frameworkId"],
        "agents": cluster.agents(),
        "task": task["id"],
    }


def delete(cloud: Any, *names: str) -> None:
    there = servers(cloud)
    for name in names:
        cloud.compute.delete_server(there[name])
    eventually("they are gone", lambda: servers(cloud), lambda now: not set(names) & set(now))


def refused(cluster: Cluster, cloud: Any) -> None:
    """Neither ``create`` nor ``plan`` makes members beside what is left."""
    before = servers(cloud)
    for verb in ("create", "plan"):
        done = run(verb, cluster.file)
        assert done.returncode == 1, done.stderr
        assert "has lost the majority of an ensemble" in done.stderr
        assert f"clusterctl recover {cluster.file}" in done.stderr
    assert servers(cloud) == before


def healthy(cluster: Cluster) -> None:
    report = cluster.verify()
    assert report["healthy"], [check for check in report["checks"] if not check["ok"]]


def test_from_the_survivor_nothing_is_lost(cluster: Cluster, cloud: Any) -> None:
    before = state(cluster)
    survivor = servers(cloud)[CONTROL[1]]
    cloud.compute.stop_server(survivor)
    eventually("it is shut off", lambda: cloud.compute.get_server(survivor).status, "SHUTOFF".__eq__)
    delete(cloud, CONTROL[0], CONTROL[2])
    refused(cluster, cloud)
    told = run("repair", cluster.file, "--json")
    assert told.returncode == 3
    assert {f["subject"]: f["remedy"] for f in as_json(told)["findings"] if f["subject"] in CONTROL} == {
        CONTROL[0]: None,
        CONTROL[1]: "start",
        CONTROL[2]: None,
    }
    report = labkit.clusterctl("recover", cluster.file, "--yes")
    assert (report["kept"], report["made"], report["healthy"]) == ([CONTROL[1]], [CONTROL[0], CONTROL[2]], True)
    assert servers(cloud)[CONTROL[1]] == survivor
    assert state(cluster) == before
    healthy(cluster)


def findings(cluster: Cluster, node: str) -> list[dict[str, Any]]:
    """What ``repair`` says of a node."""
    done = run("repair", cluster.file, "--json")
    return [each for each in as_json(done)["findings"] if each["subject"] == node]


def test_services_that_are_stopped_or_broken_are_repaired(cluster: Cluster) -> None:
    before = state(cluster)
    node = next(name for name in CONTROL if name != cluster.status()["leaders"]["zookeeper"])
    cluster.on(node, "sudo systemctl stop marathon zookeeper")
    assert [each["remedy"] for each in findings(cluster, node)] == ["restart", "restart"]
    assert labkit.clusterctl("repair", cluster.file, "--apply")["healthy"]
    healthy(cluster)
    # the newest log is none, and the member ends whenever it starts; an empty one its unit deletes by itself
    broken = "echo not a log of transactions | sudo -u zookeeper tee /var/lib/zookeeper/version-2/log.ff00000001"
    cluster.on(node, f"sudo systemctl stop zookeeper && {broken} && sudo systemctl start zookeeper")
    # Marathon there ends, too, and comes back when it has found another ZooKeeper
    told = eventually(
        "its end is seen", lambda: findings(cluster, node), lambda all_of_it: "--fresh-data" in str(all_of_it)
    )
    found = next(each for each in told if each["found"].startswith("zookeeper "))
    assert found["remedy"] is None
    assert not cluster.verify()["healthy"]
    report = labkit.clusterctl("repair", cluster.file, "--apply", "--fresh-data", node, "--yes")
    assert report["healthy"]
    assert "log.ff00000001" in cluster.on(node, "sudo sh -c 'ls /var/lib/zookeeper/version-2.aside.*'")
    healthy(cluster)
    assert state(cluster) == before


def test_from_a_backup_apps_and_tasks_come_back(cluster: Cluster, cloud: Any) -> None:
    before = state(cluster)
    directory = labkit.clusterctl("backup", cluster.file)["directory"]
    cluster.marathon("PUT", "/v2/apps/later", {**COUNTER, "id": "/later", "instances": 0})
    delete(cloud, *CONTROL)
    refused(cluster, cloud)
    nothing = run("recover", cluster.file, "--yes")
    assert nothing.returncode == 1
    assert "--from-backup DIRECTORY" in nothing.stderr
    report = labkit.clusterctl("recover", cluster.file, "--from-backup", directory, "--new-key", "--yes")
    assert (report["kept"], sorted(report["made"]), report["healthy"]) == ([], sorted(CONTROL), True)
    assert state(cluster) == before, "what was done to apps since the backup is lost, and nothing else"
    healthy(cluster)
