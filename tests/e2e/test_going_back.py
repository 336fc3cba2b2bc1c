"""An upgrade of Marathon on a real cluster fails after the new version has led: state, apps and tasks are as before.

The stand-ins are of two releases whose state has different storage versions: the old one can't read what the new
one has migrated, and ends with 104 for as long as it finds it. The new one logs an error once it has migrated. The
image, of the old release, has a family of its own, so that no other test starts from it.

The cluster's file has a setting of each kind, ZooKeeper's log in a directory of its own among them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labkit
import openstack
import pytest

from lab.standins.marathon.marathon_standin.buildinfo import for_build
from lab.standins.marathon.marathon_standin.store import text_of
from lab.standins.marathon.tarball import members, packed
from tests.e2e.cluster import COUNTER, Cluster, eventually
from tests.e2e.conftest import as_json, run

pytestmark = [pytest.mark.e2e, pytest.mark.operate]

NAME = "e2eback"
CONTROL = tuple(f"{NAME}-control-{number}" for number in (1, 2, 3))
GROUPS = ("jenkins", "builders")
OLD, NEW = for_build(1, "1.9"), for_build(1, "1.10")
MIGRATED = 'log.info("Migration successfully applied for version %s", text_of(wanted))'
LABELS = {"team": "a"}
LOG = "/srv/zookeeper-log"
SETTINGS = f"""\
settings:
  zookeeper_data_log_dir: {LOG}
  zookeeper_tcp_keep_alive: false
  zookeeper_log_level: warn
  zookeeper_purge_interval_h: 12
  marathon_jvm_options: -Xss1m
  mesos_master_recovery_agent_removal_limit_percent: 80
mesos: {{offer_timeout_s: 120, master_flags: {{allocation_interval: 500ms, log_auto_initialize: true}}}}
marathon: {{flags: {{decline_offer_duration: 7000, metrics_prometheus: true, http_compression: false}}}}
"""
OF_BUILDERS = """\
    settings: {mesos_agent_gc_delay_h: 24, mesos_agent_writable_paths: [/srv, /var/lib/jenkins, /opt]}
    mesos: {agent_flags: {gc_disk_headroom: 0.2}}
"""


def artifacts_with(marathon: Path, version: str) -> Path:
    """An artifacts file of this test's family with that tarball."""
    content = json.loads((labkit.BUILD / f"artifacts-{NAME}.yml").read_text())
    content["artifacts"]["marathon"] = {
        "version": version,
        "src": str(marathon),
        "sha256": hashlib.sha256(marathon.read_bytes()).hexdigest(),
        "java": [17],
    }
    path = labkit.BUILD / f"artifacts-{NAME}-{version}.yml"
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``old``, ``new``, and ``broken``: the new one, that says an error when it has migrated the state."""
    directory = tmp_path_factory.mktemp("marathon")
    found = {}
    for name, build in {"old": OLD, "new": NEW, "broken": NEW}.items():
        files = members(build)
        if name == "broken":
            path = f"marathon-{build.version}/lib/marathon_standin/store.py"
            mode, content = files[path]
            assert content.count(MIGRATED.encode()) == 1
            spoiled = MIGRATED.replace("log.info", "log.error")
            files[path] = mode, content.replace(MIGRATED.encode(), spoiled.encode())
        found[name] = directory / f"marathon-{name}.tgz"
        found[name].write_bytes(packed(files))
    return found


@pytest.fixture(scope="module")
def cluster(artifacts: dict[str, Any], tarballs: dict[str, Path]) -> Iterator[Cluster]:
    """The demo topology with the old release."""
    labkit.artifacts_file("container", artifacts, family=NAME)
    image = labkit.clusterctl("image", "build", artifacts_with(tarballs["old"], OLD.version))
    try:
        file = labkit.cluster_file("demo", "container", name=NAME, family=NAME)
        text = file.read_text()
        pool = "    attributes: {pool: jenkins-builder}\n"
        assert text.count(pool) == 1
        file.write_text(text.replace(pool, pool + OF_BUILDERS) + SETTINGS)
        with Cluster(file) as made:
            made.marathon("PUT", "/v2/apps/counter", {**COUNTER, "labels": LABELS})
            yield made
    finally:
        openstack.connect(cloud="lab").image.delete_image(image["id"])


def node_of(cluster: Cluster, group: str) -> str:
    """The one node of a group."""
    (name,) = (each["name"] for each in cluster.status()["nodes"] if each["group"] == group)
    return str(name)


def state(cluster: Cluster) -> dict[str, bytes]:
    """Marathon's state as a backup holds it; without what Mesos says of tasks, which is news."""
    eventually("nothing is deployed", lambda: cluster.marathon("GET", "/v2/deployments"), lambda found: not found)
    directory = Path(labkit.clusterctl("backup", cluster.file)["directory"])
    nodes = json.loads((directory / "tree.json").read_text())["nodes"]
    kept = {path: base64.b64decode(data) for path, data in nodes.items() if path.startswith("/state")}
    return {path: data for path, data in kept.items() if "/instances/" not in path}


def migrated(cluster: Cluster) -> list[str]:
    """The nodes whose Marathon has brought the state to the new release's version."""
    said = f"apply change for version: {text_of(NEW.storage)}"
    command = f"sudo journalctl -u marathon | grep -cF '{said}' || true"
    return [name for name in CONTROL if int(cluster.on(name, command)) > 0]


def test_it_comes_up_with_what_its_file_sets_and_configure_changes_nothing(cluster: Cluster) -> None:
    assert labkit.clusterctl("configure", cluster.file)["changed"] == 0
    zookeeper = cluster.on(CONTROL[0], "sudo cat /etc/zookeeper/zoo.cfg")
    for line in (f"dataLogDir={LOG}", "autopurge.purgeInterval=12"):
        assert f"{line}\n" in zookeeper
    assert "/version-2/log." in cluster.on(CONTROL[0], f"sudo sh -c 'ls -d {LOG}/version-2/*'")
    assert "log." not in cluster.on(CONTROL[0], "sudo ls /var/lib/zookeeper/version-2")
    java = cluster.on(CONTROL[0], "sudo cat /proc/$(systemctl show -P MainPID zookeeper)/cmdline | tr '\\0' ' '")
    assert "-Dzookeeper.tcpKeepAlive=false" in java
    assert "defaultLogLevel=warn\n" in cluster.on(CONTROL[0], "cat /etc/zookeeper/simplelogger.properties")

    leader = cluster.node(cluster.status()["leaders"]["mesos_master"])
    flags = cluster.mesos(leader, "/flags")["flags"]
    found = {name: flags[name] for name in ("offer_timeout", "allocation_interval", "recovery_agent_removal_limit")}
    assert found == {
        "offer_timeout": "2mins",
        "allocation_interval": "500ms",
        "recovery_agent_removal_limit": "80%",
    }
    marathon = cluster.marathon("GET", "/v2/info")["marathon_config"]
    assert marathon["decline_offer_duration"] == 7000
    assert "-Xss1m" in cluster.on(CONTROL[0], "cat /etc/default/marathon")

    agents = {group: cluster.on(node_of(cluster, group), "cat /etc/default/mesos-agent") for group in GROUPS}
    assert 'MESOS_GC_DISK_HEADROOM="0.2"\n' in agents["builders"]
    assert "MESOS_GC_DELAY=24hrs\n" in agents["builders"]
    assert "GC_DISK_HEADROOM" not in agents["jenkins"], "that is of the builders alone"
    assert "MESOS_GC_DELAY=48hrs\n" in agents["jenkins"]


def test_a_member_whose_log_lies_elsewhere_is_backed_up_and_learns_anew(cluster: Cluster) -> None:
    directory = Path(labkit.clusterctl("backup", cluster.file)["directory"])
    with tarfile.open(directory / "zookeeper.tar.gz") as packed_files:
        names = packed_files.getnames()
    assert any(name.startswith("zookeeper-log/version-2/log.") for name in names)
    assert any(name.startswith("version-2/snapshot.") for name in names)

    node = next(name for name in CONTROL if name != cluster.status()["leaders"]["zookeeper"])
    # the newest log is none, and the member ends whenever it starts; an empty one its unit deletes by itself
    broken = f"echo not a log of transactions | sudo -u zookeeper tee {LOG}/version-2/log.ff00000001"
    cluster.on(node, f"sudo systemctl stop zookeeper && {broken} && sudo systemctl start zookeeper")
    eventually(
        "its end is seen",
        lambda: as_json(run("repair", cluster.file, "--json"))["findings"],
        lambda told: "--fresh-data" in str(told),
    )
    assert labkit.clusterctl("repair", cluster.file, "--apply", "--fresh-data", node, "--yes")["healthy"]
    assert "log.ff00000001" in cluster.on(node, f"sudo sh -c 'ls {LOG}/version-2.aside.*'")
    assert "snapshot." in cluster.on(node, "sudo sh -c 'ls /var/lib/zookeeper/version-2.aside.*'")


def test_it_goes_back_with_state_apps_and_tasks_as_they_were(cluster: Cluster, tarballs: dict[str, Path]) -> None:
    first, before = cluster.counter(), state(cluster)
    info = cluster.marathon("GET", "/v2/info")
    assert (info["version"], migrated(cluster)) == (OLD.version, [])
    assert json.loads(before["/state/version"])["storage"] == list(OLD.storage)

    broken = artifacts_with(tarballs["broken"], NEW.version)
    done = run("upgrade", cluster.file, "marathon", "--artifacts", broken, "--json")
    assert done.returncode == 1, done.stderr
    (failed,) = as_json(done)["failed"]
    assert "its log has errors" in failed["reason"], failed
    said = "back in service with the old version, like the others, and the state restored from"
    assert failed["state"].startswith(said), failed
    assert len(migrated(cluster)) == 1, "it led, and migrated the state"

    after = cluster.marathon("GET", "/v2/info")
    assert (after["version"], after["frameworkId"]) == (OLD.version, info["frameworkId"])
    assert cluster.counter() == first, "the task was lost"
    assert cluster.marathon("GET", "/v2/apps/counter")["app"]["labels"] == LABELS
    assert state(cluster) == before
    report = cluster.verify()
    assert report["healthy"], [check for check in report["checks"] if not check["ok"]]


def test_the_next_upgrade_succeeds(cluster: Cluster, tarballs: dict[str, Path]) -> None:
    first, framework = cluster.counter(), cluster.marathon("GET", "/v2/info")["frameworkId"]
    report = labkit.clusterctl(
        "upgrade", cluster.file, "marathon", "--artifacts", artifacts_with(tarballs["new"], NEW.version)
    )
    assert len(report["done"]) == 3
    info = cluster.marathon("GET", "/v2/info")
    assert (info["version"], info["frameworkId"], cluster.counter()) == (NEW.version, framework, first)
    assert json.loads(state(cluster)["/state/version"])["storage"] == list(NEW.storage)
    assert len(set(cluster.on(node_of(cluster, "builders"), "cat /tmp/counter").split())) == 1, (
        "the counter was started more than once"
    )
