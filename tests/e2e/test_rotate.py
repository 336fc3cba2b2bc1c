"""The secrets of a closed cluster turn while a task counts, a client writes and Marathon's API is polled; the command
is killed once in the middle. The last secrets are refused afterwards."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterator
from typing import Any

import labkit
import pytest

from tests.e2e.cluster import TIMED_COUNTER, Cluster, eventually
from tests.e2e.conftest import run
from tests.e2e.jenkins import Tier
from tests.e2e.test_secure import CLOSED, killed_at
from tests.e2e.watching import FILES, SECRETS, control, watched

pytestmark = [pytest.mark.e2e, pytest.mark.operate]

REPORT = labkit.BUILD / "rotate-container.json"
# A try of somebody with a user and a password of scheme "digest", read from standard input: they are in no argument
CREATES = """\
import sys
from kazoo.client import KazooClient
client = KazooClient("{address}:2181", auth_data=[("digest", sys.stdin.readline().strip())])
client.start(30)
try:
    client.create("{path}")
    client.delete("{path}")
    print("created")
except Exception as error:
    print(type(error).__name__)
"""
PLACE = """\
import sys
from kazoo.client import KazooClient
client = KazooClient("{address}:2181", auth_data=[("digest", sys.stdin.readline().strip())])
client.start(30)
client.create("/watcher")
client.stop()
"""
# A file with a login, as curl reads it
READS = """\
import json
print('user = "{{principal}}:{{secret}}"'.format(**json.load(open("{path}"))))
"""
# By file of a control node with {"principal", "secret"}: the port and the path that it is for
LOGINS = {
    "marathon-http.json": (8080, "/v2/apps"),
    "mesos-operator.json": (5050, "/master/state"),
    "mesos-probe.json": (5050, "/master/state-summary"),
}
# By file with user:password, what it may create
DIGESTS = {
    "zookeeper-super": "/probe",
    "mesos-master-zookeeper": "/mesos/probe",
    "marathon-zookeeper": "/marathon/probe",
}
OLD = "/root/old"


@pytest.fixture(scope="module")
def cluster(container_image: dict[str, Any]) -> Iterator[Cluster]:
    """The demo, closed."""
    file = labkit.cluster_file("demo", "container", name="rotate")
    file.write_text(file.read_text() + CLOSED)
    with Cluster(file) as made:
        yield made


def answers(cluster: Cluster, directory: str) -> dict[str, str]:
    """What somebody with the secrets in a directory of a control node is answered, by the file."""
    node, *_ = control(cluster)
    found = {}
    for file, (port, path) in LOGINS.items():
        read = READS.format(path=f"{directory}/{file}")
        # whoever doesn't lead redirects
        curl = "curl -sS --location-trusted -K - -o /dev/null -w '%{http_code}' --max-time 10"
        curl = f"{curl} http://{node['address']}:{port}{path}"
        found[file] = cluster.on(node["name"], f"sudo python3 -c {shlex.quote(read)} | {curl}").strip()
    for file, path in DIGESTS.items():
        code = CREATES.format(address=node["address"], path=path)
        asked = f"sudo cat {directory}/{file} | python3 -c {shlex.quote(code)}"
        found[file] = cluster.on(node["name"], asked).strip()
    return found


def admit_watcher(cluster: Cluster) -> None:
    """Makes its place in the closed tree, open to everybody."""
    node, *_ = control(cluster)
    code = PLACE.format(address=node["address"])
    cluster.on(node["name"], f"sudo cat {SECRETS}/zookeeper-super | python3 -c {shlex.quote(code)}")


def keep(cluster: Cluster) -> None:
    """The secrets of now, for later."""
    node, *_ = control(cluster)
    cluster.on(node["name"], f"sudo rm -rf {OLD}; sudo cp -a {SECRETS} {OLD}")


LET_IN = {**dict.fromkeys(LOGINS, "200"), **dict.fromkeys(DIGESTS, "created")}
REFUSED = {**dict.fromkeys(LOGINS, "401"), **dict.fromkeys(DIGESTS, "NoAuthError")}


def test_secrets_turn_under_load(cluster: Cluster) -> None:
    cluster.marathon("PUT", "/v2/apps/counter", TIMED_COUNTER)
    tasks = eventually(
        "the counter runs",
        lambda: cluster.tasks("counter"),
        lambda found: [task["state"] for task in found] == ["TASK_RUNNING"],
    )
    ids = cluster.agents()
    keep(cluster)
    assert answers(cluster, SECRETS) == LET_IN
    admit_watcher(cluster)
    with watched(cluster, FILES) as gaps:
        killed_at(cluster, "restart marathon on", "secrets", "rotate")
        report = labkit.clusterctl("secrets", "rotate", cluster.file, "--yes")
    assert report["healthy"]
    assert [stage["stage"] for stage in report["stages"]] == ["clients", "required"]
    assert set(report["epochs"].values()) == {2}

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


def test_the_last_secrets_are_refused(cluster: Cluster) -> None:
    assert answers(cluster, SECRETS) == LET_IN
    assert answers(cluster, OLD) == REFUSED


def test_files_are_as_wanted_then(cluster: Cluster) -> None:
    assert labkit.clusterctl("configure", cluster.file)["changed"] == 0


def test_one_turns_alone(cluster: Cluster) -> None:
    keep(cluster)
    report = labkit.clusterctl("secrets", "rotate", cluster.file, "mesos/probe", "--yes")
    assert report["epochs"] == {"mesos/probe": 3}
    assert {service for stage in report["stages"] for service, _ in stage["restarted"]} == {"mesos_master"}
    assert answers(cluster, OLD) == LET_IN | {"mesos-probe.json": "401"}
    assert cluster.verify()["healthy"]


def mesos_answers(cluster: Cluster, node: str, file: str) -> str:
    """What a Mesos master answers to whom a file PRINCIPAL:SECRET of a node names."""
    first, *_ = control(cluster)
    login = f"sudo sed 's/.*/user = \"&\"/' {file}"
    curl = "curl -sS --location-trusted -K - -o /dev/null -w '%{http_code}' --max-time 10"
    return cluster.on(node, f"{login} | {curl} http://{first['address']}:5050/master/state").strip()


def test_a_jenkins_master_turns_once_its_build_has_ended(cluster: Cluster) -> None:
    tier = Tier(cluster)
    tier.clusterctl("create", "dev", "--count", "2")
    tier.clusterctl("hibernate", "dev-002")
    node, file, old = tier.list()["dev-001"]["node"], f"{SECRETS}/jenkins/jm-001", "/root/old-jm-001"
    cluster.on(node, f"sudo cp -a {file} {old}")
    assert mesos_answers(cluster, node, old) == "200"
    pid = tier.pid(1, node)
    tier.job("dev-001", "long", "sleep 30")
    item = tier.build("dev-001", "long")
    number = tier.number("dev-001", "long", item)

    report = labkit.clusterctl("secrets", "rotate", cluster.file, "mesos/jenkins-001", "mesos/jenkins-002", "--yes")
    restarted = [[*stage["restarted"]] for stage in report["stages"]]
    assert restarted[1] == [["jenkins", "dev-001"]]
    assert tier.pid(1, node) != pid
    assert {service for service, _ in (*restarted[0], *restarted[2])} == {"mesos_master", "mesos_agent"}
    # the build that ran was waited for
    [build] = [each for each in tier.history("dev-001", "long") if each["number"] == number]
    assert build["result"] == "SUCCESS", build["log"]

    # Mesos takes it, and its builds, with the next secret; and nobody with the last one
    tier.moved()
    tier.clusterctl("wake", "dev-002")
    for name in ("dev-001", "dev-002"):
        tier.job(name, "after", "id -un")
        done = tier.finished(name, "after", tier.build(name, "after"))
        assert done["result"] == "SUCCESS", done
    assert (mesos_answers(cluster, node, old), mesos_answers(cluster, node, file)) == ("401", "200")
    verified = cluster.verify("--deep")
    assert verified["healthy"], [check for check in verified["checks"] if not check["ok"]]


def test_an_unknown_name_is_refused_with_those_that_there_are(cluster: Cluster) -> None:
    done = run("secrets", "rotate", cluster.file, "mesos/prob", "--yes")
    assert done.returncode == 2
    assert "NAME: found 'mesos/prob'; allowed: mesos/marathon" in done.stderr
