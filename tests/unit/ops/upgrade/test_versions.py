"""Order of versions, and which steps are refused."""

from __future__ import annotations

import pytest

from clusterctl.ops.upgrade.versions import compare, forbidden, numbers, same_release


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.11.0-1", "1.11.0-2"),
        ("1.11.0-9", "1.11.0-10"),
        ("1.9.0-1", "1.11.0-1"),
        ("1.11.0~rc1-1", "1.11.0-1"),
        ("1.11.0", "1.11.0-1"),
        ("1.11.0", "1.11.0a"),
        ("1.11.0a", "1.11.0+b"),
        ("3.8.0-11+deb12u1", "3.8.0-11+deb12u2"),
        ("3.8.0-11", "3.8.0-11+deb12u1"),
        ("9.0", "1:1.0"),
        ("1.11.9", "1.11.24"),
        ("1.0-1", "1.0-1.1"),
    ],
)
def test_versions_are_ordered_as_debian_orders_them(older: str, newer: str) -> None:
    assert compare(older, newer) < 0 < compare(newer, older)
    assert compare(older, older) == 0 == compare(newer, newer)


@pytest.mark.parametrize(
    ("name", "found", "wanted", "why"),
    [
        ("mesos", "1.11.0-2", "1.11.0-1", "downgrade"),
        ("marathon", "1.11.25", "1.11.24", "downgrade"),
        ("marathon", "1.9.100", "1.11.24", "skips releases"),
        ("marathon", "1.11.24", "2.0.1", "skips releases"),
        ("marathon", "1.11.24", "12", "not a version such as"),
    ],
)
def test_downgrades_and_skipped_marathon_releases_are_refused(name: str, found: str, wanted: str, why: str) -> None:
    assert why in (forbidden(name, found, wanted) or "")


@pytest.mark.parametrize(
    ("name", "found", "wanted"),
    [
        ("mesos", "1.9.0-1", "1.11.0-1"),
        ("mesos", "1.11.0-1", "1.11.0-1"),
        ("marathon", "1.10.17", "1.11.24"),
        ("marathon", "1.11.1", "1.11.24"),
        ("zookeeper", "3.4.13-2", "3.8.0-11"),
    ],
)
def test_other_steps_are_allowed(name: str, found: str, wanted: str) -> None:
    assert forbidden(name, found, wanted) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.11.24", "1.11.24", True),
        ("1.11.24", "1.11.24-9ee9f3ceb", True),
        ("1.11.24-aaa", "1.11.24-bbb", True),
        ("1.11.2", "1.11.24", False),
        ("1.11", "1.11.24", False),
        ("1.11.24.1", "1.11.24", False),
        ("master", "master", True),
        ("master", "main", False),
    ],
)
def test_releases_are_told_by_their_numbers(one: str, other: str, same: bool) -> None:
    assert same_release(one, other) is same_release(other, one) is same


def test_numbers() -> None:
    assert numbers("1.11.24-9ee9f3ceb") == (1, 11, 24)
    assert numbers("1.11") is None
