"""The script that mounts a data volume, run over made-up disks: which it takes, and that file systems grow."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from clusterctl.paths import roles_dir
from clusterctl.render.templates import render_files

SERIAL = "0a1b2c3d-0000-4000-8"
UUID = "0a1b2c3d-0000-4000-8000-000000000001"


@dataclass
class Machine:
    """Devices, links and kernel attributes in a directory; the tools write down how they were called."""

    root: Path

    def disk(self, name: str) -> Path:
        path = self.root / "dev" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    def link(self, name: str, to: Path) -> None:
        path = self.root / "dev/disk/by-id" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(to)

    def attribute(self, path: str, content: bytes) -> None:
        file = self.root / "sys/block" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def run(self, *, mounted: bool = False, grows: bool = True) -> subprocess.CompletedProcess[str]:
        variables = {"common_volume_serial": SERIAL, "common_volume_mount": "/srv/x", "common_volume_wait_s": 0}
        [file] = [f for f in render_files(roles_dir(), ["common"], variables) if f.path.endswith("/volume")]
        script = file.content.replace("/dev/", f"{self.root}/dev/").replace("/sys/", f"{self.root}/sys/")
        # files stand for block devices
        script = script.replace('[ ! -b "$link" ]', '[ ! -e "$link" ]')
        tools = self.root / "bin"
        tools.mkdir(exist_ok=True)
        for name in ("mountpoint", "wipefs", "mkfs.ext4", "mkdir", "mount", "systemd-tmpfiles", "resize2fs"):
            fails = (name == "mountpoint" and not mounted) or (name == "resize2fs" and not grows)
            tool = tools / name
            tool.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.root}/calls\nexit {int(fails)}\n')
            tool.chmod(0o755)
        environ = {"PATH": f"{tools}:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", "-c", script], env=environ, capture_output=True, text=True, check=False, timeout=30
        )

    @property
    def calls(self) -> str:
        return (self.root / "calls").read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "sys/block").mkdir(parents=True)
    found = Machine(tmp_path)
    found.link("virtio-ffffffff-0000-4000-8", found.disk("vdz"))  # another volume
    found.attribute("vda/serial", b"")
    return found


@pytest.mark.parametrize(
    "name",
    [
        f"virtio-{SERIAL}",
        f"scsi-0QEMU_QEMU_HARDDISK_{SERIAL}",
        f"scsi-0QEMU_QEMU_HARDDISK_{UUID}",
        f"scsi-SQEMU_QEMU_HARDDISK_{UUID}",
        f"ata-QEMU_HARDDISK_{SERIAL}",
        f"usb-QEMU_QEMU_HARDDISK_{UUID}-0:0",
    ],
)
def test_the_disk_is_found_on_every_bus_of_nova(machine: Machine, name: str) -> None:
    disk = machine.disk("disk")
    machine.link(name, disk)
    machine.link(f"{name}-part1", machine.disk("disk1"))
    result = machine.run()
    assert result.returncode == 0, result.stderr
    assert f"mount -t ext4 -o noatime,errors=remount-ro {disk} /srv/x" in machine.calls


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("vdb/serial", SERIAL.encode()),
        ("vdb/device/vpd_pg80", b"\x00\x80\x00\x24" + UUID.encode()),
        ("vdb/device/serial", f"{SERIAL}\n".encode()),
    ],
)
def test_where_udev_leaves_the_serial_out_the_kernel_tells_it(machine: Machine, path: str, content: bytes) -> None:
    disk = machine.disk("vdb")
    machine.attribute(path, content)
    result = machine.run()
    assert result.returncode == 0, result.stderr
    assert f"mount -t ext4 -o noatime,errors=remount-ro {disk} /srv/x" in machine.calls


def test_two_links_to_one_disk_are_one(machine: Machine) -> None:
    machine.link(f"virtio-{SERIAL}", machine.disk("vdb"))
    machine.link(f"scsi-0QEMU_{SERIAL}", machine.disk("vdb"))
    assert machine.run().returncode == 0


def test_no_disk_and_several_disks(machine: Machine) -> None:
    assert f"no disk with serial number {SERIAL} appeared in 0 s" in machine.run().stderr
    machine.link(f"virtio-{SERIAL}", machine.disk("vdb"))
    machine.link(f"scsi-0QEMU_{SERIAL}", machine.disk("sda"))
    result = machine.run()
    assert result.returncode == 1
    assert "several disks" in result.stderr


@pytest.mark.parametrize("mounted", [False, True])
def test_the_file_system_grows_to_its_disk(machine: Machine, mounted: bool) -> None:
    disk = machine.disk("vdb")
    machine.link(f"virtio-{SERIAL}", disk)
    assert machine.run(mounted=mounted).returncode == 0
    assert machine.calls.splitlines()[-1] == f"resize2fs {disk}"
    assert ("mount -t" in machine.calls) is not mounted


def test_a_file_system_that_can_not_grow_serves_all_the_same(machine: Machine) -> None:
    machine.link(f"virtio-{SERIAL}", machine.disk("vdb"))
    result = machine.run(grows=False)
    assert result.returncode == 0
    assert "did not grow" in result.stderr
