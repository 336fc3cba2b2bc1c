"""What waits until the state is written: calls to Mesos and events for clients; and counters for /metrics."""

from __future__ import annotations

from collections import Counter
from typing import Any

Event = tuple[str, dict[str, Any]]


class Outbox:
    """The actor empties it after it has written the state."""

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._events: list[Event] = []
        self.count: Counter[str] = Counter()

    def send(self, kind: str, key: str, body: dict[str, Any]) -> None:
        """Queue the scheduler call ``{"type": kind, key: body}``."""
        self._calls.append({"type": kind, key: body})

    def drain(self) -> list[dict[str, Any]]:
        calls, self._calls = self._calls, []
        return calls

    def tell(self, kind: str, **fields: Any) -> None:
        """Queue an event for the clients of /v2/events."""
        self._events.append((kind, fields))

    def drain_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events
