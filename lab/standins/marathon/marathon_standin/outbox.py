"""Calls to Mesos that wait to be sent, and counters for /metrics."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Outbox:
    """The actor empties it after it has written the state."""

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self.count: Counter[str] = Counter()

    def send(self, kind: str, key: str, body: dict[str, Any]) -> None:
        """Queue the scheduler call ``{"type": kind, key: body}``."""
        self._calls.append({"type": kind, key: body})

    def drain(self) -> list[dict[str, Any]]:
        calls, self._calls = self._calls, []
        return calls
