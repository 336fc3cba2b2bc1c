"""The connection to the leading master: a new leader ends the stream, and the thread that reads it goes on."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from lab.standins.jenkins.jenkins_standin import driver
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
def master(*refusals: str) -> Iterator[tuple[str, queue.SimpleQueue[socket.socket]]]:
    """One that takes subscriptions after these answers, and says nothing more; its address, and the connections."""
    taken: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
    first = [f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode() for status in refusals]

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(65536)
            if first:
                connection.sendall(first.pop(0))
                connection.close()
                continue
            connection.sendall(ANSWER)
            taken.put(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield "{}:{}".format(*listener.getsockname()), taken


def test_it_follows_a_new_leader_though_the_last_one_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_FAREWELL_S", 0.1)
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


def test_it_does_not_leave_a_master_that_is_about_to_end() -> None:
    """It could take that for the end of a framework with failover 0, and kill its tasks."""
    leaders = Leaders()
    with master() as (first, of_first), master() as (second, of_second):
        leaders.now = first
        made = Driver(Identity({"name": "jenkins"}, None), cast(Detector, leaders), lambda _: None, lambda _: None)
        made.start()
        connection = of_first.get(timeout=10)
        leaders.news.put(second)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):  # no end of the stream, which the driver keeps open
            while connection.recv(65536):
                pass
        connection.shutdown(socket.SHUT_RDWR)
        assert of_second.get(timeout=4)
        made.stop(teardown=False)


def test_a_master_that_has_just_started_is_asked_again() -> None:
    """It has no routes at first, then it has not recovered: nothing that ends a framework, and with it its builds."""
    events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    aborted: list[str] = []
    leaders = Leaders()
    with master("404 Not Found", "503 Service Unavailable") as (address, taken):
        leaders.now = address
        made = Driver(Identity({"name": "jenkins"}, None), cast(Detector, leaders), events.put, aborted.append)
        made.start()
        assert taken.get(timeout=10)
        assert events.get(timeout=10)["type"] == "SUBSCRIBED"
        made.stop(teardown=False)
    assert aborted == []


def test_a_master_that_wants_nothing_of_it_is_not_asked_again() -> None:
    aborted: queue.SimpleQueue[str] = queue.SimpleQueue()
    leaders = Leaders()
    with master("403 Forbidden") as (address, _):
        leaders.now = address
        made = Driver(Identity({"name": "jenkins"}, None), cast(Detector, leaders), lambda _: None, aborted.put)
        made.start()
        assert "403" in aborted.get(timeout=10)
        made.stop(teardown=False)
