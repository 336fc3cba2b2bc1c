"""Runs ON a node, as the first half of ``probe.py``: what the node itself tells. Standard library only."""

from __future__ import annotations

import binascii
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing takes as long as a probe
    from typing import Any

    Json = Any


def disks(paths: list[str]) -> Json:
    """The file systems of those directories that exist, each once."""
    found: dict[int, Json] = {}
    for path in paths:
        try:
            device, space = os.stat(path).st_dev, os.statvfs(path)  # noqa: PTH116 (importing pathlib takes time)
        except OSError:
            continue
        unit = space.f_frsize
        found.setdefault(
            device,
            {
                "path": path,
                "free_mib": space.f_bavail * unit // 2**20,
                "size_mib": space.f_blocks * unit // 2**20,
                "free_inodes": space.f_favail,
                "inodes": space.f_files,
            },
        )
    return list(found.values())


def boot(path: str) -> Json:
    """The file in which the post-install script keeps how far it is."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 (importing pathlib takes time)
        return json.load(file)


def login(path: str) -> str:
    """The header of HTTP's Basic authentication from a file ``{"principal", "secret"}``.

    Empty where the file is not there yet: the service's answer tells.
    """
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 (importing pathlib takes time)
            found = json.load(file)
    except FileNotFoundError:
        return ""
    words = f"{found['principal']}:{found['secret']}".encode()
    return "Authorization: Basic " + binascii.b2a_base64(words, newline=False).decode()


def unit_states(units: list[str]) -> Json:
    """``systemctl is-active``: one word a line, in order."""
    read, write = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, write, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_CLOSE, read),
    ]
    child = os.posix_spawnp("systemctl", ["systemctl", "is-active", *units], dict(os.environ), file_actions=actions)
    os.close(write)
    with os.fdopen(read) as pipe:
        words = pipe.read().split("\n")
    os.waitpid(child, 0)
    return dict(zip(units, words))  # noqa: B905 (Python 3.8)
