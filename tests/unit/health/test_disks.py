"""A disk is told of before it is full."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.health.disks import disk_checks, no_space
from clusterctl.health.facts import DiskFacts
from tests.unit.health.clusters import all_facts, expect, facts


def disk(**changes: Any) -> dict[str, Any]:
    return {"path": "/", "free_mib": 5000, "size_mib": 10000, "free_inodes": 900, "inodes": 1000} | changes


def judged(*disks: dict[str, Any]) -> tuple[bool, str]:
    [found] = disk_checks(expect(), all_facts(c1=facts(1, disks=[disk()]), c2=facts(2, disks=list(disks))))
    return found.ok, found.detail


def test_where_nobody_tells_there_is_no_check() -> None:
    assert disk_checks(expect(), all_facts()) == []


def test_enough() -> None:
    assert judged(disk(), disk(path="/srv", free_mib=1500)) == (
        True,
        "1500 MiB or more are free (demo-control-2, /srv)",
    )
    assert judged(disk(free_inodes=0, inodes=0))[0]  # a file system that makes inodes as it goes


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"free_mib": 12}, "/ has 12 of 10000 MiB free, expected 256"),
        ({"free_inodes": 19}, "/ has 19 of 1000 inodes free, expected 2%"),
    ],
)
def test_too_little(changes: dict[str, int], text: str) -> None:
    assert judged(disk(**changes)) == (False, f"demo-control-2 (10.0.0.2): {text}")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"free_mib": 300}, "/ has 300 of 10000 MiB free"),
        ({"free_inodes": 60}, "/ has 60 of 1000 inodes free"),
    ],
)
def test_it_is_said_before_it_is_a_fault(changes: dict[str, int], text: str) -> None:
    assert judged(disk(**changes)) == (True, f"low, no fault yet: demo-control-2 (10.0.0.2): {text}")


def test_a_small_file_system_is_not_full_because_it_is_small() -> None:
    assert judged(disk(size_mib=64, free_mib=60))[0]
    assert judged(disk(size_mib=64, free_mib=7)) == (
        False,
        "demo-control-2 (10.0.0.2): / has 7 of 64 MiB free, expected 8",
    )


FULL, INODES, TIGHT, ROOM = (
    DiskFacts.model_validate(disk(**changes))
    for changes in (
        {"path": "/var/lib/mesos", "free_mib": 0},
        {"path": "/srv", "free_inodes": 0},
        {"free_mib": 100},
        {},
    )
)
ASTRAY = "Module result deserialization failed: No start of json char found"
ENOSPC = "[Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("disks", "said", "told"),
    [
        ([ROOM, FULL], ASTRAY, "no space on n:/var/lib/mesos (0 of 10000 MiB free)"),
        ([INODES], ASTRAY, "no space on n:/srv (0 of 1000 inodes free)"),
        # what didn't fit was taken away again
        ([TIGHT], ENOSPC, f"no space on n:/ (100 of 10000 MiB free): {ENOSPC}"),
        ([ROOM], f"write: {ENOSPC}", f"no space on n: write: {ENOSPC}"),
        ([FULL], "unit zookeeper failed", "no space on n:/var/lib/mesos (0 of 10000 MiB free): unit zookeeper failed"),
        ([TIGHT], "unit zookeeper failed", None),
        ([ROOM], ASTRAY, None),
        ([], ASTRAY, None),
    ],
)
def test_a_full_disk_is_the_reason_whatever_is_said(disks: list[DiskFacts], said: str, told: str | None) -> None:
    assert no_space("n", disks, said) == told
