"""Percentiles and cumulative curves of waits, in which a wait that never ended is infinite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

NEVER = math.inf


def percentile(values: Sequence[float], part: float) -> float | None:
    """The smallest value that at least ``part`` (0 to 1) of the values do not exceed (nearest rank, no interpolation).

    None without values; ``NEVER`` where that many waits did not end.

    Raises:
        ValueError: ``part`` is not within 0 to 1.
    """
    if not 0 <= part <= 1:
        raise ValueError(f"part {part} is not within 0 to 1")
    if not values:
        return None
    # rounded: 0.07 * 100 is 7.000000000000001, whose ceiling would be the rank after
    return sorted(values)[max(math.ceil(round(part * len(values), 9)), 1) - 1]


def cumulative(values: Iterable[float]) -> list[tuple[float, float]]:
    """The curve (value, part of all values up to it) in steps; infinite values only keep it below 1."""
    everything = sorted(values)
    points: list[tuple[float, float]] = []
    for number, value in enumerate(everything, start=1):
        if value == NEVER:
            break
        point = (value, number / len(everything))
        if points and points[-1][0] == value:
            points[-1] = point
        else:
            points.append(point)
    return points
