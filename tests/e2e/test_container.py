"""Zone container: the main job, then each leader killed in turn under a running task."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import labkit
import pytest

from lab.faultproxy.__main__ import clouds_through
from lab.faultproxy.faults import Fault
from lab.faultproxy.proxy import FaultProxy
from tests.e2e.cluster import COUNTER, Cluster, eventually
from tests.e2e.conftest import as_json, run

pytestmark = pytest.mark.e2e

SERVICES = {"control": ("zookeeper", "mesos_master", "marathon"), "jenkins": ("mesos_agent",)}
SERVICES["builders"] = SERVICES["jenkins"]


def test_create_says_what_it_did(container_cluster: Cluster) -> None:
    report = container_cluster.created
    assert (report["nodes"], report["created"], report["healthy"]) == (5, 5, True)
    # lock, the group of all nodes and those of three tiers, rules of each, server group, ports, three named nodes, two
    # pools of agents, unlock
    assert report["api_calls"]["write"] == 17
    assert set(report["seconds"]) == {"plan", "preflight", "prepare", "boot", "build", "verify"}


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


def plain(cluster: Cluster, program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in the project's directory with its `inventory/clusterctl`, as an operator's own Ansible would."""
    path = f"{labkit.PROGRAM.parent}:{os.environ['PATH']}"
    own = {"PATH": path, "CLUSTERCTL_FILE": str(cluster.file), "ANSIBLE_FORCE_COLOR": "0", **environment}
    return subprocess.run(
        [program, *arguments],
        cwd=labkit.ROOT,
        env=os.environ | own,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def run_testinfra(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs tests/testinfra on the nodes, by the line that docs/operations.md names."""
    options = ("--ansible-inventory=inventory/clusterctl", "--connection=ansible", "--sudo")
    return plain(cluster, "pytest", "-q", "-p", "no:cacheprovider", *options, *arguments)


def test_plain_ansible_sees_the_cluster(container_cluster: Cluster) -> None:
    done = plain(container_cluster, "ansible-inventory", "-i", "inventory/clusterctl", "--list")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    nodes = container_cluster.status()["nodes"]
    wanted: dict[str, set[str]] = {}
    for node in nodes:
        for group in (f"group_{node['group']}", *SERVICES[node["group"]]):
            wanted.setdefault(group, set()).add(node["name"])
    groups = {name: set(group["hosts"]) for name, group in found.items() if "hosts" in group}
    assert groups == wanted
    variables = found["_meta"]["hostvars"]
    assert {name: each["ansible_host"] for name, each in variables.items()} == {
        node["name"]: node["address"] for node in nodes
    }
    for name, each in variables.items():
        options = each["ansible_ssh_common_args"]
        assert "StrictHostKeyChecking=yes" in options, name
        pinned = re.search(r'UserKnownHostsFile="([^"]+)"', options)
        alias = re.search(r"HostKeyAlias=(\S+)", options)
        assert pinned, options
        assert alias, options
        assert any(line.startswith(f"{alias[1]} ssh-") for line in Path(pinned[1]).read_text().splitlines()), name
    graph = plain(container_cluster, "ansible-inventory", "-i", "inventory/clusterctl", "--graph")
    assert graph.returncode == 0, graph.stderr
    assert "@group_builders:" in graph.stdout


def test_plain_ansible_runs_the_playbook(container_cluster: Cluster) -> None:
    done = plain(
        container_cluster, "ansible-playbook", "-i", "inventory/clusterctl", "playbooks/site.yml", "--check", "--diff"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    changed = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+) ", done.stdout, re.MULTILINE)
    assert dict(changed) == {node["name"]: "0" for node in container_cluster.status()["nodes"]}, done.stdout


@pytest.mark.parametrize("request_pattern", ["GET */ports", "GET */servers/detail"])
def test_an_inventory_is_never_partial(container_cluster: Cluster, request_pattern: str, tmp_path: Path) -> None:
    clouds = json.loads(Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_text())
    with FaultProxy(clouds["clouds"]["lab"]["auth"]["auth_url"]) as proxy:
        path = tmp_path / "clouds.yaml"
        path.write_text(clouds_through(clouds, "lab", proxy.auth_url, api_timeout_s=60))
        for program, argument in (("ansible-inventory", "--list"), ("ansible-playbook", "playbooks/site.yml")):
            proxy.reset(Fault("status", match=request_pattern, status=403, times=None))
            arguments = ("-i", "inventory/clusterctl", argument)
            done = plain(container_cluster, program, *arguments, OS_CLIENT_CONFIG_FILE=str(path))
            said = done.stdout + done.stderr
            assert done.returncode != 0, said
            assert [entry.fault for entry in proxy.log if entry.fault], "the fault didn't strike"
            assert "e2e-" not in done.stdout, said
            assert "403" in said
            assert "Traceback" not in said


def test_testinfra(container_cluster: Cluster) -> None:
    done = run_testinfra(container_cluster, "tests/testinfra")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_tampering_is_found_and_mended(container_cluster: Cluster) -> None:
    """Of each node one role differs, and that alone is put right."""
    [masters] = [node["name"] for node in container_cluster.status()["nodes"] if node["group"] == "jenkins"]
    tampered = {"e2e-control-2": "/etc/zookeeper/zoo.cfg", masters: "/etc/clusterctl/jenkins/java-options"}
    for node, path in tampered.items():
        container_cluster.on(node, f"echo '# tampered' | sudo tee -a {path} >/dev/null")
    found = labkit.clusterctl("configure", container_cluster.file, "--check", "--diff")
    assert sorted(change[0] for change in found["changes"]) == sorted(tampered)
    mended = labkit.clusterctl("configure", container_cluster.file)
    assert sorted(change[0] for change in mended["changes"]) == sorted(tampered)
    assert labkit.clusterctl("configure", container_cluster.file)["changed"] == 0


def test_each_leader_is_killed_in_turn_and_the_task_runs_on(container_cluster: Cluster) -> None:
    cluster = container_cluster
    cluster.marathon("PUT", "/v2/apps/counter", COUNTER)
    tasks = eventually(
        "the counter runs",
        lambda: cluster.tasks("counter"),
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
        tested = run_testinfra(container_cluster, "tests/testinfra/zookeeper", "-k", "service_runs")
        assert tested.returncode == 1, tested.stdout + tested.stderr
        assert re.search(r"1 failed, 2 passed", tested.stdout), tested.stdout
        assert f"[ansible://{node}]" in tested.stdout
    finally:
        container_cluster.on(node, "sudo systemctl start zookeeper")
    eventually("the cluster is healthy again", container_cluster.verify, lambda report: bool(report["healthy"]))


def test_bad_input_is_exit_code_2(container_cluster: Cluster) -> None:
    done = run("ssh", container_cluster.file, "nobody", "true")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "NODE: found 'nobody'; allowed: e2e-" in done.stderr
