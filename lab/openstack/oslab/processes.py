"""The lab's processes, held together by a control group so that none is ever lost, even after a crash.

The groups are made below the caller's own, in each hierarchy, and noted in the state directory.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from .settings import LabError, Settings

ROOT = Path("/sys/fs/cgroup")

# Of the processors, sixteen times the usual (v1, v2): by default a whole cloud with its servers weighs as much as one
# process beside it, and starves
_SHARES = {"cpu.shares": "16384", "cpu.weight": "1600"}


def make_groups(lab: Settings) -> None:
    """Makes the lab's control groups and notes them."""
    made = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        hierarchy = ROOT / (controllers.removeprefix("name=") or "unified")
        if not hierarchy.is_dir():
            continue
        group = hierarchy / own.lstrip("/") / lab.name
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new v1 group, and nothing may enter before
            if (group / setting).exists():
                (group / setting).write_text((group.parent / setting).read_text())
        if (group / "cgroup.clone_children").exists():
            (group / "cgroup.clone_children").write_text("1")
        for setting, value in _SHARES.items():
            if (group / setting).exists():
                (group / setting).write_text(value)
        made.append(str(group))
    (lab.state / "cgroups.json").write_text(json.dumps(made))


def spawn(lab: Settings, argv: Sequence[str | os.PathLike[str]], log: Path, **env: str) -> int:
    """Starts a process of the lab that outlives us, in the noted control groups; returns its process id."""
    enter_and_run = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"'
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["sh", "-c", enter_and_run, "sh", *groups(lab), "--", *argv],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env=os.environ | env,
        )
    return process.pid


def groups(lab: Settings) -> list[Path]:
    """The control groups that the lab was last started in."""
    try:
        return [Path(name) for name in json.loads((lab.state / "cgroups.json").read_text())]
    except FileNotFoundError:
        return []


def members(lab: Settings) -> set[int]:
    """Process ids of all that runs in the lab."""
    found: set[int] = set()
    for group in groups(lab):
        for file in group.glob("**/cgroup.procs"):
            try:
                found.update(map(int, file.read_text().split()))
            except OSError:  # the group went meanwhile
                continue
    return found


def kill(lab: Settings, deadline_s: float = 30) -> None:
    """Ends every process of the lab and removes its control groups. Idempotent.

    Raises LabError if processes are left at the deadline.
    """
    end = time.monotonic() + deadline_s
    while left := members(lab):
        if time.monotonic() > end:
            raise LabError(f"processes of the lab do not end: {sorted(left)}")
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.2)
    for group in groups(lab):
        for path in sorted([p for p in group.glob("**/") if p.is_dir()], key=lambda p: -len(p.parts)):
            path.rmdir()
    (lab.state / "cgroups.json").unlink(missing_ok=True)
