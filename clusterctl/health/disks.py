"""Disks: space and inodes, before ZooKeeper and the masters' log meet a full one: both end, files may break."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from clusterctl.health.check import Check, check, listed
from clusterctl.health.expect import Expected
from clusterctl.health.facts import DiskFacts, NodeFacts

NAME = "disks"
# A snapshot of ZooKeeper, a log of Mesos and an upgrade's package fit into this; the rest is for a person's reaction
LEAST_MIB = 256
LEAST_OF_SMALL = 8  # a file system of less than eight times that must have an eighth of its size free
LEAST_INODES = 0.02  # of all
# Said before it is a fault
LOW_MIB = 1024
LOW = 0.1  # of space and of inodes
# Where nothing can be done any more: a module of Ansible's, a file of a service don't fit
NOTHING_MIB = 8
NOTHING_INODES = 0.001
ROOM_HERE = (
    "Make room (`df -h; df -i`), or let TMPDIR, XDG_CACHE_HOME or XDG_STATE_HOME name places that have it. "
    "The same command goes on."
)

# ENOSPC and EDQUOT in the words of libc, and what Ansible says where it can't write a module and run it
_WORDS = re.compile(r"no space left on device|disk quota exceeded|\b(?:ENOSPC|EDQUOT)\b|\[Errno (?:28|122)\]", re.I)
_SYMPTOMS = re.compile(
    r"Module result deserialization failed|No start of json char found|MODULE FAILURE|"
    r"Failed to create temporary directory|failed to transfer file"
)


def disk_checks(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[Check]:
    """The check ``disks`` of the nodes that were asked; none where nobody tells."""
    told = [
        (node, disk)
        for node in (*expect.control, *expect.agents)
        for disk in (facts[node.name].disks if node.name in facts else ())
    ]
    if not told:
        return []
    problems = [f"{node}: {trouble}" for node, disk in told if (trouble := disk_trouble(disk))]
    low = [f"{node}: {text}" for node, disk in told if (text := disk_low(disk))]
    tightest = min(told, key=lambda each: each[1].free_mib)
    good = f"{tightest[1].free_mib} MiB or more are free ({tightest[0].name}, {tightest[1].path})"
    return [check(NAME, problems, f"low, no fault yet: {listed(low)}" if low else good)]


def disk_trouble(disk: DiskFacts) -> str | None:
    """What is too little; None where there is enough. A file system without inodes of its own reports none."""
    least = min(LEAST_MIB, disk.size_mib // LEAST_OF_SMALL)
    if disk.free_mib < least:
        return f"{disk.path} has {disk.free_mib} of {disk.size_mib} MiB free, expected {least}"
    if disk.inodes and disk.free_inodes < disk.inodes * LEAST_INODES:
        return f"{disk.path} has {disk.free_inodes} of {disk.inodes} inodes free, expected {LEAST_INODES:.0%}"
    return None


def disk_low(disk: DiskFacts) -> str | None:
    """What becomes too little soon; None where there is enough."""
    if disk.free_mib < min(LOW_MIB, disk.size_mib * LOW):
        return f"{disk.path} has {disk.free_mib} of {disk.size_mib} MiB free"
    if disk.inodes and disk.free_inodes < disk.inodes * LOW:
        return f"{disk.path} has {disk.free_inodes} of {disk.inodes} inodes free"
    return None


def no_space(node: str, disks: Sequence[DiskFacts], said: str) -> str | None:
    """``no space on NODE:PATH (...)`` where a full disk is why something failed there; None where it isn't.

    Args:
        disks: of the node, as they are now; empty where it can't be asked.
        said: how the failure is told: by somebody who may not know better.
    """
    full = [disk for disk in disks if _full(disk)]
    if not full and (_WORDS.search(said) or _SYMPTOMS.search(said)):
        # what failed may have taken away what it had written
        full = [disk for disk in disks if disk_trouble(disk)]
    if full:
        return f"no space on {node}:{'; '.join(f'{each.path} ({_left(each)})' for each in full)}{_said(said)}"
    return f"no space on {node}{_said(said)}" if _WORDS.search(said) else None


def says_no_space(said: str) -> bool:
    """Whether these words are a full disk's, be it whose it may."""
    return bool(_WORDS.search(said))


def _full(disk: DiskFacts) -> bool:
    return disk.free_mib < NOTHING_MIB <= disk.size_mib // 2 or bool(
        disk.inodes and disk.free_inodes <= disk.inodes * NOTHING_INODES
    )


def _left(disk: DiskFacts) -> str:
    if disk.inodes and disk.free_inodes <= disk.inodes * LEAST_INODES and disk.free_mib >= NOTHING_MIB:
        return f"{disk.free_inodes} of {disk.inodes} inodes free"
    return f"{disk.free_mib} of {disk.size_mib} MiB free"


def _said(said: str) -> str:
    """The words that were said, unless they only lead astray."""
    words = " ".join(said.split())
    return f": {words}" if words and not _SYMPTOMS.search(words) else ""
