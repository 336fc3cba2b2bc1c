"""Servers that Nova can't build: made again on another host, or named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.lab import Place, place
from tests.faults.nodes import hosts_of, no_host_can_build, one_host_cannot_build

pytestmark = pytest.mark.contract


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path, "contractbuilds", volume=False) as made:
        yield made


def test_a_build_that_its_host_failed_goes_to_another(at: Place) -> None:
    seen, broken = one_host_cannot_build(at)
    assert seen.exit_code == 0
    report = json.loads(seen.told.splitlines()[-1])
    assert report["rebuilt"], seen.told
    hosts = hosts_of(at)
    assert len(hosts) == 5
    assert broken
    assert broken not in hosts.values()
    assert [status for _, status in seen.servers] == ["ACTIVE"] * 5


def test_a_build_that_no_host_takes_is_named_and_the_same_command_finishes_later(at: Place) -> None:
    failed, again = no_host_can_build(at)
    assert failed.exit_code == 1
    assert "the cloud failed twice to build 1 of 5 servers: contractbuilds-builders-" in failed.told
    assert "No valid host was found" in failed.told
    assert "goes on from here" in failed.told
    assert [status for _, status in failed.servers] == ["ERROR", "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE"]
    assert (again.exit_code, [status for _, status in again.servers]) == (0, ["ACTIVE"] * 5)
