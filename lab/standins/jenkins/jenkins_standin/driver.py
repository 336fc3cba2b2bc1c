"""The connection of one framework to the leading Mesos master, over the v1 scheduler HTTP API.

Jenkins' plugin 0.x and 1.x uses libmesos, which the lab's Mesos cannot give a JVM; what a master sees of it is the
same but for the transport. A thread keeps the event stream, another sends the calls in order.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import logging
import queue
import socket
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .detector import Detector

log = logging.getLogger("org.apache.mesos.MesosSchedulerDriver")
Json = dict[str, Any]
_PATH = "/api/v1/scheduler"
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
_CONNECT_TIMEOUT_S = 5.0
_SILENCE_S = 75.0  # five of the master's heartbeats
_FAREWELL_S = 5.0  # for a master that lost its leadership to end
_RETRY_S = (0.25, 0.5, 1.0, 2.0)
_RESTART_S = (3.0, 6.0, 12.0, 24.0, 30.0)  # of 2.x: RestartFlow.withBackoff in its Session


@dataclass(frozen=True)
class Identity:
    """How a framework presents itself; ``secret`` None: it does not authenticate."""

    info: Json
    framework_id: str | None
    principal: str | None = None
    secret: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        if self.secret is None:
            return _HEADERS
        token = base64.b64encode(f"{self.principal}:{self.secret}".encode()).decode()
        return {**_HEADERS, "Authorization": f"Basic {token}"}


class Aborted(Exception):
    """The master wants nothing more of this framework."""


class Driver:
    """``on_event`` and ``on_aborted`` are called from the stream's thread."""

    def __init__(
        self,
        identity: Identity,
        detector: Detector,
        on_event: Callable[[Json], None],
        on_aborted: Callable[[str], None],
        attempts: int | None = None,
    ) -> None:
        """``attempts``: give up after so many failures in a row (2.x); None: never."""
        self._identity, self._detector = identity, detector
        self._on_event, self._on_aborted, self._attempts = on_event, on_aborted, attempts
        self._id = identity.framework_id
        self._lock = threading.Lock()
        self._session: _Session | None = None
        self._stopping = threading.Event()
        self._calls: queue.SimpleQueue[tuple[_Session, Json] | None] = queue.SimpleQueue()

    @property
    def framework_id(self) -> str | None:
        """What Mesos gave or was told; None until registered for the first time."""
        return self._id

    @property
    def registered(self) -> bool:
        with self._lock:
            return self._session is not None and self._session.subscribed

    def start(self) -> None:
        for target in (self._run, self._send_all, self._follow):
            threading.Thread(target=target, name=f"mesos{target.__name__}", daemon=True).start()

    def stop(self, teardown: bool) -> None:
        """End it; with ``teardown`` the framework and its tasks are removed from Mesos."""
        with self._lock:
            session = self._session
        if teardown and session is not None and session.subscribed:
            try:
                session.post({"type": "TEARDOWN"})
            except (OSError, http.client.HTTPException) as exc:
                log.warning("TEARDOWN was not delivered: %s; the end of the connection removes the framework", exc)
        self._stopping.set()
        self._detector.close()
        self._calls.put(None)
        self._end_session()

    def send(self, call: Json) -> None:
        """Queue a call; without a connection it is dropped, as libmesos does."""
        with self._lock:
            session = self._session
        if session is not None and session.subscribed:
            self._calls.put((session, call))

    # --- the stream

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                master = self._detector.leader(_SILENCE_S)
                if master is None:
                    continue
                failures = 0 if self._subscribe(master) else failures + 1
            except (OSError, http.client.HTTPException, ValueError) as exc:
                failures += 1
                self._detector.failed()
                if not self._stopping.is_set():
                    log.info("Framework disconnected! (%s)", exc)
            except Aborted as exc:
                self._end_session()
                if not self._stopping.is_set():
                    self._on_aborted(str(exc))
                return
            self._end_session()
            if self._attempts is not None and failures > self._attempts:
                self._on_aborted(f"the stream failed {failures} times in a row")
                return
            pauses = _RETRY_S if self._attempts is None else _RESTART_S
            self._stopping.wait(pauses[min(failures, len(pauses) - 1)])

    def _subscribe(self, master: str) -> bool:
        """Subscribe and handle events until the stream ends; whether it had begun. Raises Aborted."""
        info, body = dict(self._identity.info), {"type": "SUBSCRIBE"}
        if self._id:
            info["id"] = {"value": self._id}
            body["framework_id"] = {"value": self._id}  # type: ignore[assignment]
        body["subscribe"] = {"framework_info": info}  # type: ignore[assignment]
        host, _, port = master.rpartition(":")
        # closed by this thread alone: a response whose connection another one closes fails in ways of its own
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=_CONNECT_TIMEOUT_S)) as stream:
            stream.request("POST", _PATH, json.dumps(body), self._identity.headers)
            answer = stream.getresponse()
            if answer.status != http.HTTPStatus.OK:
                self._refused(master, answer)
                return False
            session = _Session(master, self._identity, stream, answer.getheader("Mesos-Stream-Id") or "")
            session.socket.settimeout(_SILENCE_S)
            if self._attempts is None:
                # A master connects to libmesos by itself: no firewall that forgot connections holds its messages back
                session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            with self._lock:
                self._session = session
            while size := answer.readline():
                self._event(session, json.loads(answer.read(int(size))))
        log.info("Framework disconnected!")
        return True

    def _refused(self, master: str, answer: http.client.HTTPResponse) -> None:
        """A master that does not lead (307), has no routes yet (404) or is not ready (503) may be asked again.

        One that has just started says 404 for some milliseconds, longer on a busy machine. It is asked then if it led
        before: its node in ZooKeeper is there still.
        """
        text = answer.read().decode(errors="replace")
        if answer.status == http.HTTPStatus.TEMPORARY_REDIRECT:
            location = urllib.parse.urlsplit(answer.getheader("Location") or "")
            self._detector.redirected(location.netloc)
        elif answer.status not in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.SERVICE_UNAVAILABLE):
            raise Aborted(f"{master} refused the subscription: {answer.status} {text}")

    def _event(self, session: _Session, event: Json) -> None:
        kind = event["type"]
        if kind == "SUBSCRIBED":
            found = event["subscribed"]["framework_id"]["value"]
            log.info("Framework %s! ID = %s", "re-registered" if self._id == found else "registered", found)
            self._id = session.framework_id = found
            session.subscribed = True
        elif kind == "ERROR":
            raise Aborted(event["error"]["message"])
        elif kind == "UPDATE" and "uuid" in event["update"]["status"]:
            status = event["update"]["status"]
            what = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
            self.send({"type": "ACKNOWLEDGE", "acknowledge": what})
        self._on_event(event)

    def _end_session(self) -> None:
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.ended.set()
            session.close()

    def _follow(self) -> None:
        """Leave a master that leads no longer; one that hangs would go unnoticed until the stream times out.

        It is let to end by itself, which it does when it learns that: to one that does not know it yet, the end of our
        stream would be that of a framework with failover 0, and it would kill our tasks. libmesos keeps its link, too.
        """
        while not self._stopping.is_set():
            leader = self._detector.changed()
            with self._lock:
                session = self._session
            if session is not None and leader is not None and session.master != leader:
                log.info("New master detected at %s", leader)
                if not session.ended.wait(_FAREWELL_S):
                    session.close()

    # --- the calls

    def _send_all(self) -> None:
        while (entry := self._calls.get()) is not None:
            session, call = entry
            with self._lock:
                current = session is self._session
            if not current:
                continue
            try:
                session.post(call)
            except (OSError, http.client.HTTPException) as exc:
                if not self._stopping.is_set():
                    log.warning("%s was not delivered to %s: %s", call["type"], session.master, exc)
                session.close()


class _Session:
    """One subscription: the stream's connection, and one more for the calls."""

    def __init__(self, master: str, identity: Identity, stream: http.client.HTTPConnection, stream_id: str) -> None:
        self.master, self._identity, self._stream_id = master, identity, stream_id
        self.framework_id = ""
        self.subscribed = False
        self.ended = threading.Event()
        if stream.sock is None:
            raise http.client.HTTPException("the answer to SUBSCRIBE is no stream")
        self.socket: socket.socket = stream.sock
        self._calls: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()

    def post(self, call: Json) -> None:
        """Make one call. Raises OSError or HTTPException when it was not accepted."""
        with self._lock:
            if self._calls is None:
                host, _, port = self.master.rpartition(":")
                self._calls = http.client.HTTPConnection(host, int(port), timeout=_CONNECT_TIMEOUT_S)
            body = json.dumps({**call, "framework_id": {"value": self.framework_id}})
            self._calls.request("POST", _PATH, body, self._identity.headers | {"Mesos-Stream-Id": self._stream_id})
            answer = self._calls.getresponse()
            text = answer.read().decode(errors="replace")
        if answer.status != http.HTTPStatus.ACCEPTED:
            raise http.client.HTTPException(f"{answer.status} {text}")

    def close(self) -> None:
        """End the stream, so that the thread that reads it goes on."""
        with contextlib.suppress(OSError):  # it is closed already
            self.socket.shutdown(socket.SHUT_RDWR)
