"""Locks as tags: any text comes back, pieces fit, half a lock is none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clusterctl.cloud.lock_tags import group_and_token, lock_id, lock_tags, locks_of, of_token
from clusterctl.resources import Lock

WHEN = "2026-01-01T00:00:00+00:00"


@given(st.text(max_size=255))
def test_a_text_comes_back_from_tags_that_neutron_takes(text: str) -> None:
    tags = lock_tags("0a1b2c3d", text, WHEN)
    assert all(len(tag) <= 60 and "/" not in tag and "," not in tag for tag in tags)
    assert locks_of("g1", ["other", *sorted(tags)]) == [Lock(lock_id("g1", "0a1b2c3d"), text, WHEN)]


def test_the_first_piece_is_written_last_and_removed_first() -> None:
    tags = lock_tags("0a1b2c3d", "x" * 200, WHEN)
    assert len(tags) > 3
    assert locks_of("g1", tags[:-1]) == []
    assert of_token("0a1b2c3d", [*tags, *lock_tags("ffffffff", "y", WHEN)])[0] == tags[-1]


def test_two_locks_on_one_group() -> None:
    tags = [*lock_tags("0a1b2c3d", "a", WHEN), *lock_tags("ffffffff", "b", WHEN)]
    assert [lock.text for lock in locks_of("g1", tags)] == ["a", "b"]


def test_ids() -> None:
    assert group_and_token(lock_id("g1", "0a1b2c3d")) == ("g1", "0a1b2c3d")
    assert group_and_token("5c6f0f0e-0000-4000-8000-000000000001") is None
