"""Runs ON an agent for Jenkins masters, as root: writes out what is cached, mounts a copy of a volume, unmounts it.

Self-contained, standard library only. The request is one line of JSON on standard input (``standardinput.py``):
``{"action": "flush", "mount"}``, ``{"action": "mount", "serial", "wait_s"}`` or ``{"action": "unmount"}``. Prints
``{"answer": ...}``, or ``{"error": text}``. The copy is mounted at ``COPY``, one at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = Any

COPY = "/run/clusterctl/volume-copy"
BY_ID = Path("/dev/disk/by-id")
BLOCKS = Path("/sys/block")


class VolumeError(Exception):
    """Why an action was refused."""


def flush(request: Json) -> Json:
    """Writes the file system of ``mount`` out: a snapshot of its disk then has all that was written before."""
    if not os.path.ismount(request["mount"]):
        raise VolumeError(f"the volume is not mounted at {request['mount']}")
    command("sync", "--file-system", request["mount"])
    return None


def mount(request: Json) -> Json:
    """Mounts the disk with that serial number read-only, once it is there; the place.

    A file system that was in use when its disk was copied replays its journal first, which writes to the copy.
    """
    if os.path.ismount(COPY):
        raise VolumeError(f"{COPY} is in use")
    deadline = time.monotonic() + request["wait_s"]
    while not (device := disk(request["serial"])):
        if time.monotonic() >= deadline:
            raise VolumeError(f"no disk with serial number {request['serial']} appeared in {request['wait_s']} s")
        time.sleep(1)
    Path(COPY).mkdir(mode=0o700, parents=True, exist_ok=True)
    command("mount", "-t", "ext4", "-o", "ro,nosuid,nodev,noexec", device, COPY)
    return COPY


def unmount(_request: Json) -> Json:
    """Undoes ``mount``; where nothing is mounted it has nothing to do."""
    if os.path.ismount(COPY):
        command("umount", COPY)
    return None


def disk(serial: str) -> str | None:
    """The disk of a serial number, on whatever bus: by udev's links, or as the kernel tells (see ``volume.j2``)."""
    for link in sorted(BY_ID.glob(f"*{serial}*")):
        if "-part" not in link.name:
            return str(link.resolve())
    for block in sorted(BLOCKS.iterdir()):
        for file in (block / "serial", block / "device/serial", block / "device/vpd_pg80"):
            try:
                found = file.read_bytes()
            except OSError:  # this bus has no such file
                continue
            if serial.encode() in found.replace(b"\0", b""):
                return f"/dev/{block.name}"
    return None


def command(*words: str) -> None:
    """Raises VolumeError with what the program said."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise VolumeError(f"{words[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def run(request: Json) -> Json:
    """The whole answer to a request."""
    try:
        return {"answer": {"flush": flush, "mount": mount, "unmount": unmount}[request["action"]](request)}
    except VolumeError as error:
        return {"error": str(error)}
    except OSError as error:
        return {"error": f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(json.loads(sys.stdin.buffer.readline()))) + "\n")
