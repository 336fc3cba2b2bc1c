"""Quotas that are used up, servers in ERROR and SHUTOFF, a volume that is stuck, a second operator."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.lab import place
from tests.faults.states import situations

pytestmark = pytest.mark.contract


def test_each_is_told_and_what_can_be_done_is_done(tmp_path: Path) -> None:
    with place(tmp_path, "contractstates") as at:
        rows = list(situations(at))
    assert {row.command: row.exit_code for row in rows if row.exit_code != row.expected} == {}
    assert [row for row in rows if row.expected and not row.said] == []
    assert rows[-1].servers == {}
