"""Rolling operations on a real cluster while a task counts, a client writes and Marathon's API is polled.

Of ZooKeeper Debian has one version: the newer one is the same package with another revision (``next_zookeeper.sh``).
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labkit
import openstack
import pytest

from tests.e2e.cluster import TIMED_COUNTER, Cluster, eventually
from tests.e2e.conftest import as_json, build_image, run
from tests.e2e.watching import watched

pytestmark = [pytest.mark.e2e, pytest.mark.operate]

# The other is vm, real virtual machines: for test_upgrade_under_load alone where they are emulated, with one builder
ZONE = os.environ.get("CLUSTERCTL_E2E_ZONE", "container")
BUILDERS = 1 if ZONE == "vm" else 2
CONTROL = [f"e2eroll-control-{number}" for number in (1, 2, 3)]
# Emulated machines answer slowly, and less for each question: seconds between two, for an answer, and of the gates
EVERY_S, PATIENCE_S, TIMEOUT_S = (2, 10, 600) if ZONE == "vm" else (0.2, 2, 180)
NEXT_ZOOKEEPER = Path(__file__).with_name("next_zookeeper.sh")
REPORT = labkit.BUILD / f"upgrade-{ZONE}.json"


@pytest.fixture(scope="module")
def old(artifacts: dict[str, dict[str, str]]) -> Path:
    """The artifacts file that the image was built from."""
    image = build_image(ZONE, artifacts)
    assert image["properties"]["clusterctl_version_mesos"] == "1.11.0-1"
    return labkit.BUILD / f"artifacts-{ZONE}.yml"


@pytest.fixture(scope="module")
def new(old: Path) -> Path:
    """The next: Mesos 1.11.0-2 from the same library, and the next build of the Marathon stand-in."""
    content = json.loads(old.read_text())
    content["artifacts"] = labkit.build_artifacts(2)
    path = labkit.BUILD / f"artifacts-{ZONE}-next.yml"
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


@pytest.fixture(scope="module")
def cluster(old: Path) -> Iterator[Cluster]:
    """The demo with a second builder, so that agents go in batches and tasks have somewhere to go."""
    file = labkit.cluster_file("demo", ZONE, name="e2eroll")
    head, builders = file.read_text().split("  builders:\n")
    file.write_text(f"{head}  builders:\n{builders.replace('count: 1', f'count: {BUILDERS}')}")
    with Cluster(file) as made:
        yield made


@pytest.fixture(scope="module")
def task(cluster: Cluster) -> dict[str, Any]:
    """The counter's task, running."""
    cluster.marathon("PUT", "/v2/apps/counter", TIMED_COUNTER)
    return running_task(cluster)


def running_task(cluster: Cluster) -> dict[str, Any]:
    (found,) = eventually(
        "the counter runs",
        lambda: cluster.tasks("counter"),
        lambda tasks: [each["state"] for each in tasks] == ["TASK_RUNNING"],
    )
    return dict(found)


def node_of(cluster: Cluster, task: dict[str, Any]) -> str:
    return next(str(node["name"]) for node in cluster.status()["nodes"] if node["address"] == task["host"])


def counted(cluster: Cluster, node: str) -> tuple[set[str], float]:
    """Process ids that counted on a node, and the longest time between two of their counts."""
    lines = [line.split() for line in cluster.on(node, "cat /tmp/counter").splitlines()]
    times = [float(line[1]) for line in lines]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return {line[0] for line in lines}, max(gaps)


def offer_newer_zookeeper(cluster: Cluster) -> str:
    """Its version, which apt offers on every control node then."""
    found = set()
    for node in CONTROL:
        command = [labkit.PROGRAM, "ssh", cluster.file, node, "--", "sudo", "sh", "-s"]
        done = subprocess.run(command, input=NEXT_ZOOKEEPER.read_bytes(), check=True, stdout=subprocess.PIPE)
        found.add(done.stdout.decode().strip())
    (version,) = found
    return version


def starts(cluster: Cluster) -> dict[str, str]:
    """When the units of each node were started."""
    command = "systemctl show --property=ActiveEnterTimestampMonotonic zookeeper mesos-master mesos-agent marathon"
    return {node["name"]: cluster.on(node["name"], command) for node in cluster.status()["nodes"]}


def test_nothing_is_touched_by_what_must_fail(cluster: Cluster, old: Path, new: Path, tmp_path: Path) -> None:
    before = starts(cluster)
    upgrade = ("upgrade", cluster.file, "mesos", "--artifacts")

    done = run(*upgrade, new, "--to", "1.12.0-1")
    assert (done.returncode, "--to: found 1.12.0-1" in done.stderr) == (2, True), done.stderr

    content = json.loads(new.read_text())
    content["artifacts"]["mesos"]["sha256"] = "0" * 64
    bad = tmp_path / "bad.yml"
    bad.write_text(json.dumps(content))
    done = run(*upgrade, bad)
    assert (done.returncode, "artifacts.mesos.sha256" in done.stderr) == (2, True), done.stderr

    content["artifacts"]["mesos"] = json.loads(old.read_text())["artifacts"]["mesos"] | {"version": "1.11.0-2"}
    bad.write_text(json.dumps(content))
    done = run(*upgrade, bad)
    assert (done.returncode, "is 1.11.0-1" in done.stderr) == (2, True), done.stderr

    node = CONTROL[1]
    lock = "import fcntl,time; f=open('/var/lib/dpkg/lock-frontend','r+'); fcntl.lockf(f,2); time.sleep(600)"
    cluster.on(node, f'sudo systemd-run --quiet --collect --unit=holder /usr/bin/python3 -c "{lock}"')
    eventually("the lock is held", lambda: cluster.on(node, "cat /proc/locks"), lambda text: "POSIX" in text)
    done = run(*upgrade, new)
    cluster.on(node, "sudo systemctl stop holder")
    assert (done.returncode, f"{node}: dpkg is locked by python3" in done.stderr) == (1, True), done.stderr

    cluster.on(node, "sudo mount -t tmpfs -o size=1m tmpfs /var/cache/clusterctl")
    done = run(*upgrade, new)
    cluster.on(node, "sudo umount /var/cache/clusterctl")
    assert (done.returncode, "MiB are free in /var/cache/clusterctl" in done.stderr) == (1, True), done.stderr

    agent = next(each["name"] for each in cluster.status()["nodes"] if each["group"] == "builders")
    # the connection that ssh shares must not outlive the service
    cluster.on(agent, "sudo systemd-run --quiet --on-active=60 systemctl start ssh && sudo systemctl stop ssh")
    subprocess.run(["sh", "-c", f"rm -f /tmp/clusterctl-{os.getuid()}/*"], check=True)
    done = run(*upgrade, new)
    assert (done.returncode, f"{agent}: " in done.stderr) == (1, True), done.stderr
    assert "can't be looked at; nothing was changed" in done.stderr
    eventually(
        "the node is reached again", lambda: run("ssh", cluster.file, agent, "true").returncode, lambda c: c == 0
    )

    assert starts(cluster) == before


def test_upgrade_under_load(cluster: Cluster, old: Path, new: Path, task: dict[str, Any]) -> None:
    ids = cluster.agents()
    assert len(ids) == 1 + BUILDERS
    node = node_of(cluster, task)
    zookeeper = offer_newer_zookeeper(cluster)
    reports = {}
    seconds = {}
    with watched(cluster, every_s=EVERY_S, patience_s=PATIENCE_S) as seen:
        for name, arguments in {
            "upgrade zookeeper": ("upgrade", cluster.file, "zookeeper"),
            "restart zookeeper": ("restart", cluster.file, "zookeeper"),
            "upgrade mesos": (
                ("upgrade", cluster.file, "mesos", "--artifacts", new, "--previous", old, "--to", "1.11.0-2")
            ),
            "upgrade marathon": ("upgrade", cluster.file, "marathon", "--artifacts", new),
        }.items():
            start = time.monotonic()
            reports[name] = labkit.clusterctl(*arguments, "--timeout", str(TIMEOUT_S))
            seconds[name] = round(time.monotonic() - start, 1)
    after = running_task(cluster)
    pids, longest_s = counted(cluster, node)
    result = {
        "zone": ZONE,
        "seconds": seconds,
        "longest_gap_s": {name: each["longest_gap_s"] for name, each in seen.items()} | {"task": round(longest_s, 2)},
        "tasks_lost": int(after["id"] != task["id"]),
        "agents_renewed": len(set(ids.values()) - set(cluster.agents().values())),
        "watched": seen,
        "asked_every_s": EVERY_S,
        "steps": {name: report["seconds"] for name, report in reports.items()},
        "load": os.getloadavg(),
    }
    # before anything is judged: a run takes long, and what it saw must not be lost
    REPORT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["longest_gap_s"]))

    assert [len(report["done"]) for report in reports.values()] == [3, 3, 4 + BUILDERS, 3]
    assert cluster.agents() == ids, "agents keep their ids"
    assert after["id"] == task["id"], "the task was lost"
    assert len(pids) == 1, "the counter was started more than once"
    majority = seen["zookeeper_majority"]
    assert majority["most_down"] == 1, "one member at a time is restarted"
    if ZONE != "vm":  # there a silent member tells nothing: the report has their number
        assert majority["bad"] == 0, "ZooKeeper was without a majority"
    assert seen["zookeeper_writes"]["acknowledged_and_kept"]

    for each in CONTROL:
        versions = cluster.on(
            each, "cat /usr/share/clusterctl/artifacts/mesos /usr/share/clusterctl/artifacts/marathon"
        )
        assert versions.split()[1::2] == ["1.11.0-2", "1.11.25"]
        assert cluster.on(each, "dpkg-query -W -f '${Version}' libzookeeper-java") == zookeeper
    backup = Path(reports["upgrade marathon"]["backup"])
    manifest = json.loads((backup / "manifest.json").read_text())
    assert manifest["framework_id"]
    assert manifest["tree"]["nodes"] > 3
    packed = subprocess.run(["tar", "-tzf", backup / "zookeeper.tar.gz"], check=True, capture_output=True, text=True)
    assert "version-2/log." in packed.stdout

    again = labkit.clusterctl("upgrade", cluster.file, "all", "--artifacts", new)
    assert (again["done"], len(again["skipped"])) == ([], 10 + BUILDERS)


def test_nodes_added_later_come_with_what_the_others_run(cluster: Cluster, new: Path) -> None:
    more = f"builders={BUILDERS + 1}"
    before = {node["name"] for node in cluster.status()["nodes"]}
    done = run("scale", cluster.file, more)
    assert (done.returncode, "need an image with mesos 1.11.0-2, as the others run it" in done.stderr) == (1, True)
    assert {node["name"] for node in cluster.status()["nodes"]} == before

    image = labkit.clusterctl("image", "build", new)
    try:
        labkit.clusterctl("scale", cluster.file, more)
        (added,) = (node for node in cluster.status()["nodes"] if node["name"] not in before)
        assert (added["image"], added["artifacts"]) == (image["name"], {"mesos": "1.11.0-2"})
        assert cluster.on(added["name"], "dpkg-query -W -f '${Version}' mesos") == "1.11.0-2"
        labkit.clusterctl("scale", cluster.file, f"builders={BUILDERS}", "--remove", added["name"], "--yes")
    finally:  # it is the newest: other tests would start from it
        openstack.connect(cloud="lab").image.delete_image(image["id"])


HELD = (
    "cd /run/systemd/system && mkdir -p zookeeper.service.d && "
    'printf "[Service]\\nExecStartPre=sleep infinity\\nTimeoutStartSec=infinity\\n" > zookeeper.service.d/held.conf && '
    "systemctl daemon-reload"
)


def test_a_node_killed_in_the_middle_stops_the_roll(cluster: Cluster, task: dict[str, Any]) -> None:
    before = starts(cluster)
    leader = cluster.status()["leaders"]["zookeeper"]
    second = [name for name in CONTROL if name != leader][1]
    connection = openstack.connect(cloud="lab")
    (server,) = [each for each in connection.compute.servers() if each.name == second]
    # Its start hangs, so that Nova is never too late; /run is empty after the next boot
    cluster.on(second, f"sudo sh -c '{HELD}'")
    command = [labkit.PROGRAM, "restart", cluster.file, "zookeeper", "--timeout", "60", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as roll:
        assert roll.stderr is not None
        said = []
        for line in roll.stderr:
            said.append(line)
            if line.startswith(f"restart zookeeper on {second} ..."):
                connection.compute.stop_server(server)
        assert roll.stdout is not None
        report = json.loads(roll.stdout.read())
    assert roll.returncode == 1, said
    assert [name for _, name in report["done"]] == [name for name in CONTROL if name not in (leader, second)]
    assert [each["node"] for each in report["failed"]] == [second]
    assert report["failed"][0]["state"].startswith("NOT in service"), report["failed"]
    assert [name for _, name in report["left"]] == [leader]
    assert report["continue"] == f"clusterctl restart {cluster.file} zookeeper --timeout 60 --only {second},{leader}"
    assert cluster.on(leader, "systemctl show --property=ActiveEnterTimestampMonotonic zookeeper") in before[leader]
    assert running_task(cluster)["id"] == task["id"], "the cluster serves with two members"

    repaired = labkit.clusterctl("repair", cluster.file, "--apply")
    assert ([line.split(":")[0] for line in repaired["done"]], repaired["healthy"]) == ([second], True)
    words = report["continue"].split()[1:]
    done = subprocess.run([labkit.PROGRAM, *words, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    assert [name for _, name in json.loads(done.stdout)["done"]] == [second, leader]


def test_an_additive_change_keeps_ids_and_tasks(cluster: Cluster, task: dict[str, Any]) -> None:
    ids = cluster.agents()
    change_attributes(cluster, "{pool: jenkins-builder, rack: r1}")
    planned = labkit.clusterctl("plan", cluster.file, "--agents")["agents"]
    assert sorted(each["kind"] for each in planned) == ["additive", "additive", "unchanged"]
    report = labkit.clusterctl("reconfigure", cluster.file)
    assert len(report["done"]) == 2
    assert cluster.agents() == ids
    assert running_task(cluster)["id"] == task["id"]
    assert cluster.verify()["healthy"]


def test_a_new_identity_wants_consent_and_moves_tasks(cluster: Cluster, task: dict[str, Any]) -> None:
    ids = cluster.agents()
    change_attributes(cluster, "{pool: jenkins-builder, rack: r2}")
    done = run("reconfigure", cluster.file)
    assert (done.returncode, "--allow-drain consents" in done.stderr) == (2, True), done.stderr
    assert cluster.agents() == ids
    report = labkit.clusterctl("reconfigure", cluster.file, "--allow-drain")
    assert len(report["done"]) == 2
    after = cluster.agents()
    assert len(set(after.values()) & set(ids.values())) == 1, "only the agent for Jenkins masters is who it was"
    assert running_task(cluster)["id"] != task["id"]
    assert as_json(run("verify", cluster.file, "--json"))["healthy"]


def change_attributes(cluster: Cluster, attributes: str) -> None:
    """Gives the builders other attributes in the cluster file."""
    head, builders = cluster.file.read_text().split("  builders:\n")
    lines = [
        f"    attributes: {attributes}" if line.strip().startswith("attributes:") else line
        for line in builders.splitlines()
    ]
    cluster.file.write_text(f"{head}  builders:\n" + "\n".join(lines) + "\n")
