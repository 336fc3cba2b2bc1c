"""Zone vm, real virtual machines: what containers can't show, such as volumes and a kernel of their own.

Part of `make e2e-operate`: where the machines are emulated, the image and the boots take a quarter of an hour, and what
happens to the homes of Jenkins masters as long again. They want the processors for themselves: beside other work six
emulated machines bring each other to a stop. CLUSTERCTL_E2E_CONTROL=1 makes four of them, with one control node;
CLUSTERCTL_E2E_ZONE=container tries what needs no volume there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labkit
import openstack
import pytest

from tests.e2e.cluster import Cluster, eventually
from tests.e2e.conftest import as_json, build_image, run
from tests.e2e.jenkins import QUICK, Tier, archive_of, purge

ZONE = os.environ.get("CLUSTERCTL_E2E_ZONE", "vm")
CONTROL = int(os.environ.get("CLUSTERCTL_E2E_CONTROL", "3"))
NAME = "e2evm" if ZONE == "vm" else "e2ect"
pytestmark = [pytest.mark.e2e, pytest.mark.vm, pytest.mark.operate]
volumes = pytest.mark.skipif(ZONE != "vm", reason="system containers have no volumes")

# An emulated agent takes longer to connect than the quick timers let it be offline: its build would be lost with it
TIMERS = {} if ZONE == "vm" else {"java_options": QUICK}
WAIT_S = 3600  # of emulated machines, which may have to share the processors with other work
MASTER, JOB = "dev-001", "kept"


def cluster_spec() -> dict[str, Any]:
    """Control nodes, two agents for Jenkins masters with a volume each, and a builder."""
    flavors = {name: labkit.ZONES[ZONE]["flavors"].get(name, name) for name in ("m1.small", "m1.medium")}
    agent = {"services": ["mesos_agent"]}
    homes = {"volume": {"size": 1, "mount": "/srv/jenkins"}} if ZONE == "vm" else {}
    return {
        "cluster": NAME,
        "cloud": "lab",
        "allow_non_ha": CONTROL < 3,
        "image": labkit.ZONES[ZONE]["family"],
        "network": "lab",
        "availability_zone": ZONE,
        "keypair": "ops",
        "access": {"ssh_from": "10.51.0.1"},
        "groups": {
            "control": {
                "count": CONTROL,
                "flavor": flavors["m1.medium"],
                "services": ["zookeeper", "mesos_master", "marathon"],
            },
            "jenkins": {
                **agent,
                **homes,
                "count": 2,
                "flavor": flavors["m1.medium"],
                "attributes": {"pool": "jenkins-master"},
                "reserve_for": "marathon",
            },
            "builders": {
                **agent,
                "count": 1,
                "flavor": flavors["m1.small"],
                "attributes": {"pool": "jenkins-builder"},
            },
        },
        "jenkins": {
            "allow_ephemeral_homes": ZONE != "vm",
            "max_masters": 20,
            "master": {"cpus": 0.1, "mem_mib": 320, "heap_mib": 64, "start_grace_s": 900, **TIMERS},
            "builds": [
                {"cpus": 0.2, "mem_mib": 64, "executor_mem_mib": 32, "attributes": {"pool": "jenkins-builder"}},
            ],
        },
    }


def written(spec: dict[str, Any]) -> Path:
    """The cluster file."""
    path = Path(labkit.BUILD / f"e2e-{ZONE}.yml")
    path.write_text(json.dumps(spec, indent=1))  # JSON is YAML
    return path


@pytest.fixture(scope="module")
def cluster(artifacts: dict[str, dict[str, str]]) -> Iterator[Cluster]:
    """The cluster above, from an image that was built in this zone."""
    image = build_image(ZONE, artifacts)
    assert image["properties"]["clusterctl_version_mesos"] == "1.11.0-1"
    with Cluster(written(cluster_spec()), "--timeout", str(WAIT_S)) as made:
        yield made


@pytest.fixture(scope="module")
def cloud(lab: dict[str, str]) -> Any:
    """The cloud's own APIs."""
    return openstack.connect(cloud="lab")


def test_the_cluster_serves(cluster: Cluster) -> None:
    assert (cluster.created["created"], cluster.created["healthy"]) == (CONTROL + 3, True)
    report = cluster.verify()
    assert report["healthy"], [check for check in report["checks"] if not check["ok"]]


def test_a_second_create_writes_nothing(cluster: Cluster) -> None:
    report = cluster.create()
    assert (report["created"], report["api_calls"]["write"]) == (0, 0)


@volumes
def test_the_volume_is_formatted_and_mounted(cluster: Cluster) -> None:
    kind, target = cluster.on(f"{NAME}-jenkins-1", "findmnt -no FSTYPE,TARGET /srv/jenkins").split()
    assert (kind, target) == ("ext4", "/srv/jenkins")


# --- homes of Jenkins masters --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tier(cluster: Cluster) -> Tier:
    """One master, with a job that has run a build."""
    tier = Tier(cluster)
    tier.created = tier.clusterctl("create", MASTER, "--timeout", str(WAIT_S))
    tier.job(MASTER, JOB, "echo remember me; uname -n")
    build(tier)
    return tier


def build(tier: Tier) -> None:
    """Runs the job once more."""
    item = tier.build(MASTER, JOB)
    done = tier.finished(MASTER, JOB, item, within_s=WAIT_S)
    assert done["result"] == "SUCCESS", tier.log(MASTER, JOB, item)


def history(tier: Tier) -> list[dict[str, Any]]:
    """Of the job, with its logs."""
    tier.moved()
    found = tier.history(MASTER, JOB)
    assert found, "no build is left"
    assert all("remember me" in each["log"] for each in found), found
    return found


def node_of(tier: Tier) -> str:
    """Where the master is."""
    return str(tier.list()[MASTER]["node"])


@volumes
def test_a_destroyed_server_comes_back_with_its_homes_and_masters(tier: Tier, cloud: Any) -> None:
    """Found out late: the masters have given the agent up, and Marathon waits for its task."""
    before, node = history(tier), node_of(tier)
    assert [(each["number"], each["result"]) for each in before] == [(1, "SUCCESS")]
    server, address = cloud.compute.find_server(node), tier.cluster.node(node)["address"]
    [volume] = [each.id for each in cloud.block_storage.volumes() if each.name == node]
    cloud.compute.delete_server(server.id)
    eventually("the server is gone", lambda: cloud.compute.find_server(node), lambda found: found is None, within_s=300)
    eventually(
        "Mesos has given the agent up",
        lambda: tier.cluster.tasks(f"jenkins/{MASTER}"),
        lambda tasks: [each["state"] for each in tasks] == ["TASK_UNREACHABLE"],
        within_s=300,
    )
    told = run("repair", tier.cluster.file, "--json")
    assert told.returncode == 3, told.stderr
    assert [(each["subject"], each["remedy"]) for each in as_json(told)["findings"]] == [(node, "make")]

    report = labkit.clusterctl("repair", tier.cluster.file, "--apply", "--yes", "--timeout", str(WAIT_S))
    assert report["healthy"], report
    made = cloud.compute.find_server(node)
    assert made.id != server.id
    assert tier.cluster.node(node)["address"] == address
    assert [each.server_id for each in cloud.compute.volume_attachments(made)] == [made.id]
    assert [each.volume_id for each in cloud.compute.volume_attachments(made)] == [volume]
    # nobody started it: that was Marathon
    eventually("Marathon calls it healthy", lambda: tier.list()[MASTER]["state"], "running".__eq__, within_s=WAIT_S)
    assert history(tier) == before
    build(tier)
    after = history(tier)
    assert [each["number"] for each in after] == [2, 1]
    assert after[1:] == before
    report = tier.cluster.verify()
    assert report["healthy"], [check for check in report["checks"] if not check["ok"]]


def test_a_purged_master_comes_back_from_its_archive_and_on_another_node(tier: Tier, tmp_path: Path) -> None:
    before, first = history(tier), node_of(tier)
    archive = archive_of(tier.clusterctl("backup", MASTER, "--directory", str(tmp_path)), MASTER)
    purge(tier, MASTER)
    tier.clusterctl("restore", str(archive), "--node", first, "--timeout", str(WAIT_S))
    assert (history(tier), node_of(tier)) == (before, first)

    [other] = {*tier.nodes("jenkins")} - {first}
    purge(tier, MASTER)
    tier.clusterctl("restore", str(archive), "--node", other, "--timeout", str(WAIT_S))
    assert (history(tier), node_of(tier)) == (before, other)
    build(tier)
    after = history(tier)
    assert after[1:] == before
    assert after[0]["number"] == before[0]["number"] + 1


@volumes
def test_a_purged_master_comes_back_from_a_snapshot_and_on_another_node(tier: Tier, cloud: Any) -> None:
    before, first = history(tier), node_of(tier)
    [other] = {*tier.nodes("jenkins")} - {first}
    spec = cluster_spec()
    spec["jenkins"]["backup"] = {"method": "snapshot"}
    written(spec)
    told = tier.clusterctl("backup", MASTER)["done"][MASTER]
    [snapshot] = [each.name for each in cloud.block_storage.snapshots() if each.name.startswith(first)]
    assert told.startswith(f"snapshot {snapshot} of the volume of {first} (1 GiB, quiet)")
    try:
        for node in (first, other):
            purge(tier, MASTER)
            words = (MASTER, "--snapshot", snapshot, "--node", node, "--timeout", str(WAIT_S))
            tier.clusterctl("restore", *words)
            assert (history(tier), node_of(tier)) == (before, node)
        names = [each.name for each in cloud.block_storage.volumes() if each.name.startswith(NAME)]
        assert sorted(names) == sorted([first, other]), "the copy is gone"
    finally:
        found = cloud.block_storage.find_snapshot(snapshot)
        cloud.block_storage.delete_snapshot(found)
        gone = "the snapshot is gone, which keeps its volume"
        eventually(gone, lambda: cloud.block_storage.find_snapshot(snapshot), lambda each: each is None, within_s=300)
