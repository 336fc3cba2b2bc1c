"""Moments of builds by pattern."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterctl.load.arrivals import Pattern, arrivals, schedule

PATTERNS: list[Pattern] = ["steady", "poisson", "burst", "morning"]


@given(st.sampled_from(PATTERNS), st.integers(0, 200), st.floats(1, 10_000), st.integers(0, 1000))
def test_as_many_as_wanted_in_order_and_in_time(pattern: Pattern, count: int, over_s: float, seed: int) -> None:
    found = arrivals(pattern, count, over_s, Random(seed))
    assert len(found) == count
    assert found == sorted(found)
    assert all(0 <= moment < over_s for moment in found)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_same_seed_gives_the_same(pattern: Pattern) -> None:
    assert schedule(pattern, 10, 3, 60, Random(7)) == schedule(pattern, 10, 3, 60, Random(7))
    assert schedule(pattern, 10, 3, 60, Random(7)) != schedule(pattern, 10, 3, 60, Random(8))


def test_without_time_all_at_once() -> None:
    assert arrivals("poisson", 3, 0, Random(1)) == [0, 0, 0]


def test_steady_keeps_its_distance() -> None:
    assert arrivals("steady", 4, 60, Random(1)) == [0, 15, 30, 45]


def test_poisson_spreads_as_one() -> None:
    """Numbers within equal slices vary as Poisson's do: their variance is near their mean."""
    slices = Counter(int(moment) for moment in arrivals("poisson", 10_000, 1000, Random(3)))
    numbers = [slices[slice_] for slice_ in range(1000)]
    mean = sum(numbers) / 1000
    assert mean == 10
    assert 8 < sum((number - mean) ** 2 for number in numbers) / 1000 < 12


def test_bursts_are_four_within_a_second_each() -> None:
    moments = arrivals("burst", 400, 100, Random(1))
    assert {int(moment // 25) for moment in moments} == {0, 1, 2, 3}
    assert all(moment % 25 <= 1 for moment in moments)


def test_a_morning_has_its_peak_at_half_past_nine() -> None:
    hours = Counter(int(moment / 60) for moment in arrivals("morning", 10_000, 24 * 60, Random(1)))
    assert hours.most_common(1)[0][0] in (8, 9, 10)
    assert hours[9] > 20 * hours[3]
    assert hours[14] > 3 * hours[20]


def test_each_master_builds_as_often_but_in_the_morning_only_a_fifth() -> None:
    whose = Counter(master for _, master in schedule("poisson", 20, 3, 60, Random(1)))
    assert whose == dict.fromkeys(range(20), 3)
    whose = Counter(master for _, master in schedule("morning", 20, 3, 60, Random(1)))
    assert list(whose.values()) == [3, 3, 3, 3]
