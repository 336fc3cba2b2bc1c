"""The script that flushes a volume and mounts a copy of one, with mount(8) replaced."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clusterctl.remote import jenkinsvolume as script
from clusterctl.remote.standardinput import sent

SERIAL = "0a1b2c3d-0a1b-0a1b-0"


class Node:
    """Disks, mounts and programs of a node."""

    def __init__(self, root: Path) -> None:
        self.by_id, self.blocks, self.copy = root / "by-id", root / "block", root / "copy"
        self.by_id.mkdir()
        self.blocks.mkdir()
        self.mounted: set[str] = set()
        self.ran: list[list[str]] = []
        self.fails = ""

    def call(self, words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.ran.append(list(words))
        if words[0] == self.fails:
            return subprocess.CompletedProcess(words, 32, "", "wrong fs type\n")
        if words[0] == "mount":
            self.mounted.add(words[-1])
        if words[0] == "umount":
            self.mounted.discard(words[-1])
        return subprocess.CompletedProcess(words, 0, "", "")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(tmp_path)
    monkeypatch.setattr(script, "BY_ID", made.by_id)
    monkeypatch.setattr(script, "BLOCKS", made.blocks)
    monkeypatch.setattr(script, "COPY", str(made.copy))
    monkeypatch.setattr(subprocess, "run", lambda words, **more: made.call(list(words), **more))
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) in made.mounted)
    return made


def test_flush(node: Node) -> None:
    assert script.run({"action": "flush", "mount": "/srv"}) == {"error": "the volume is not mounted at /srv"}
    node.mounted.add("/srv")
    assert script.run({"action": "flush", "mount": "/srv"}) == {"answer": None}
    assert node.ran == [["sync", "--file-system", "/srv"]]


@pytest.mark.parametrize("bus", ["udev", "serial", "device/serial", "device/vpd_pg80"])
def test_a_disk_is_found_on_any_bus_and_mounted_read_only(node: Node, bus: str) -> None:
    if bus == "udev":
        (node.by_id / "vdb").touch()
        (node.by_id / f"virtio-{SERIAL}").symlink_to(node.by_id / "vdb")
        (node.by_id / f"virtio-{SERIAL}-part1").symlink_to(node.by_id / "vdb1")
        device = str(node.by_id / "vdb")
    else:
        file = node.blocks / "sdb" / bus
        file.parent.mkdir(parents=True)
        file.write_bytes(b"\0\0" + SERIAL.encode() + b"\n")
        (node.blocks / "sda").mkdir()
        device = "/dev/sdb"
    assert script.run({"action": "mount", "serial": SERIAL, "wait_s": 5}) == {"answer": str(node.copy)}
    [words] = node.ran
    assert (words[0], words[-2:]) == ("mount", [device, str(node.copy)])
    assert "ro" in words[words.index("-o") + 1].split(",")
    assert script.run({"action": "mount", "serial": SERIAL, "wait_s": 5}) == {"error": f"{node.copy} is in use"}
    assert script.run({"action": "unmount"}) == {"answer": None}
    assert script.run({"action": "unmount"}) == {"answer": None}
    assert [words[0] for words in node.ran] == ["mount", "umount"]


def test_what_fails_is_told(node: Node) -> None:
    found = script.run({"action": "mount", "serial": SERIAL, "wait_s": 0})
    assert found == {"error": f"no disk with serial number {SERIAL} appeared in 0 s"}
    (node.by_id / f"virtio-{SERIAL}").touch()
    node.fails = "mount"
    assert script.run({"action": "mount", "serial": SERIAL, "wait_s": 0}) == {"error": "mount: wrong fs type"}


def test_it_runs_as_it_is_sent() -> None:
    script_sent = sent("jenkinsvolume.py", {"action": "flush", "mount": "/proc/none"})
    done = subprocess.run(script_sent.command, input=script_sent.stdin, capture_output=True, check=True)
    assert json.loads(done.stdout) == {"error": "the volume is not mounted at /proc/none"}
