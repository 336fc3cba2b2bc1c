"""Full disks on each kind of node of a real cluster: told before, told as the reason, healed when there is room again.

A container of the lab has a disk of its own.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import labkit
import pytest

from tests.e2e.cluster import COUNTER, Cluster, eventually
from tests.e2e.conftest import as_json, run

pytestmark = [pytest.mark.e2e, pytest.mark.operate]

NAME = "e2efull"
LEAST_MIB = 256
# All but so many MiB; then, unless some are to be left, what is kept for root, too
TAKE = "sudo fallocate -l $(($(df --output=avail -B1M / | tail -n 1) - {left}))M /var/fill-1"
TAKE_ALL = "sudo sh -c 'dd if=/dev/zero of=/var/fill-2 bs=64k 2>/dev/null || test -s /var/fill-2'"
RELEASE = "sudo rm -f /var/fill-1 /var/fill-2"
KILL = "sudo systemctl kill --signal=SIGKILL --kill-who=main {unit}"
STARTED = "systemctl show --property=ActiveEnterTimestampMonotonic {unit}"


@pytest.fixture(scope="module")
def cluster(container_image: dict[str, Any]) -> Iterator[Cluster]:
    """The demo topology: three control nodes, one agent for Jenkins masters, one builder; an app runs."""
    with Cluster(labkit.cluster_file("demo", "container", name=NAME)) as made:
        made.marathon("PUT", "/v2/apps/counter", COUNTER)
        yield made


class Disk:
    """Of one node."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self.cluster, self.node = cluster, node

    def fill(self, *, but_mib: int = 0) -> None:
        """Takes what is free, except for so many MiB."""
        self.cluster.on(self.node, TAKE.format(left=but_mib or 16))
        if not but_mib:
            self.cluster.on(self.node, TAKE_ALL)

    def kill(self, unit: str) -> None:
        """The service dies; systemd starts it again on the disk as it is."""
        before = self.starts(unit)
        self.cluster.on(self.node, KILL.format(unit=unit))
        eventually("systemd starts it again", lambda: self.starts(unit), lambda now: now > before)

    def starts(self, unit: str) -> int:
        """How often systemd started the unit again."""
        return int(self.cluster.on(self.node, f"systemctl show --property=NRestarts --value {unit}"))

    def make_room(self) -> None:
        """What took the space is gone."""
        self.cluster.on(self.node, RELEASE)

    @property
    def trouble(self) -> str:
        """As `verify` tells it."""
        size = int(self.cluster.on(self.node, "df --output=size -B1 / | tail -n 1"))
        return f"/ has 0 of {size >> 20} MiB free, expected {LEAST_MIB}"


@contextmanager
def disk_of(cluster: Cluster, node: str) -> Iterator[Disk]:
    """It has room again after the body."""
    disk = Disk(cluster, node)
    try:
        yield disk
    finally:
        disk.make_room()


def healthy(cluster: Cluster) -> None:
    """Nobody does anything for it."""
    eventually(
        "all is whole again", lambda: cluster.verify("--deep"), lambda report: bool(report["healthy"]), within_s=240
    )


def disks(cluster: Cluster, *options: str) -> dict[str, Any]:
    """The check `disks` of `verify`."""
    report = cluster.verify(*options)
    (check,) = (each for each in report["checks"] if each["name"] == "disks")
    return dict(check)


def node_of(cluster: Cluster, group: str) -> str:
    (name,) = (node["name"] for node in cluster.status()["nodes"] if node["group"] == group)
    return str(name)


def findings(cluster: Cluster, node: str) -> list[str]:
    """What `repair` finds on a node."""
    told = as_json(run("repair", cluster.file, "--json"))["findings"]
    return [each["found"] for each in told if each["subject"] == node]


def refused(cluster: Cluster, service: str, disk: Disk, unit: str) -> None:
    """A roll of the service isn't begun."""
    before = cluster.on(disk.node, STARTED.format(unit=unit))
    done = run("restart", cluster.file, service)
    assert (done.returncode, "nothing was touched" in done.stderr) == (3, True), done.stderr
    assert disk.trouble in done.stderr
    assert cluster.on(disk.node, STARTED.format(unit=unit)) == before


def leader_of(cluster: Cluster, service: str) -> str:
    return str(cluster.status()["leaders"][service])


def another_leads(cluster: Cluster, service: str, node: str) -> None:
    eventually(
        f"another {service} leads than {node}",
        lambda: cluster.status()["leaders"][service],
        lambda now: now not in (None, node),
        within_s=180,
    )


def test_a_followers_disk_is_told_before_it_hurts(cluster: Cluster) -> None:
    leader = leader_of(cluster, "zookeeper")
    follower = next(name for name in (f"{NAME}-control-{n}" for n in (1, 2, 3)) if name != leader)
    with disk_of(cluster, follower) as disk:
        disk.fill(but_mib=LEAST_MIB + 20)
        check = disks(cluster)
        assert check["ok"], check
        assert f"low, no fault yet: {follower}" in check["detail"], check
        disk.make_room()
        disk.fill()
        check = disks(cluster)
        assert (check["ok"], follower in check["detail"], disk.trouble in check["detail"]) == (False, True, True), check
        told = cluster.node(follower)
        assert (told["free_mib"], disk.trouble in told["detail"]) == (0, True), told
        refused(cluster, "zookeeper", disk, "zookeeper")
    healthy(cluster)


def test_the_leading_zookeeper_dies_on_a_full_disk_and_comes_back(cluster: Cluster) -> None:
    before, leader = cluster.counter(), leader_of(cluster, "zookeeper")
    with disk_of(cluster, leader) as disk:
        disk.fill()
        disk.kill("zookeeper")
        another_leads(cluster, "zookeeper", leader)
        assert any(disk.trouble in text for text in findings(cluster, leader))
    # one that has begun its log on the full disk is up and out, and has to be restarted
    assert labkit.clusterctl("repair", cluster.file, "--apply")["healthy"]
    healthy(cluster)
    assert cluster.counter() == before


def test_the_leading_master_dies_on_a_full_disk_and_comes_back(cluster: Cluster) -> None:
    before, agents, leader = cluster.counter(), cluster.agents(), leader_of(cluster, "mesos_master")
    with disk_of(cluster, leader) as disk:
        disk.fill()
        disk.kill("mesos-master")
        another_leads(cluster, "mesos_master", leader)
        assert any(disk.trouble in text for text in findings(cluster, leader))
        refused(cluster, "mesos_master", disk, "mesos-master")
    assert labkit.clusterctl("repair", cluster.file, "--apply")["healthy"]
    healthy(cluster)
    assert cluster.agents() == agents
    assert cluster.counter() == before


def test_the_agent_for_jenkins_masters_is_told_of_by_verify(cluster: Cluster) -> None:
    agents = cluster.agents()
    with disk_of(cluster, node_of(cluster, "jenkins")) as disk:
        disk.fill()
        check = disks(cluster)
        assert (check["ok"], disk.trouble in check["detail"]) == (False, True), check
        refused(cluster, "mesos_agent", disk, "mesos-agent")
    healthy(cluster)
    assert cluster.agents() == agents


def test_a_builder_dies_on_a_full_disk_and_its_task_goes_on(cluster: Cluster) -> None:
    before, agents, builder = cluster.counter(), cluster.agents(), node_of(cluster, "builders")
    with disk_of(cluster, builder) as disk:
        disk.fill()
        assert disks(cluster)["ok"], "builders are asked with --deep only"
        check = disks(cluster, "--deep")
        assert (check["ok"], disk.trouble in check["detail"]) == (False, True), check
        refused(cluster, "mesos_agent", disk, "mesos-agent")
        disk.kill("mesos-agent")
    healthy(cluster)
    assert cluster.agents() == agents
    assert cluster.counter() == before
    assert len(set(cluster.on(builder, "cat /tmp/counter").split())) == 1, "the counter was started more than once"


def test_configure_names_the_full_disk_and_not_what_ansible_makes_of_it(cluster: Cluster) -> None:
    node = f"{NAME}-control-1"
    cluster.on(node, "echo '# by hand' | sudo tee -a /etc/default/marathon")
    with disk_of(cluster, node) as disk:
        disk.fill()
        done = run("configure", cluster.file)
        size = disk.trouble.split()[4]
    assert done.returncode == 1, done.stderr
    assert f"no space on {node}:/ (0 of {size} MiB free)" in done.stderr, done.stderr
    assert "deserialization" not in done.stderr
    assert labkit.clusterctl("configure", cluster.file)["changed"] == 1
    healthy(cluster)


def test_a_full_disk_of_this_machine_is_told_as_its_own(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", tmp_path], check=True)
    try:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        healthy(cluster)  # what is kept of the nodes has room still
        with pytest.raises(OSError, match="No space left"), (tmp_path / "fill").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(64 * 1024))
        done = run("backup", cluster.file)
        assert (done.returncode, "no space on this machine" in done.stderr) == (1, True), done.stderr
        assert f"no space on {NAME}" not in done.stderr
        assert "Traceback" not in done.stderr
        (tmp_path / "fill").unlink()
        assert labkit.clusterctl("backup", cluster.file)["directory"].startswith(str(tmp_path))
    finally:
        subprocess.run(["umount", tmp_path], check=True)
