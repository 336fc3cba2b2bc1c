"""An open cluster is closed while a task counts, a client writes and Marathon's API is polled; the command is killed
once in the middle."""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import labkit
import pytest

from tests.e2e.cluster import Cluster, eventually
from tests.e2e.conftest import run

pytestmark = [pytest.mark.e2e, pytest.mark.operate]

OPEN = "security: {insecure: all}\n"
CLOSED = "security: {insecure: [builds, units, network]}\n"
COUNTER = {
    "id": "/counter",
    "cmd": "while true; do echo $$ $(date +%s.%N) >> /tmp/counter; sleep 1; done",
    "cpus": 0.1,
    "mem": 32,
    "instances": 1,
    "constraints": [["pool", "CLUSTER", "jenkins-builder"]],
}
WATCHER = Path(__file__).with_name("watcher.py")
SECRETS = "/etc/clusterctl/secrets"
# Which files the watcher reads as soon as they are there; its node in ZooKeeper is its own
LOGINS = {"8080": f"{SECRETS}/marathon-http.json", "5050": f"{SECRETS}/mesos-operator.json"}
REPORT = labkit.BUILD / "secure-container.json"
# An anonymous client's try
CREATES = """\
from kazoo.client import KazooClient
client = KazooClient("{address}:2181")
client.start(30)
try:
    print(client.create("{path}"))
except Exception as error:
    print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def cluster(container_image: dict[str, Any]) -> Iterator[Cluster]:
    """The demo, open."""
    file = labkit.cluster_file("demo", "container", name="secure")
    file.write_text(file.read_text() + OPEN)
    with Cluster(file) as made:
        yield made


def control(cluster: Cluster) -> list[dict[str, Any]]:
    return [node for node in cluster.status()["nodes"] if "zookeeper" in node["services"]]


@contextmanager
def watched(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """Runs the watcher on a control node, where the passwords come to; its report is in the result afterwards."""
    nodes = control(cluster)
    name = nodes[0]["name"]
    addresses = ",".join(node["address"] for node in nodes)
    put = [labkit.PROGRAM, "ssh", cluster.file, name, "--"]
    subprocess.run([*put, "cat > /tmp/watcher.py"], input=WATCHER.read_bytes(), check=True)
    subprocess.run([*put, "cat > /tmp/watcher.json"], input=json.dumps(LOGINS).encode(), check=True)
    start = (
        "sudo systemd-run --quiet --collect --unit=watcher --property=StandardOutput=file:/tmp/watched"
        f" --property=StandardInput=file:/tmp/watcher.json /usr/bin/python3 /tmp/watcher.py {addresses} 0.2 2"
    )
    cluster.on(name, start)
    eventually("the watcher watches", lambda: cluster.on(name, "cat /tmp/watched"), lambda text: "ready" in text)
    report: dict[str, Any] = {}
    try:
        yield report
    finally:
        cluster.on(name, "sudo systemctl stop watcher")
        report |= json.loads(cluster.on(name, "cat /tmp/watched").splitlines()[-1])


def answers(cluster: Cluster) -> dict[str, str]:
    """What somebody without a password is answered, by what he tries."""
    node, *_ = control(cluster)
    agent = next(each for each in cluster.status()["nodes"] if each["group"] == "builders")
    places = {
        "agent": (agent["address"], 5051, "/state"),
        "master": (node["address"], 5050, "/state"),
        "marathon": (node["address"], 8080, "/v2/apps"),
    }
    found = {}
    for name, (address, port, path) in places.items():
        curl = f"curl -sS -L -o /dev/null -w '%{{http_code}}' --max-time 10 http://{address}:{port}{path}"
        found[name] = cluster.on(node["name"], curl).strip()
    for path in ("/mesos/stranger", "/marathon/stranger", "/stranger"):
        code = CREATES.format(address=node["address"], path=path)
        found[path] = cluster.on(node["name"], f"python3 -c {shlex.quote(code)}").strip()
    return found


def killed_at(cluster: Cluster, phase: str, *verb: str) -> None:
    """`clusterctl secure` or another verb, killed as soon as it says that it begins with that."""
    process = subprocess.Popen(
        [labkit.PROGRAM, *(verb or ("secure",)), cluster.file, "--yes"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    with process:
        for line in process.stderr:
            said.append(line)
            if phase in line:
                process.kill()
                return
    pytest.fail(f"it never came to {phase!r}: {''.join(said)}")


def test_an_open_cluster_is_closed_under_load(cluster: Cluster) -> None:
    cluster.marathon("PUT", "/v2/apps/counter", COUNTER)
    tasks = eventually(
        "the counter runs",
        lambda: cluster.tasks("counter"),
        lambda found: [task["state"] for task in found] == ["TASK_RUNNING"],
    )
    ids = cluster.agents()
    assert answers(cluster) == {
        **dict.fromkeys(("agent", "master", "marathon"), "200"),
        **{path: path for path in ("/mesos/stranger", "/marathon/stranger", "/stranger")},
    }
    cluster.file.write_text(cluster.file.read_text().replace(OPEN, CLOSED))
    with watched(cluster) as gaps:
        killed_at(cluster, "restart marathon on")
        report = labkit.clusterctl("secure", cluster.file, "--yes")
    assert report["healthy"]
    # Marathons that lost their ZooKeeper for a moment came back with new files: then nothing is left of that stage
    assert [stage["stage"] for stage in report["stages"]] in (["clients", "required"], ["required"])
    assert (report["closed"], report["open"]) == (["mesos", "zookeeper", "marathon"], ["builds", "units", "network"])

    verified = cluster.verify("--deep")
    assert verified["healthy"], [check for check in verified["checks"] if not check["ok"]]
    assert cluster.marathon("GET", "/v2/apps/counter/tasks")["tasks"][0]["id"] == tasks[0]["id"]
    assert cluster.agents() == ids
    node = next(each["name"] for each in cluster.status()["nodes"] if each["address"] == tasks[0]["host"])
    lines = [line.split() for line in cluster.on(node, "cat /tmp/counter").splitlines()]
    pauses = [float(after[1]) - float(before[1]) for before, after in itertools.pairwise(lines)]
    assert len({line[0] for line in lines}) == 1, "the task was restarted"
    REPORT.write_text(json.dumps({"seconds": report["seconds"], "gaps": gaps, "task_pause_s": max(pauses)}, indent=1))
    print(REPORT.read_text())
    assert gaps["zookeeper_majority"]["most_down"] <= 1
    assert gaps["zookeeper_writes"]["acknowledged_and_kept"]


def test_it_asks_who_somebody_is_then(cluster: Cluster) -> None:
    assert answers(cluster) == {
        **dict.fromkeys(("agent", "master", "marathon"), "401"),
        **dict.fromkeys(("/mesos/stranger", "/marathon/stranger", "/stranger"), "NoAuthError"),
    }


def test_once_more_changes_nothing(cluster: Cluster) -> None:
    report = labkit.clusterctl("secure", cluster.file, "--yes")
    assert (report["restarted"], [stage["changed"] for stage in report["stages"]]) == (0, [0])
    assert labkit.clusterctl("configure", cluster.file)["changed"] == 0


def test_nothing_is_opened(cluster: Cluster) -> None:
    closed = cluster.file.read_text()
    cluster.file.write_text(closed.replace(CLOSED, OPEN))
    try:
        done = run("secure", cluster.file, "--yes")
    finally:
        cluster.file.write_text(closed)
    assert done.returncode == 2
    assert "the file leaves mesos, zookeeper, marathon open" in done.stderr
