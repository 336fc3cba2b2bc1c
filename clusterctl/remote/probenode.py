"""Runs ON a node, as the first half of ``probe.py``: what the node itself tells. Standard library only."""

from __future__ import annotations

import binascii
import json
import os
import time

NFT = "/usr/sbin/nft"

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing takes as long as a probe
    from collections.abc import Callable
    from typing import Any

    Json = Any


class Unexpected(Exception):
    """A service answered, but not what it should."""


def part(ask: Callable[[], Json]) -> Json:
    """The answer of one part, or why there is none."""
    try:
        return ask()
    except Unexpected as error:
        return {"error": str(error)}
    except Exception as error:  # noqa: BLE001 (this script reports, whatever it is)
        if isinstance(error, OSError):
            return {"error": (error.strerror or str(error)).lower()}
        return {"error": f"{type(error).__name__}: {error}"}


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


def login(path: str) -> list[str]:
    """Headers of HTTP's Basic authentication from a file ``{"principal", "secret", "others"?}``: more than one where
    the service may want another secret still.

    Empty where the file is not there yet: the service's answer tells.
    """
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 (importing pathlib takes time)
            found = json.load(file)
    except FileNotFoundError:
        return []
    pairs = [f"{found['principal']}:{secret}".encode() for secret in (found["secret"], *found.get("others", []))]
    return ["Authorization: Basic " + binascii.b2a_base64(pair, newline=False).decode() for pair in pairs]


def unit_states(units: list[str]) -> Json:
    """``systemctl is-active``: one word a line, in order."""
    _, text = _said(["systemctl", "is-active", *units])
    return dict(zip(units, text.split("\n")))  # noqa: B905 (Python 3.8)


def confinement(request: Json) -> Json:
    """What of ``{"rules": path of their record or null, "units": [...]}`` is there; asked as root."""
    found: Json = {"units": hardening(request["units"])}
    if request["rules"]:
        found["rules"] = rules(request["rules"], request["confine"])
    return found


def rules(record: str, confine: str) -> str:
    """The rules for tenants' users: ``loaded``, ``missing``, ``changed`` since they were, or ``stale``: ``confine`` is
    newer. The record is what nft showed when they were loaded; agents that an older release configured have none.
    """
    if not os.path.exists(NFT):  # noqa: PTH110
        return "missing"  # of an image from before there were any
    status, now = _said([NFT, "-s", "list", "table", "inet", "clusterctl"])
    if status or "jump tenants" not in now:
        return "missing"
    try:
        with open(record, encoding="utf-8") as file:  # noqa: PTH123 (importing pathlib takes time)
            then = file.read()
        newer = os.stat(confine).st_mtime > os.stat(record).st_mtime  # noqa: PTH116
    except FileNotFoundError:
        return "loaded"
    if then != now:
        return "changed"
    return "stale" if newer else "loaded"


def hardening(units: list[str]) -> Json:
    """How the processes of those units that run are held, as the kernel tells: what a unit says may have no effect."""
    _, text = _said(["systemctl", "show", "--property=MainPID", *units])
    pids = [line.partition("=")[2] for line in text.split("\n") if line]
    here = os.readlink("/proc/1/ns/mnt")  # noqa: PTH115
    found = {}
    for unit, pid in zip(units, pids):  # noqa: B905 (Python 3.8)
        if pid == "0":
            continue
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:  # noqa: PTH123
            status = dict(line.split(":", 1) for line in file if ":" in line)
        found[unit] = {
            "no_new_privileges": status["NoNewPrivs"].strip() == "1",
            "filtered": status["Seccomp"].strip() == "2",
            "own_mounts": os.readlink(f"/proc/{pid}/ns/mnt") != here,  # noqa: PTH115
        }
    return found


def _said(words: list[str]) -> tuple[int, str]:
    """Exit code and output of a program; ``subprocess`` takes long to import."""
    read, write = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, write, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_CLOSE, read),
    ]
    child = os.posix_spawnp(words[0], words, dict(os.environ), file_actions=actions)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    return os.waitpid(child, 0)[1], text


# Parts of an answer that change by themselves, and that nobody waits for
UNSTEADY = ("clock", "uptime_s", "free_mib", "free_inodes", "tasks", "used_resources")
PAUSE_S = 0.25  # between two looks at the node's own services; longer where these are slow


def held(look: Callable[[], Json], hold: Json) -> Json:
    """The answer of ``look``; with ``hold`` (``{"seen": digest, "for_s"}``) not before its digest is another one.

    Or the time is up. ``clock``: when the last look began and ended, by the clock that the node's services see.
    """
    end = time.monotonic() + (hold["for_s"] if hold else 0.0)
    while True:
        began, clock = time.monotonic(), time.time()
        answer = look()
        answer["clock"] = {"began_s": clock, "ended_s": time.time()}
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
