"""Zone container: the main job, then each leader killed in turn under a running task."""

from __future__ import annotations

import labkit
import pytest

from tests.e2e.cluster import Cluster, eventually
from tests.e2e.conftest import as_json, run

pytestmark = pytest.mark.e2e

# Appends a line a second; the pid tells whether it is still the same process
COUNTER = {
    "id": "/counter",
    "cmd": "while true; do echo $$ >> /tmp/counter; sleep 1; done",
    "cpus": 0.1,
    "mem": 32,
    "instances": 1,
    "constraints": [["pool", "CLUSTER", "jenkins-builder"]],
}


def test_create_says_what_it_did(container_cluster: Cluster) -> None:
    report = container_cluster.created
    assert (report["nodes"], report["created"], report["healthy"]) == (5, 5, True)
    # lock, group, rules, server group, ports, three named nodes, two pools of agents, unlock
    assert report["api_calls"]["write"] == 11
    assert set(report["seconds"]) == {"plan", "preflight", "prepare", "boot", "verify"}


def test_a_second_create_writes_nothing(container_cluster: Cluster) -> None:
    report = container_cluster.create()
    assert (report["created"], report["api_calls"]["write"], report["healthy"]) == (0, 0, True)


def test_verify_and_status_agree(container_cluster: Cluster) -> None:
    report = container_cluster.verify("--deep")
    assert report["healthy"], [check for check in report["checks"] if not check["ok"]]
    status = container_cluster.status()
    assert all(node["state"] == "ready" for node in status["nodes"]), status["nodes"]
    assert None not in status["leaders"].values()


def test_first_configure_changes_nothing(container_cluster: Cluster) -> None:
    report = labkit.clusterctl("configure", container_cluster.file)
    assert report["changed"] == 0, report["changes"]
    assert len(report["nodes"]) == 5


def test_tampering_is_found_and_mended(container_cluster: Cluster) -> None:
    node = "e2e-control-2"
    container_cluster.on(node, "echo '# tampered' | sudo tee -a /etc/zookeeper/zoo.cfg >/dev/null")
    found = labkit.clusterctl("configure", container_cluster.file, "--check", "--diff")
    assert [change[0] for change in found["changes"]] == [node]
    mended = labkit.clusterctl("configure", container_cluster.file)
    assert [change[0] for change in mended["changes"]] == [node]
    assert labkit.clusterctl("configure", container_cluster.file)["changed"] == 0


def test_each_leader_is_killed_in_turn_and_the_task_runs_on(container_cluster: Cluster) -> None:
    cluster = container_cluster
    cluster.marathon("PUT", "/v2/apps/counter", COUNTER)
    tasks = eventually(
        "the counter runs",
        lambda: cluster.marathon("GET", "/v2/apps/counter/tasks")["tasks"],
        lambda found: [task["state"] for task in found] == ["TASK_RUNNING"],
    )
    builder = next(node for node in cluster.status()["nodes"] if node["address"] == tasks[0]["host"])
    assert builder["group"] == "builders"
    agents = cluster.agents()
    assert len(agents) == 2

    for service, unit in (("zookeeper", "zookeeper"), ("mesos_master", "mesos-master"), ("marathon", "marathon")):
        before = cluster.status()["leaders"][service]
        cluster.on(before, f"sudo kill -KILL $(systemctl show --property=MainPID --value {unit})")
        eventually(
            f"another leader of {service} than {before}",
            lambda service=service: cluster.status()["leaders"][service],  # type: ignore[misc]
            lambda leader, before=before: leader not in (None, before),  # type: ignore[misc]
        )
        eventually("the cluster is healthy again", cluster.verify, lambda report: bool(report["healthy"]))

    assert cluster.agents() == agents
    after = cluster.marathon("GET", "/v2/apps/counter/tasks")["tasks"]
    assert [(task["id"], task["state"]) for task in after] == [(tasks[0]["id"], "TASK_RUNNING")]
    pids, lines = cluster.on(builder["name"], "sort -u /tmp/counter | wc -l; wc -l < /tmp/counter").split()
    assert pids == "1", "the counter was started more than once"
    eventually(
        "the counter counts on",
        lambda: int(cluster.on(builder["name"], "wc -l < /tmp/counter")),
        lambda count: count > int(lines),
    )


def test_a_cluster_that_does_not_serve_is_called_unhealthy(container_cluster: Cluster) -> None:
    node = "e2e-control-3"
    container_cluster.on(node, "sudo systemctl stop zookeeper")
    try:
        done = run("verify", container_cluster.file, "--json")
        assert done.returncode == 3
        failed = [check for check in as_json(done)["checks"] if not check["ok"]]
        assert any(node in check["detail"] for check in failed), failed
    finally:
        container_cluster.on(node, "sudo systemctl start zookeeper")
    eventually("the cluster is healthy again", container_cluster.verify, lambda report: bool(report["healthy"]))


def test_bad_input_is_exit_code_2(container_cluster: Cluster) -> None:
    done = run("ssh", container_cluster.file, "nobody", "true")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "NODE: found 'nobody'; allowed: e2e-" in done.stderr
