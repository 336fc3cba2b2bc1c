"""The lab's processes, held together by a control group so that none is ever lost, even after a crash.

The groups are made below the caller's own, in each hierarchy, and noted in the state directory.
"""

import json
import os
import signal
import time
from pathlib import Path

from .settings import LabError, Settings

ROOT = Path("/sys/fs/cgroup")


def enter(lab: Settings) -> list[Path]:
    """Makes the lab's control groups and notes them; returns their directories."""
    groups = []
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
        groups.append(group)
    (lab.state / "cgroups.json").write_text(json.dumps([str(g) for g in groups]))
    return groups


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
        for file in [*group.glob("**/cgroup.procs")]:
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
