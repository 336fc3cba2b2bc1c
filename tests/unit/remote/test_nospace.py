"""A full disk in the words of scripts that ran on a node."""

from __future__ import annotations

import pytest

from clusterctl.remote.nospace import no_space


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/srv/a/b: No space left on device", "no space on n:/srv/a/b: "),
        ("OSError: [Errno 28] No space left on device: '/etc/x'", "no space on n:/etc/x: "),
        ("No space left on device", "no space on n:/srv/jenkins: "),
        ("Disk quota exceeded", "no space on n:/srv/jenkins: "),
    ],
)
def test_it_is_named(said: str, told: str) -> None:
    assert no_space("n", said, "/srv/jenkins") == told + said


def test_without_any_path() -> None:
    assert no_space("n", "No space left on device") == "no space on n: No space left on device"


def test_all_else_is_left_alone() -> None:
    assert no_space("n", "/srv: Permission denied", "/srv") == "/srv: Permission denied"
