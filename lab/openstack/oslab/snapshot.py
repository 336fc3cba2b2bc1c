"""A filled lab kept in the cache: a new lab begins as a copy of it, without databases to make or images to upload.

It is taken while the lab runs, right after it was filled for the first time and before anyone used it, so it is what a
power cut would leave: the same that a start after a crash must cope with.
"""

import shutil
from pathlib import Path

from . import cache, config, container
from .settings import Settings
from .shell import run

FILES = ["upper", "id_ed25519", "id_ed25519.pub", "data.xfs"]
"""What makes a lab, in the order of its restoration: data.xfs, which tells a whole lab from half a one, comes last."""
TRANSIENT = ["var/log", "var/lib/rabbitmq", "run", "tmp", "var/tmp"]
"""What is not kept of the container's layer: logs, and queues that nobody needs after a start."""


def place(lab: Settings, base: Path, images: Path, kvm: bool) -> Path:
    """Where the snapshot for these inputs is, or would be."""
    values = config.values_of(lab, kvm, images.name)
    return lab.cache / f"lab-filled-{cache.digest([config.CONFIG], f'{base} {values}')}"


def restore(lab: Settings, source: Path) -> None:
    """Begins a lab that has no data yet from the snapshot."""
    lab.state.mkdir(parents=True, exist_ok=True)
    partial = lab.state / "restore.partial"
    shutil.rmtree(partial, ignore_errors=True)
    run("cp", "-a", "--sparse=always", source, partial)
    for name in FILES:
        run("rm", "-rf", lab.state / name)
        (partial / name).rename(lab.state / name)
    partial.rmdir()


def take(lab: Settings, target: Path) -> None:
    """Keeps the running lab as the snapshot. The data file system stands still meanwhile, for some seconds."""
    partial = target.with_suffix(".partial")
    cache.prune(lab.cache, "lab-filled")
    partial.mkdir(mode=0o700)  # it holds a private key
    run(*container.enter(lab), "mysql", "-e", "FLUSH LOGS")
    run("xfs_freeze", "-f", lab.data)
    try:
        for name in FILES:
            run("cp", "-a", "--sparse=always", lab.state / name, partial / name)
    finally:
        run("xfs_freeze", "-u", lab.data)
    for name in TRANSIENT:
        shutil.rmtree(partial / "upper" / name, ignore_errors=True)
    partial.rename(target)
