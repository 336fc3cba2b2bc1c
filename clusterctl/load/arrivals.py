"""When builds arrive.

Patterns:

steady: at equal distances.
poisson: a Poisson process; given their number, the moments are independent and uniform (Kingman 1993, 2.4).
burst: at four moments, all builds of a moment within one second.
morning: a working day pressed into the given time: few builds at night, most around 9:30, the rest around 14:30; and
  a fifth of the masters builds at all (what eBay reported of its developers' masters in 2014).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Literal

Pattern = Literal["steady", "poisson", "burst", "morning"]

_BURSTS = 4
_BURST_S = 1.0
# Shares of a day's builds with the middle and the standard deviation of their time, as parts of the day
_PEAKS = ((0.6, 9.5 / 24, 1.2 / 24), (0.3, 14.5 / 24, 2.0 / 24))
_ACTIVE_IN_THE_MORNING = 0.2


def arrivals(pattern: Pattern, count: int, over_s: float, random: Random) -> list[float]:
    """``count`` moments in seconds, ascending, from 0 to below ``over_s`` (all 0 if that is 0)."""
    if over_s <= 0:
        return [0.0] * count
    return sorted(min(max(moment, 0.0), over_s * (1 - 1e-9)) for moment in _MOMENTS[pattern](count, over_s, random))


def schedule(pattern: Pattern, masters: int, builds: int, over_s: float, random: Random) -> list[tuple[float, int]]:
    """Moments with the number of the master (from 0) at which a build arrives, ascending.

    Args:
        builds: of each master that builds at all; see the patterns.
    """
    active = list(range(masters))
    if pattern == "morning" and masters:
        active = random.sample(active, max(1, round(masters * _ACTIVE_IN_THE_MORNING)))
    whose = active * builds
    random.shuffle(whose)
    return list(zip(arrivals(pattern, len(whose), over_s, random), whose, strict=True))


def _steady(count: int, over_s: float, _random: Random) -> list[float]:
    return [over_s * number / count for number in range(count)]


def _poisson(count: int, over_s: float, random: Random) -> list[float]:
    return [random.uniform(0, over_s) for _ in range(count)]


def _burst(count: int, over_s: float, random: Random) -> list[float]:
    return [over_s * (number % _BURSTS) / _BURSTS + random.uniform(0, _BURST_S) for number in range(count)]


def _morning(count: int, over_s: float, random: Random) -> list[float]:
    return [over_s * _of_a_day(random) for _ in range(count)]


def _of_a_day(random: Random) -> float:
    which = random.random()
    for share, middle, deviation in _PEAKS:
        if which < share:
            return random.gauss(middle, deviation)
        which -= share
    return random.random()


_MOMENTS: Mapping[Pattern, Callable[[int, float, Random], list[float]]] = {
    "steady": _steady,
    "poisson": _poisson,
    "burst": _burst,
    "morning": _morning,
}
