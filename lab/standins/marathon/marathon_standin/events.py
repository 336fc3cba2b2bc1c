"""The event bus: what happens, told to clients of /v2/events (Marathon's Events.scala, event-bus.md).

Publishing never waits for a client: one that falls too far behind is cut off, as Marathon does.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Collection, Iterator
from typing import Any

from .clock import Clock, iso

_HEARTBEAT = b"\r\n"  # Jetty's, with which a dead client is found out
_HEARTBEAT_S = 10.0


class Subscription:
    """The events for one client, as text of server-sent events; ``kinds`` empty means all."""

    def __init__(self, remote: str, kinds: Collection[str], limit: int) -> None:
        self.remote, self._kinds = remote, frozenset(kinds)
        self._waiting: queue.Queue[bytes | None] = queue.Queue(limit)
        self._closed = threading.Event()

    def offer(self, kind: str, text: bytes) -> bool:
        """Queue an event; return False when the client is too slow and was cut off."""
        if self._closed.is_set():
            return False
        if self._kinds and kind not in self._kinds:
            return True
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            self._closed.set()
            return False
        return True

    def __iter__(self) -> Iterator[bytes]:
        """Give the events as they come, a heartbeat while there are none, until the client is cut off."""
        while not self._closed.is_set():
            try:
                text = self._waiting.get(timeout=_HEARTBEAT_S)
            except queue.Empty:
                yield _HEARTBEAT
                continue
            if text is None:
                return
            yield text

    def close(self) -> None:
        """End the iteration."""
        self._closed.set()
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return  # what reads it sees that it is closed


class EventBus:
    """``publish`` may be called from any thread."""

    def __init__(self, clock: Clock, limit: int = 1024) -> None:
        self._clock, self._limit = clock, limit
        self._lock = threading.Lock()
        self._subscriptions: list[Subscription] = []

    def publish(self, kind: str, **fields: Any) -> None:
        """Tell every subscriber; ``fields`` are the event's own, as JSON values."""
        event = {**fields, "eventType": kind, "timestamp": iso(self._clock())}
        text = f"event: {kind}\r\ndata: {json.dumps(event)}\r\n\r\n".encode()
        with self._lock:
            slow = [s for s in self._subscriptions if not s.offer(kind, text)]
            self._subscriptions = [s for s in self._subscriptions if s not in slow]
        for subscription in slow:
            self.publish("event_stream_detached", remoteAddress=subscription.remote)

    def subscribe(self, remote: str, kinds: Collection[str]) -> Subscription:
        """Return a new subscription of the client at ``remote`` (its address)."""
        subscription = Subscription(remote, kinds, self._limit)
        with self._lock:
            self._subscriptions.append(subscription)
        self.publish("event_stream_attached", remoteAddress=remote)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a client that has gone."""
        subscription.close()
        with self._lock:
            known = subscription in self._subscriptions
            self._subscriptions = [s for s in self._subscriptions if s is not subscription]
        if known:
            self.publish("event_stream_detached", remoteAddress=subscription.remote)

    @property
    def count(self) -> int:
        """Number of clients."""
        with self._lock:
            return len(self._subscriptions)
