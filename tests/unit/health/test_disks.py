"""A disk is told of before it is full."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.health.disks import disk_checks
from tests.unit.health.clusters import all_facts, expect, facts


def disk(**changes: Any) -> dict[str, Any]:
    return {"path": "/", "free_mib": 5000, "size_mib": 10000, "free_inodes": 900, "inodes": 1000} | changes


def judged(*disks: dict[str, Any]) -> tuple[bool, str]:
    [found] = disk_checks(expect(), all_facts(c1=facts(1, disks=[disk()]), c2=facts(2, disks=list(disks))))
    return found.ok, found.detail


def test_where_nobody_tells_there_is_no_check() -> None:
    assert disk_checks(expect(), all_facts()) == []


def test_enough() -> None:
    assert judged(disk(), disk(path="/srv", free_mib=300)) == (True, "300 MiB or more are free (demo-control-2, /srv)")
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
