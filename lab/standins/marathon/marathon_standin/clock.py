"""Time: one place, so that tests can inject it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]  # seconds since the epoch


def iso(seconds: float) -> str:
    """Return the form Marathon's API uses, "2015-08-26T20:23:39.463Z"."""
    return _format(round(seconds * 1000))


def _format(milliseconds: int) -> str:
    whole = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{milliseconds % 1000:03d}Z"


def version_after(previous: str | None, now: float) -> str:
    """Return ``iso(now)``, or a millisecond after ``previous`` should the clock not be past it."""
    version = iso(now)
    if previous is None or version > previous:
        return version
    return _format(round(datetime.fromisoformat(previous).timestamp() * 1000) + 1)
