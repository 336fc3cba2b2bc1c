"""The one thread that owns the leader's state: everything that reads or changes it goes through here, in order.

After each message: plan anew, write the state, then send to Mesos and answer the client. A failure to write, or an
unexpected error, ends the process (Marathon's "let it crash"); the state in ZooKeeper is whole, and the next leader
goes on from there.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from kazoo.exceptions import KazooException

from .exits import Crash, Exit
from .health import Probe
from .scheduler import Scheduler

log = logging.getLogger(__name__)
T = TypeVar("T")
_TICK_S = 0.25


class Actor:
    """``send`` gets calls to Mesos, ``publish`` events, ``check`` health checks; ``on_crash`` ends the process."""

    def __init__(
        self,
        scheduler: Scheduler,
        send: Callable[[list[dict[str, Any]]], None],
        publish: Callable[..., None],
        check: Callable[[list[Probe]], None],
        on_crash: Callable[[Crash], None],
    ) -> None:
        self._scheduler, self._send, self._on_crash = scheduler, send, on_crash
        self._publish, self._check = publish, check
        self._messages: queue.Queue[tuple[Callable[[], Any], Future[Any] | None]] = queue.Queue()

    def start(self) -> None:
        threading.Thread(target=self._run, name="scheduler", daemon=True).start()

    def tell(self, function: Callable[[], Any]) -> None:
        """Have ``function`` run in its turn; an error in it ends the process."""
        self._messages.put((function, None))

    def ask(self, function: Callable[[], T], timeout_s: float) -> T:
        """Run ``function`` in its turn and return its result, or raise what it raises. Raises TimeoutError."""
        future: Future[T] = Future()
        self._messages.put((function, future))
        return future.result(timeout_s)

    def _run(self) -> None:
        try:
            while True:
                self._step()
        except Crash as crash:
            self._on_crash(crash)
        except KazooException as exc:
            self._on_crash(Crash(Exit.ZOOKEEPER_CONNECTION_LOST, f"ZooKeeper: {exc!r}"))
        except Exception as exc:
            log.exception("unexpected error")
            self._on_crash(Crash(Exit.UNCAUGHT_EXCEPTION, f"unexpected error: {exc!r}"))

    def _step(self) -> None:
        try:
            function, future = self._messages.get(timeout=_TICK_S)
        except queue.Empty:
            function, future = _nothing, None
        result: Any = None
        error: Exception | None = None
        try:
            result = function()
        except (Crash, KazooException):
            raise
        except Exception as exc:
            if future is None:
                raise
            error = exc
        self._scheduler.settle()
        self._scheduler.state.flush()
        self._send(self._scheduler.outbox.drain())
        for kind, fields in self._scheduler.outbox.drain_events():
            self._publish(kind, **fields)
        self._check(self._scheduler.drain_probes())
        if future is not None:
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)


def _nothing() -> None:
    return None
