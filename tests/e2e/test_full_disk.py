"""Full disks on each kind of node of a real cluster: told before, told as the reason, healed without a hand.

A container's root file system is this machine's: the directories of services are small file systems in memory instead.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import labkit
import pytest

from tests.e2e.cluster import Cluster, eventually
from tests.e2e.conftest import as_json, run

pytestmark = [pytest.mark.e2e, pytest.mark.operate]

NAME = "e2efull"
ZOOKEEPER, MESOS = "/var/lib/zookeeper", "/var/lib/mesos"
SIZE_MIB = 192
LEAST_MIB = SIZE_MIB // 8
COUNTER = {
    "id": "/counter",
    "cmd": "while true; do echo $$ >> /tmp/counter; sleep 1; done",
    "cpus": 0.1,
    "mem": 32,
    "instances": 1,
    "constraints": [["pool", "CLUSTER", "jenkins-builder"]],
}
# The unit's directory moves to a small file system, and back
SMALL = """sudo sh -ec '
systemctl stop {unit}
cp -a {directory} /root/kept
mount -t tmpfs -o size={size}m,mode=755 tmpfs {directory}
cp -a --sparse=always /root/kept/. {directory}/
chown --reference=/root/kept {directory}
rm -rf /root/kept
systemctl start {unit}'"""
LARGE = """sudo sh -ec '
rm -f {directory}/fill
systemctl stop {unit}
cp -a --sparse=always {directory} /root/kept
umount {directory}
find {directory} -mindepth 1 -delete
cp -a --sparse=always /root/kept/. {directory}/
rm -rf /root/kept
systemctl start {unit}'"""
FILL = "sudo sh -c 'dd if=/dev/zero of={directory}/fill bs=64k {count} 2>/dev/null || test -s {directory}/fill'"
KILL = "sudo systemctl kill --signal=SIGKILL --kill-who=main {unit}"


@pytest.fixture(scope="module")
def cluster(container_image: dict[str, Any]) -> Iterator[Cluster]:
    """The demo topology: three control nodes, one agent for Jenkins masters, one builder; an app runs."""
    with Cluster(labkit.cluster_file("demo", "container", name=NAME)) as made:
        made.marathon("PUT", "/v2/apps/counter", COUNTER)
        yield made


class Disk:
    """The small disk of one service on one node."""

    def __init__(self, cluster: Cluster, node: str, directory: str, unit: str) -> None:
        self.cluster, self.node, self.directory, self.unit = cluster, node, directory, unit

    def sh(self, command: str) -> str:
        """Output of a command on the node."""
        words = {"directory": self.directory, "unit": self.unit, "size": SIZE_MIB}
        return self.cluster.on(self.node, command.format(**words, count="")).strip()

    def fill(self, *, but_mib: int = 0) -> None:
        """Takes what is free, except for so many MiB."""
        free = int(self.sh("df --output=avail -B 65536 {directory} | tail -n 1")) - but_mib * 16
        self.sh(FILL.replace("{count}", f"count={free}" if but_mib else ""))

    def kill(self) -> None:
        """The service dies; systemd starts it again on the disk as it is."""
        before = self.starts()
        self.sh(KILL)
        eventually("systemd starts it again", self.starts, lambda now: now > before)

    def starts(self) -> int:
        """How often systemd started the unit again."""
        return int(self.sh("systemctl show --property=NRestarts --value {unit}"))

    def make_room(self) -> None:
        """What took the space is gone."""
        self.sh("sudo rm {directory}/fill")

    def trouble(self) -> str:
        """As `verify` tells it."""
        return f"{self.directory} has 0 of {SIZE_MIB} MiB free, expected {LEAST_MIB}"


@contextmanager
def small(cluster: Cluster, node: str, directory: str, unit: str) -> Iterator[Disk]:
    """The service has a small disk while the body runs; the cluster is healthy at both ends."""
    disk = Disk(cluster, node, directory, unit)
    disk.sh(SMALL)
    try:
        healthy(cluster)
        yield disk
    finally:
        disk.sh(LARGE)
    healthy(cluster)


def healthy(cluster: Cluster) -> None:
    """Nobody does anything for it."""
    eventually(
        "all is whole again", lambda: cluster.verify("--deep"), lambda report: bool(report["healthy"]), within_s=240
    )


def disks(cluster: Cluster, *options: str) -> dict[str, Any]:
    """The check `disks` of `verify`."""
    report = cluster.verify(*options)
    (check,) = (each for each in report["checks"] if each["name"] == "disks")
    assert report["healthy"] or not all(each["ok"] for each in report["checks"])
    return dict(check)


def node_of(cluster: Cluster, group: str) -> str:
    (name,) = (node["name"] for node in cluster.status()["nodes"] if node["group"] == group)
    return str(name)


def task(cluster: Cluster) -> str:
    """Id of the counter's one running task."""
    (found,) = eventually(
        "the counter runs",
        lambda: cluster.tasks("counter"),
        lambda tasks: [each["state"] for each in tasks] == ["TASK_RUNNING"],
        within_s=240,
    )
    return str(found["id"])


def findings(cluster: Cluster, node: str) -> list[str]:
    """What `repair` finds on a node, and advises."""
    told = as_json(run("repair", cluster.file, "--json"))["findings"]
    return [f"{each['found']}: {each}" for each in told if each["subject"] == node]


def refused(cluster: Cluster, service: str, disk: Disk) -> None:
    """A roll of the service isn't begun."""
    before = cluster.on(disk.node, f"systemctl show --property=ActiveEnterTimestampMonotonic {disk.unit}")
    done = run("restart", cluster.file, service)
    assert (done.returncode, "nothing was touched" in done.stderr) == (1, True), done.stderr
    assert disk.trouble() in done.stderr
    assert cluster.on(disk.node, f"systemctl show --property=ActiveEnterTimestampMonotonic {disk.unit}") == before


def test_a_followers_disk_is_told_before_it_hurts(cluster: Cluster) -> None:
    leader = cluster.status()["leaders"]["zookeeper"]
    follower = next(name for name in (f"{NAME}-control-{n}" for n in (1, 2, 3)) if name != leader)
    with small(cluster, follower, ZOOKEEPER, "zookeeper") as disk:
        disk.fill(but_mib=LEAST_MIB + 1)
        check = disks(cluster)
        assert (check["ok"], f"{follower}" in check["detail"], "low, no fault yet" in check["detail"]) == (True,) * 3, (
            check
        )
        disk.make_room()
        disk.fill()
        check = disks(cluster)
        assert (check["ok"], follower in check["detail"], disk.trouble() in check["detail"]) == (False, True, True), (
            check
        )
        told = cluster.node(follower)
        assert (told["free_mib"], disk.trouble() in told["detail"]) == (0, True), told
        refused(cluster, "zookeeper", disk)
        disk.make_room()
        healthy(cluster)


def test_the_leading_zookeeper_dies_on_a_full_disk_and_comes_back(cluster: Cluster) -> None:
    before = task(cluster)
    leader = cluster.status()["leaders"]["zookeeper"]
    with small(cluster, leader, ZOOKEEPER, "zookeeper"):
        pass  # another one leads since
    leader = cluster.status()["leaders"]["zookeeper"]
    with small(cluster, leader, ZOOKEEPER, "zookeeper") as disk:
        disk.fill()
        disk.kill()
        eventually(
            "another leads",
            lambda: cluster.status()["leaders"]["zookeeper"],
            lambda now: now not in (None, disk.node),
            within_s=180,
        )
        assert any(disk.trouble() in text for text in findings(cluster, disk.node))
        disk.make_room()
        healthy(cluster)
    assert task(cluster) == before


def test_the_leading_master_dies_on_a_full_disk_and_comes_back(cluster: Cluster) -> None:
    before, agents = task(cluster), cluster.agents()
    others = [f"{NAME}-control-{n}" for n in (1, 2, 3)]
    node = next(name for name in others if name != cluster.status()["leaders"]["mesos_master"])
    with small(cluster, node, MESOS, "mesos-master") as disk:
        for other in others:  # it leads when it is the oldest candidate
            if other != node and cluster.status()["leaders"]["mesos_master"] == other:
                labkit.clusterctl("restart", cluster.file, "mesos_master", "--only", other)
        eventually("it leads", lambda: cluster.status()["leaders"]["mesos_master"], node.__eq__)
        disk.fill()
        disk.kill()
        eventually(
            "another leads",
            lambda: cluster.status()["leaders"]["mesos_master"],
            lambda now: now not in (None, node),
            within_s=180,
        )
        assert any(disk.trouble() in text for text in findings(cluster, node))
        refused(cluster, "mesos_master", disk)
        disk.make_room()
        healthy(cluster)
    assert cluster.agents() == agents
    assert task(cluster) == before


def test_the_agent_for_jenkins_masters_is_told_of_by_verify(cluster: Cluster) -> None:
    agents = cluster.agents()
    with small(cluster, node_of(cluster, "jenkins"), MESOS, "mesos-agent") as disk:
        disk.fill()
        check = disks(cluster)
        assert (check["ok"], disk.trouble() in check["detail"]) == (False, True), check
        refused(cluster, "mesos_agent", disk)
        disk.make_room()
        healthy(cluster)
    assert cluster.agents() == agents


def test_a_builder_dies_on_a_full_disk_and_its_task_goes_on(cluster: Cluster) -> None:
    before, agents = task(cluster), cluster.agents()
    with small(cluster, node_of(cluster, "builders"), MESOS, "mesos-agent") as disk:
        disk.fill()
        assert disks(cluster)["ok"], "builders are asked with --deep only"
        check = disks(cluster, "--deep")
        assert (check["ok"], disk.trouble() in check["detail"]) == (False, True), check
        refused(cluster, "mesos_agent", disk)
        disk.kill()
        disk.make_room()
        healthy(cluster)
        assert task(cluster) == before
    assert cluster.agents() == agents
    assert task(cluster) == before
    assert len(set(disk.sh("cat /tmp/counter").split())) == 1, "the counter was started more than once"


# All that Python's tempfile tries: where one of these has room, Ansible's modules run
ONE_DISK = """sudo sh -ec '
mkdir -p /mnt/one && mount -t tmpfs -o size=32m tmpfs /mnt/one
mkdir -m 1777 /mnt/one/tmp /mnt/one/var-tmp && cp -a /root /mnt/one/root && cp -a /home /mnt/one/home
mount --bind /mnt/one/tmp /tmp
mount --bind /mnt/one/var-tmp /var/tmp
mount --bind /mnt/one/root /root
mount --bind /mnt/one/home /home
dd if=/dev/zero of=/tmp/fill bs=64k 2>/dev/null || test -s /tmp/fill'"""
NO_DISK = "sudo umount --lazy /home /root /var/tmp /tmp /mnt/one"


def test_configure_names_the_full_disk_and_not_what_ansible_makes_of_it(cluster: Cluster) -> None:
    node = f"{NAME}-control-1"
    cluster.on(node, ONE_DISK)
    try:
        done = run("configure", cluster.file)
    finally:
        cluster.on(node, NO_DISK)
    assert done.returncode == 1, done.stderr
    assert f"no space on {node}:/tmp (0 of 32 MiB free)" in done.stderr
    assert "deserialization" not in done.stderr
    assert labkit.clusterctl("configure", cluster.file)["changed"] == 0
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
