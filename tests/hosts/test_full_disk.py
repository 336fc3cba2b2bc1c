"""A disk that fills up under each service: told before, told as the reason, and healed when there is room again.

The services' directories are small file systems in memory, so that nothing else on the machine is filled.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from clusterctl.ansible.playbook import PlaybookError
from clusterctl.health.disks import disk_trouble
from clusterctl.health.expect import Node
from clusterctl.health.facts import DiskFacts, NodeFacts
from clusterctl.ops.day2.hosts import AnsibleHosts
from clusterctl.ops.kit.progress import Progress
from clusterctl.remote.prober import probe_request, probe_script
from clusterctl.remote.standardinput import sent
from clusterctl.render.userdata import user_data
from clusterctl.ssh.console import BootState
from lab.hosts import nodes as test_nodes
from tests.contract.mesos.cluster import wait_for

from .conftest import LABHOST, NONCE, ROOT, Booted, Lab

pytestmark = [pytest.mark.hosts, pytest.mark.operate]

# Directory of a service -> its unit; MiB of its file system
SERVICES = {
    "control": [
        ("/var/lib/zookeeper", "zookeeper"),
        ("/var/lib/mesos", "mesos-master"),
        ("/var/lib/marathon", "marathon"),
    ],
    "builders": [("/var/lib/mesos", "mesos-agent")],
}
SIZE_MIB = 192


class Small:
    """A control node and a builder whose services have small disks."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.cluster = test_nodes.cluster(ROOT / "molecule" / "shared" / "one.yml")
        self.control, _, self.builder = self.cluster.nodes
        self.nodes = {"control": self.control, "builders": self.builder}

    def boot(self) -> None:
        for node in self.nodes.values():
            data = user_data(node.services, self.cluster.all_variables(node), "embedded", NONCE)
            self.lab.boot(node.name, node.address, data)
        reports = self.lab.reports([node.name for node in self.nodes.values()])
        assert {report.state for report in reports.values()} == {BootState.DONE}, reports
        for group, services in SERVICES.items():
            for directory, unit in services:
                self.sh(group, MOVE.format(unit=unit, directory=directory, size=SIZE_MIB))

    def sh(self, group: str, command: str) -> str:
        done = self.lab.run(self.nodes[group].name, "sh", "-ec", command)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def facts(self, group: str) -> NodeFacts:
        node = self.nodes[group]
        asked = Node(node.name, "id", node.group, node.address, node.services)
        answer = self.send(group, ["python3", "-I", "-S", "-", json.dumps(probe_request(asked))], probe_script())
        return NodeFacts.model_validate_json(answer)

    def send(self, group: str, argv: Sequence[str], stdin: bytes) -> bytes:
        words = [LABHOST, "sh", self.lab.name, self.nodes[group].name, *argv]
        done = subprocess.run(words, input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def disks(self, names: Collection[str]) -> Mapping[str, Sequence[DiskFacts]]:
        return {node.name: self.facts(group).disks for group, node in self.nodes.items() if node.name in names}

    def serve(self) -> bool:
        seen = self.facts("control")
        return bool(
            seen.zookeeper
            and seen.zookeeper.state == "leader"
            and seen.mesos_master
            and seen.mesos_master.elected
            and [agent.active for agent in seen.mesos_master.agents or ()] == [True]
            and seen.marathon
            and seen.marathon.framework_id
        )

    def restarts(self, group: str, unit: str) -> int:
        return int(self.sh(group, f"systemctl show --property=NRestarts --value {unit}"))


MOVE = """
systemctl stop {unit}
cp -a {directory} /root/kept
mount -t tmpfs -o size={size}m,mode=755 tmpfs {directory}
cp -a /root/kept/. {directory}/
chown --reference=/root/kept {directory}
rm -rf /root/kept
systemctl start {unit}
"""
FILL = "dd if=/dev/zero of={directory}/fill bs=64k 2>/dev/null || test -s {directory}/fill"


@pytest.fixture(scope="module")
def small(new_lab: Callable[[str], Lab]) -> Small:
    made = Small(new_lab("fulldisk"))
    made.boot()
    wait_for("a healthy cluster", made.serve, 180)
    return made


@pytest.mark.parametrize(
    ("group", "directory", "unit"), [(g, *each) for g, found in SERVICES.items() for each in found]
)
def test_a_full_disk_is_told_and_heals_by_itself(small: Small, group: str, directory: str, unit: str) -> None:
    """The service is started again and again on a full disk, as a crash there would have it."""
    small.sh(group, FILL.format(directory=directory))
    told = [trouble for disk in small.facts(group).disks if (trouble := disk_trouble(disk))]
    if unit != "marathon":  # keeps nothing there but its working directory
        assert told == [f"{directory} has 0 of {SIZE_MIB} MiB free, expected {SIZE_MIB // 8}"]
    before = small.restarts(group, unit)
    small.sh(group, f"systemctl kill --signal=SIGKILL --kill-who=main {unit}")
    wait_for("systemd to start it again", lambda: small.restarts(group, unit) > before, 60)
    if unit == "zookeeper":
        small.sh(group, WRITE.format(address=small.control.address))
    small.sh(group, f"rm {directory}/fill")
    try:
        wait_for("a healthy cluster", small.serve, 180)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{small.sh(group, f'journalctl --no-pager -n 60 -u {unit}')}") from None


# Fills the rest of what ZooKeeper has set aside for its log, until it ends, or refuses
WRITE = """
/usr/bin/python3 - <<'END'
from kazoo.client import KazooClient
client = KazooClient('{address}:2181', timeout=5)
try:
    client.start(15)
    for number in range(400):
        client.create('/full-', b'x' * 1000000, sequence=True)
    raise SystemExit('400 MB fitted')
except Exception as error:
    print(type(error).__name__)
END
"""


def test_a_log_without_its_header_does_not_keep_zookeeper_down(small: Small) -> None:
    log = "/var/lib/zookeeper/version-2/log.ff00000001"
    small.sh("control", f"systemctl stop zookeeper && install -o zookeeper -g zookeeper /dev/null {log}")
    small.sh("control", "systemctl start zookeeper")
    wait_for("a healthy cluster", small.serve, 180)
    assert small.sh("control", f"test ! -s {log} && echo gone") == "gone"


# All that Python's tempfile tries: where one of these has room, Ansible's modules run
ONE_FULL_DISK = """
mkdir -p /mnt/one && mount -t tmpfs -o size=32m tmpfs /mnt/one
mkdir -m 1777 /mnt/one/tmp /mnt/one/var-tmp && cp -a /root /mnt/one/root
mount --bind /mnt/one/tmp /tmp
mount --bind /mnt/one/var-tmp /var/tmp
mount --bind /mnt/one/root /root
"""


def test_ansibles_failure_names_the_full_disk(small: Small) -> None:
    """Ansible can't write its module there, and says something else."""
    written = Booted(replace(small.cluster, nodes=(small.control, small.builder)), small.lab).inventory.read_text()
    every = json.loads(written)["all"]
    groups = {name: {**group, "hosts": [*group["hosts"]]} for name, group in every["children"].items()}
    inventory = {"_meta": {"hostvars": every["hosts"]}, "all": {"vars": every["vars"]}, **groups}
    hosts = AnsibleHosts(inventory, ROOT, Progress(), small.disks)
    small.sh("control", f"{ONE_FULL_DISK}{FILL.format(directory='/tmp')}")
    try:
        with pytest.raises(PlaybookError) as caught:
            hosts.run("restart", [small.control.name], {"roll_unit": "zookeeper.service"})
    finally:
        # what the connection of Ansible has open there goes with it
        small.sh("control", "umount --lazy /root /var/tmp /tmp /mnt/one")
    assert f"no space on {small.control.name}:/tmp (0 of 32 MiB free)" in caught.value.message
    assert "deserialization" not in caught.value.message


def test_files_with_secrets_name_the_full_disk(small: Small) -> None:
    small.sh(
        "control", f"mkdir -p /mnt/s && mount -t tmpfs -o size=1m tmpfs /mnt/s && {FILL.format(directory='/mnt/s')}"
    )
    file: dict[str, Any] = {
        "path": "/mnt/s/secret",
        "text": "x" * 9000,
        "owner": "root",
        "group": "root",
        "mode": 0o600,
    }
    script = sent("place.py", {"files": [file]})
    answer = json.loads(small.send("control", script.command, script.stdin))
    assert answer == {"error": "OSError: [Errno 28] No space left on device: '/mnt/s/secret'"}
    assert small.sh("control", "ls -A /mnt/s; umount /mnt/s") == "fill"


def test_the_journal_is_bounded(small: Small) -> None:
    told = small.sh("control", "systemd-analyze cat-config systemd/journald.conf")
    assert "SystemMaxUse=512M" in told.splitlines()
    said = "journalctl --no-pager -b -u systemd-journald --output=cat"
    assert "max 512.0M" in small.sh("control", said)
