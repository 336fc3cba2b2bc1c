"""Runs ON a node, as the first half of ``probe.py``: what the node itself tells. Standard library only."""

from __future__ import annotations

import binascii
import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing takes as long as a probe
    from collections.abc import Callable
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


# Parts of an answer that change by themselves, and that nobody waits for
UNSTEADY = ("uptime_s", "free_mib", "free_inodes", "tasks", "used_resources")
PAUSE_S = 0.25  # between two looks at the node's own services; longer where these are slow


def held(look: Callable[[], Json], hold: Json) -> Json:
    """The answer of ``look``; with ``hold`` (``{"seen": digest, "for_s"}``) not before its digest is another one.

    Or the time is up.
    """
    end = time.monotonic() + (hold["for_s"] if hold else 0.0)
    while True:
        began = time.monotonic()
        answer = look()
        answer["digest"] = digest(answer)
        took = time.monotonic() - began
        if not hold or answer["digest"] != hold["seen"] or began + took >= end:
            return answer
        time.sleep(max(PAUSE_S, 2 * took))


def digest(answer: Json) -> str:
    """Of the parts that don't change by themselves."""
    return f"{binascii.crc32(json.dumps(_steady(answer), sort_keys=True).encode()):08x}"


def _steady(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _steady(each) for key, each in value.items() if key not in UNSTEADY}
    return [_steady(each) for each in value] if isinstance(value, list) else value
