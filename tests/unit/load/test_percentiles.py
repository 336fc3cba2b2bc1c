"""Percentiles by nearest rank, and cumulative curves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterctl.load.percentiles import NEVER, cumulative, percentile

VALUES = st.lists(st.floats(0, 1000) | st.just(NEVER), min_size=1, max_size=300)


def test_nearest_rank() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, part) for part in (0, 0.07, 0.5, 0.99, 0.991, 1)] == [1, 7, 50, 99, 100, 100]
    assert percentile([3.0], 0.5) == 3
    assert percentile([], 0.5) is None


@pytest.mark.parametrize("part", [-0.1, 1.1])
def test_parts_are_within_0_and_1(part: float) -> None:
    with pytest.raises(ValueError, match="is not within 0 to 1"):
        percentile([1.0], part)


@given(VALUES, st.floats(0, 1))
def test_it_is_the_smallest_value_that_so_many_do_not_exceed(values: list[float], part: float) -> None:
    found = percentile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values) - 1e-6
    below = [value for value in values if value < found]
    assert not below or len(below) < part * len(values) + 1e-6


def test_a_wait_that_never_ended_is_in_the_percentiles_but_not_on_the_curve() -> None:
    values = [1.0, 2.0, 2.0, NEVER]
    assert percentile(values, 0.75) == 2
    assert percentile(values, 0.76) == NEVER
    assert cumulative(values) == [(1.0, 0.25), (2.0, 0.75)]
    assert cumulative([]) == []
