"""Disks: space and inodes, before ZooKeeper and the masters' log meet a full one: both end, files may break."""

from __future__ import annotations

from collections.abc import Mapping

from clusterctl.health.check import Check, check
from clusterctl.health.expect import Expected
from clusterctl.health.facts import DiskFacts, NodeFacts

NAME = "disks"
# A snapshot of ZooKeeper, a log of Mesos and an upgrade's package fit into this; the rest is for a person's reaction
LEAST_MIB = 256
LEAST_INODES = 0.02  # of all


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
    tightest = min(told, key=lambda each: each[1].free_mib)
    good = f"{tightest[1].free_mib} MiB or more are free ({tightest[0].name}, {tightest[1].path})"
    return [check(NAME, problems, good)]


def disk_trouble(disk: DiskFacts) -> str | None:
    """What is too little; None where there is enough. A file system without inodes of its own reports none."""
    if disk.free_mib < LEAST_MIB:
        return f"{disk.path} has {disk.free_mib} of {disk.size_mib} MiB free, expected {LEAST_MIB}"
    if disk.inodes and disk.free_inodes < disk.inodes * LEAST_INODES:
        return f"{disk.path} has {disk.free_inodes} of {disk.inodes} inodes free, expected {LEAST_INODES:.0%}"
    return None
