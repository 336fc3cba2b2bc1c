"""Versions of Jenkins, plugins and Java."""

from __future__ import annotations

import pytest

from clusterctl.numbers import at_least, java_major, java_of_package, number


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        ("2.319.3", "2.328", False),
        ("2.328", "2.328", True),
        ("1.0", "1", True),
        ("1", "1.0.0", True),
        ("1337.v60b_d7b_c7b_c9f", "2.6.1", True),
        ("1.22-beta", "1.22", True),
        ("0.9", "0.16", False),
        ("", "0.1", False),
    ],
)
def test_order(found: str, wanted: str, expected: bool) -> None:
    assert at_least(found, wanted) is expected


def test_what_is_no_version() -> None:
    assert number("latest") == ()
    assert java_major("latest") is None


@pytest.mark.parametrize(("text", "major"), [("17.0.9+9", 17), ("8u392", 8), ("1.8.0_392", 8), ("21", 21)])
def test_java(text: str, major: int) -> None:
    assert java_major(text) == major


def test_java_of_packages() -> None:
    assert java_of_package("openjdk-11-jre-headless") == 11
    assert java_of_package("temurin-8-jre") == 8
    assert java_of_package("default-jre") is None
