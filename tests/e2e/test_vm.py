"""Zone vm, real virtual machines: what containers can't show, such as volumes and a kernel of their own.

Part of `make e2e-operate`: where the machines are emulated, the image and the boots take a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import labkit
import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.conftest import build_image

pytestmark = [pytest.mark.e2e, pytest.mark.vm, pytest.mark.operate]

# Three control nodes and one agent with a volume; builds share it, since each emulated machine costs minutes
FILE = """\
cluster: e2evm
cloud: lab
image: clusterctl-base
network: lab
availability_zone: vm
keypair: ops
access: {ssh_from: 10.51.0.1}
groups:
  control:
    count: 3
    flavor: m1.medium
    services: [zookeeper, mesos_master, marathon]
  jenkins:
    count: 1
    flavor: m1.small
    services: [mesos_agent]
    attributes: {pool: jenkins-master}
    reserve_for: marathon
    volume: {size: 1, mount: /srv/jenkins}
  builders:
    count: 0
    flavor: m1.small
    services: [mesos_agent]
    attributes: {pool: jenkins-builder}
"""


@pytest.fixture(scope="module")
def vm_cluster(artifacts: dict[str, dict[str, str]]) -> Iterator[Cluster]:
    """The cluster above, from an image that was built in this zone."""
    image = build_image("vm", artifacts)
    assert image["properties"]["clusterctl_version_mesos"] == "1.11.0-1"
    path = Path(labkit.BUILD / "e2e-vm.yml")
    path.write_text(FILE)
    with Cluster(path) as cluster:
        yield cluster


def test_the_cluster_serves(vm_cluster: Cluster) -> None:
    assert (vm_cluster.created["created"], vm_cluster.created["healthy"]) == (4, True)
    report = vm_cluster.verify()
    assert report["healthy"], [check for check in report["checks"] if not check["ok"]]


def test_a_second_create_writes_nothing(vm_cluster: Cluster) -> None:
    report = vm_cluster.create()
    assert (report["created"], report["api_calls"]["write"]) == (0, 0)


def test_the_volume_is_formatted_and_mounted(vm_cluster: Cluster) -> None:
    kind, target = vm_cluster.on("e2evm-jenkins-1", "findmnt -no FSTYPE,TARGET /srv/jenkins").split()
    assert (kind, target) == ("ext4", "/srv/jenkins")
