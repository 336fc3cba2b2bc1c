"""What an upgrade wants to know of a node before it touches it; prints one JSON object. Runs as root on the node.

upgrade_facts.py PACKAGE[,PACKAGE...] UNIT[,UNIT...] REFRESH     (REFRESH: 1 to run apt-get update)
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time

RECORDS = "/usr/share/clusterctl/artifacts"
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock")
# where an upgrade writes: the copy of the artifact, the package database, the programs
PLACES = ("/var/cache/clusterctl", "/var/lib/dpkg", "/usr", "/opt")


def output(*command: str) -> str:
    """What a command printed; its failures show in what is missing of it."""
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stdout


def locked() -> str:
    """Who holds dpkg's lock; empty if nobody does. dpkg's locks are POSIX record locks."""
    for path in LOCKS:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return holder(os.fstat(descriptor).st_ino) or "another process"
        finally:
            os.close(descriptor)
    return ""


def holder(inode: int) -> str:
    """The process with a record lock on a file, from /proc/locks."""
    with open("/proc/locks") as locks:  # noqa: PTH123
        for line in locks:
            words = line.split()
            if "POSIX" in words and words[-3].endswith(f":{inode}"):
                pid = words[words.index("POSIX") + 3]
                try:
                    with open(f"/proc/{pid}/comm") as name:  # noqa: PTH123
                        return f"{name.read().strip()} (process {pid})"
                except OSError:
                    return "process " + pid
    return ""


def package(name: str) -> dict[str, object]:
    """Installed version, whether dpkg finished with it, when its files were last changed, and what apt offers."""
    words = output("dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Version}", name).split()
    found: dict[str, object] = {"version": words[1] if len(words) == 2 else "", "whole": words[:1] == ["installed"]}
    for suffix in ("", ":" + output("dpkg", "--print-architecture").strip()):
        try:
            found["since"] = os.stat(f"/var/lib/dpkg/info/{name}{suffix}.list").st_mtime  # noqa: PTH116
        except OSError:
            continue
    for line in output("apt-cache", "policy", name).splitlines():
        key, _, value = line.strip().partition(": ")
        if key == "Candidate":
            found["candidate"] = "" if value == "(none)" else value
    return found


def record(path: str) -> dict[str, object]:
    """What a role wrote after it had installed an artifact: digest and version, and when."""
    with open(path) as file:  # noqa: PTH123
        digest, _, version = file.read().strip().partition(" ")
    return {"sha256": digest, "version": version, "since": os.stat(path).st_mtime}  # noqa: PTH116


def unit(name: str) -> dict[str, object]:
    """Whether a unit is active, and since when (seconds of the epoch)."""
    text = output("systemctl", "show", "--property=ActiveState,ActiveEnterTimestampMonotonic", name)
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    entered = int(values.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
    since = time.time() - time.monotonic() + entered
    return {"active": values.get("ActiveState") == "active", "since": since if entered else 0}


def free_mib(path: str) -> int:
    """Free space for root."""
    status = os.statvfs(path)
    return status.f_bfree * status.f_frsize // 2**20


def main(packages: str, units: str, refresh: str) -> None:
    """See the module."""
    holding = locked()
    error = ""
    if refresh == "1" and not holding:
        done = subprocess.run(["apt-get", "-qq", "update"], capture_output=True, text=True, check=False)
        error = (done.stderr.strip().splitlines() or ["failed"])[0] if done.returncode else ""
    records = os.listdir(RECORDS) if os.path.isdir(RECORDS) else []  # noqa: PTH112, PTH208
    current = "/opt/marathon/current"
    facts = {
        "locked": holding,
        "apt_error": error,
        "broken": [line.split()[0] for line in output("dpkg", "--audit").splitlines() if line.startswith(" ")],
        "free_mib": {place: free_mib(place) for place in PLACES if os.path.isdir(place)},  # noqa: PTH112
        "packages": {name: package(name) for name in packages.split(",") if name},
        "records": {name: record(os.path.join(RECORDS, name)) for name in records},  # noqa: PTH118
        "marathon": os.readlink(current) if os.path.islink(current) else "",  # noqa: PTH114, PTH115
        "units": {name: unit(name) for name in units.split(",") if name},
    }
    print(json.dumps(facts, separators=(",", ":")))


if __name__ == "__main__":
    main(*sys.argv[1:])
