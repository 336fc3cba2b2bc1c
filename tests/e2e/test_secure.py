"""An open cluster is closed while a task counts, a client writes and Marathon's API is polled; the command is killed
once in the middle."""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import labkit
import pytest

from tests.e2e.cluster import TIMED_COUNTER, Cluster, eventually
from tests.e2e.conftest import run
from tests.e2e.watching import FILES, control, watched

pytestmark = [pytest.mark.e2e, pytest.mark.operate]

OPEN = "security: {insecure: all}\n"
CLOSED = "security: {insecure: [builds, units, network]}\n"
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
    cluster.marathon("PUT", "/v2/apps/counter", TIMED_COUNTER)
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
    with watched(cluster, FILES) as gaps:
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
