"""Delays between launches of an app whose tasks keep ending (Marathon docs/backoff.md).

Each end multiplies the delay by ``backoffFactor``, from ``backoffSeconds`` up to ``maxLaunchDelaySeconds``; a new
version, an operator's word, or a quiet time of the current delay plus ``maxLaunchDelaySeconds`` takes it back.
Kept in memory only: a new leader starts without delays, as Marathon's does.
"""

from __future__ import annotations

from dataclasses import dataclass

from .appspec import App


@dataclass
class _Delay:
    seconds: float
    until: float
    config_version: str


class Backoff:
    """The launch delays of all apps. Times are seconds since the epoch."""

    def __init__(self) -> None:
        self._delays: dict[str, _Delay] = {}

    def add(self, app: App, now: float) -> None:
        """Note that a task of ``app`` ended by itself."""
        spec = app.spec
        current = self._current(app, now)
        grown = current.seconds * spec["backoffFactor"] if current else spec["backoffSeconds"]
        seconds = min(grown, spec["maxLaunchDelaySeconds"])
        self._delays[app.id] = _Delay(seconds, now + seconds, app.config_version)

    def left(self, app: App, now: float) -> float:
        """Return how many seconds the next launch of ``app`` has to wait, 0.0 for none."""
        current = self._current(app, now)
        return max(0.0, current.until - now) if current else 0.0

    def _current(self, app: App, now: float) -> _Delay | None:
        delay = self._delays.get(app.id)
        if delay is None:
            return None
        quiet = now > delay.until + delay.seconds + app.spec["maxLaunchDelaySeconds"]
        if quiet or delay.config_version != app.config_version:
            del self._delays[app.id]
            return None
        return delay

    def reset(self, app_id: str) -> bool:
        """Forget the delay of ``app_id``; return whether there was one."""
        return self._delays.pop(app_id, None) is not None
