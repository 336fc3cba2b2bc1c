"""The lab's mounts: the container's root and its data.

The root is an overlay of the cached tree and the lab's own layer. Databases, images, disks and volumes lie on an XFS
file system in a sparse file: there a server's disk is a reflink of its image, made in no time and sharing its blocks.
"""

import json
import os
import shutil
from pathlib import Path

from .settings import LabError, Settings
from .shell import run, succeeds

DATA = {"mysql": "/var/lib/mysql", "nova": "/var/lib/nova", "glance": "/var/lib/glance", "cinder": "/srv/cinder"}
"""Directory of the data file system -> where the container sees it."""

DATA_SIZE = "100G"


def mount(lab: Settings, base: Path) -> Path:
    """Mounts the data and the root, and returns the tree under the root. Idempotent.

    That is `base` for a new lab; a lab that exists stays on the tree that it was made from, since its own layer fits no
    other. Raises LabError if that tree is gone.
    """
    note = lab.state / "base"
    if note.exists():
        base = Path(note.read_text())
    if not base.is_dir():
        raise LabError(f"the tree this lab was made from is gone ({base}): lab/lab destroy, then lab/lab up")
    lab.state.mkdir(parents=True, exist_ok=True)
    note.write_text(str(base))
    image = lab.state / "data.xfs"
    for directory in (lab.data, lab.rootfs, lab.state / "upper", lab.state / "work"):
        directory.mkdir(parents=True, exist_ok=True)
    if not image.exists():
        partial = image.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        run("truncate", "-s", DATA_SIZE, partial)
        run("mkfs.xfs", "-q", partial)
        partial.rename(image)
    if not is_mounted(lab.data):
        run("mount", "-o", "loop,discard", image, lab.data)
    for name, place in DATA.items():
        if not (lab.data / name).exists():
            partial = lab.data / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            source = base / place.lstrip("/")
            if source.exists():
                run("cp", "-a", source, partial)
            else:
                partial.mkdir(mode=0o777)
                partial.chmod(0o777)
            partial.rename(lab.data / name)
    if not is_mounted(lab.rootfs):
        layers = f"lowerdir={base},upperdir={lab.state / 'upper'},workdir={lab.state / 'work'}"
        run("mount", "-t", "overlay", "overlay", "-o", layers, lab.rootfs)
    return base


def thaw(lab: Settings) -> None:
    """Undoes a freeze that a killed process left (see snapshot.py): whoever writes would wait for ever."""
    if is_mounted(lab.data):
        succeeds("xfs_freeze", "-u", lab.data)


def unmount(lab: Settings) -> None:
    """Idempotent."""
    for place in (lab.rootfs, lab.data):
        while is_mounted(place):
            run("umount", place)


def is_mounted(place: Path) -> bool:
    return succeeds("mountpoint", "-q", place)


def free_loops(lab: Settings) -> None:
    """Frees loop devices of the lab that a crash left behind.

    Nova's own are not released by the kernel when their mount goes. They are told by the device number of the data
    file system, so that no other's are touched; call it while that is mounted and no process of the lab is left.
    """
    device = lab.data.stat().st_dev
    table = run("losetup", "--list", "--json", "--output", "NAME,BACK-MAJ:MIN")
    for loop in json.loads(table)["loopdevices"] if table else []:
        major, minor = loop["back-maj:min"].split(":")
        if os.makedev(int(major), int(minor)) == device:
            run("losetup", "--detach", loop["name"])
