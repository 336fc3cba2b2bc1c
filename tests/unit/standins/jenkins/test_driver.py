"""The connection to the leading master: a new leader ends the stream, and the thread that reads it goes on."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from lab.standins.jenkins.jenkins_standin.detector import Detector
from lab.standins.jenkins.jenkins_standin.driver import Driver, Identity

EVENT = b'{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"f"}}}'
RECORD = b"%d\n%s" % (len(EVENT), EVENT)
ANSWER = b"HTTP/1.1 200 OK\r\nMesos-Stream-Id: s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (
    len(RECORD),
    RECORD,
)


class Leaders:
    """Stands in for a Detector."""

    def __init__(self) -> None:
        self.now = ""
        self.news: queue.SimpleQueue[str] = queue.SimpleQueue()

    def leader(self, _timeout_s: float) -> str:
        return self.now

    def changed(self) -> str:
        self.now = self.news.get()
        return self.now

    def failed(self) -> None: ...

    def close(self) -> None:
        self.news.put(self.now)


@contextmanager
def master() -> Iterator[tuple[str, queue.SimpleQueue[socket.socket]]]:
    """One that takes every subscription, and says nothing more; its address, and the connections."""
    taken: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(65536)
            connection.sendall(ANSWER)
            taken.put(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield "{}:{}".format(*listener.getsockname()), taken


def test_it_follows_a_new_leader() -> None:
    events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    leaders = Leaders()
    with master() as (first, of_first), master() as (second, of_second):
        leaders.now = first
        made = Driver(Identity({"name": "jenkins"}, None), cast(Detector, leaders), events.put, lambda _: None)
        made.start()
        assert of_first.get(timeout=10)
        assert events.get(timeout=10)["type"] == "SUBSCRIBED"
        leaders.news.put(second)
        assert of_second.get(timeout=10)
        assert events.get(timeout=10)["type"] == "SUBSCRIBED"
        made.stop(teardown=False)
