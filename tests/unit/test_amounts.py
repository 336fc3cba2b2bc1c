"""Amounts of resources as text."""

from __future__ import annotations

import pytest

from clusterctl.amounts import amount


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (10, "10"),
        (0.5, "0.5"),
        (0.1 + 0.2, "0.3"),
        (1234.567, "1234.567"),
        (1048576.0, "1048576"),
        (2097152, "2097152"),
        (1234567.5, "1234567.5"),
    ],
)
def test_no_digit_that_counts_is_lost(value: float, text: str) -> None:
    assert amount(value) == text
