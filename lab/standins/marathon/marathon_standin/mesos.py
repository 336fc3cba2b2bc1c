"""The connection to the leading Mesos master over the v1 scheduler HTTP API.

One thread keeps the subscription's event stream (RecordIO of JSON), another sends the calls in their order. A call
that cannot be delivered ends the subscription: the next one begins with reconciliation, which finds out what was lost.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import queue
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .config import Config
from .detector import MasterDetector
from .exits import Crash, Exit
from .framework import framework_info

log = logging.getLogger(__name__)
_PATH = "/api/v1/scheduler"
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_CONNECT_TIMEOUT_S = 5.0
_RETRY_S = (0.25, 0.5, 1.0, 2.0)  # between attempts to subscribe


class MesosDriver:
    """``identity`` returns the framework's id, if it has one, and its roles.

    ``on_event`` and ``on_disconnected`` are called from the stream's thread, ``on_crash`` from either.
    """

    def __init__(
        self,
        config: Config,
        detector: MasterDetector,
        identity: Callable[[], tuple[str | None, list[str]]],
        on_event: Callable[[dict[str, Any]], None],
        on_disconnected: Callable[[], None],
        on_crash: Callable[[Crash], None],
    ) -> None:
        self._config, self._detector, self._identity = config, detector, identity
        self._on_event, self._on_disconnected, self._on_crash = on_event, on_disconnected, on_crash
        self._silence_s = config.mesos_heartbeat_interval / 1000 * config.mesos_heartbeat_failure_threshold
        self._lock = threading.Lock()
        self._session: _Session | None = None
        self._stopped = False
        self._calls: queue.SimpleQueue[tuple[_Session, dict[str, Any]]] = queue.SimpleQueue()

    @property
    def master(self) -> str | None:
        """host:port of the master that we are subscribed to."""
        with self._lock:
            return self._session.master if self._session else None

    def start(self) -> None:
        for target in (self._run, self._send_all, self._follow_leader):
            threading.Thread(target=target, name=f"mesos{target.__name__}", daemon=True).start()

    def stop(self) -> None:
        """End the subscription for good; the framework's tasks go on (``--failover_timeout``)."""
        self._stopped = True
        self._end_session()

    def send(self, calls: list[dict[str, Any]]) -> None:
        """Queue calls for the present subscription; without one they are dropped (reconciliation finds out)."""
        with self._lock:
            session = self._session
        if session is not None:
            for call in calls:
                self._calls.put((session, call))

    # --- the stream

    def _run(self) -> None:
        failures = 0
        while not self._stopped:
            master = self._detector.wait(not_this=None, timeout_s=3600.0)
            if master is None:
                continue
            try:
                if self._subscribe(master):
                    failures = 0
            except (OSError, http.client.HTTPException, ValueError) as exc:
                log.info("Connection to the Mesos master %s: %s", master, exc)
            except Crash as crash:
                self._on_crash(crash)
                return
            self._end_session()
            self._detector.wait(not_this=master, timeout_s=_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1

    def _subscribe(self, master: str) -> bool:
        """Subscribe and handle events until the stream ends; return whether it had begun."""
        framework_id, roles = self._identity()
        host, _, port = master.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=_CONNECT_TIMEOUT_S)
        call: dict[str, Any] = {
            "type": "SUBSCRIBE",
            "subscribe": {"framework_info": framework_info(self._config, framework_id, roles)},
        }
        if framework_id:
            call["framework_id"] = {"value": framework_id}
        headers = _JSON | authorization(self._config)
        connection.request("POST", _PATH, json.dumps(call), headers)
        response = connection.getresponse()
        if response.status != 200:
            subscription_refused(response.status, response.read().decode(errors="replace"))
            return False
        session = _Session(master, connection, response.getheader("Mesos-Stream-Id") or "", headers)
        session.socket.settimeout(self._silence_s)
        # A master connects to libmesos by itself, so no firewall that forgot connections holds its messages back
        session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        with self._lock:
            self._session = session
        while size := response.readline():
            event = json.loads(response.read(int(size)))
            if event["type"] == "SUBSCRIBED":
                session.framework_id = event["subscribed"]["framework_id"]["value"]
                event["subscribed"]["roles"] = roles  # that we have asked for
            self._on_event(event)
        return True

    def _end_session(self) -> None:
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()
            self._on_disconnected()

    def _follow_leader(self) -> None:
        """Leave a master that leads no longer; a hanging one would go unnoticed until the stream times out."""
        known: str | None = None
        while True:
            known = self._detector.wait(not_this=known, timeout_s=3600.0)
            with self._lock:
                session = self._session
            if session is not None and known is not None and session.master != known:
                log.info("Leaving the Mesos master %s: %s leads", session.master, known)
                session.close()

    # --- the calls

    def _send_all(self) -> None:
        while True:
            session, call = self._calls.get()
            with self._lock:
                current = session is self._session
            if not current:
                continue
            try:
                session.post(call)
            except (OSError, http.client.HTTPException) as exc:
                log.warning("%s was not delivered to %s: %s", call["type"], session.master, exc)
                session.close()


def authorization(config: Config) -> dict[str, str]:
    """Return the header that proves the principal to the master; none without ``--mesos_authentication``.

    The file is read each time and its bytes are the secret, a newline at its end among them, as Marathon does it. Where
    Marathon would hand the secret to libmesos, the v1 API wants it as basic authentication.
    Raises Crash if the file can't be read.
    """
    if not config.mesos_authentication:
        return {}
    secret = (config.mesos_authentication_secret or "").encode()
    if config.mesos_authentication_secret_file:
        try:
            secret = Path(config.mesos_authentication_secret_file).read_bytes()
        except OSError as exc:
            raise Crash(Exit.UNCAUGHT_EXCEPTION, f"--mesos_authentication_secret_file: {exc}") from exc
    pair = f"{config.mesos_authentication_principal}:".encode() + secret
    log.info("Authenticate with Mesos as %s", config.mesos_authentication_principal)
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def subscription_refused(status: int, body: str) -> None:
    """Raise Crash if asking again cannot help; a master that does not lead (307), has no routes yet (404) or is not
    ready (503) may change.
    """
    if status in (307, 404, 503):
        log.info("The Mesos master is not ready for us: %s %s", status, body)
        return
    raise Crash(Exit.MESOS_SCHEDULER_ERROR, f"Mesos refused the subscription: {status} {body}")


class _Session:
    """One subscription: its stream's connection, and one more for the calls."""

    def __init__(
        self, master: str, stream: http.client.HTTPConnection, stream_id: str, headers: dict[str, str]
    ) -> None:
        self.master = master
        self.framework_id = ""
        self._headers = headers | {"Mesos-Stream-Id": stream_id}
        self._stream = stream
        if stream.sock is None:  # the master said that it will close the connection
            raise http.client.HTTPException("the answer to SUBSCRIBE is no stream")
        self.socket: socket.socket = stream.sock
        self._call: http.client.HTTPConnection | None = None

    def post(self, call: dict[str, Any]) -> None:
        """Send one call. Raises OSError or HTTPException when it was not accepted."""
        if self._call is None:
            host, _, port = self.master.rpartition(":")
            self._call = http.client.HTTPConnection(host, int(port), timeout=_CONNECT_TIMEOUT_S)
        body = json.dumps({**call, "framework_id": {"value": self.framework_id}})
        self._call.request("POST", _PATH, body, self._headers)
        response = self._call.getresponse()
        text = response.read().decode(errors="replace")
        if response.status not in (200, 202):  # UPDATE_FRAMEWORK is answered once it is done
            raise http.client.HTTPException(f"{response.status} {text}")

    def close(self) -> None:
        """End the stream, so that the thread that reads it goes on."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("the stream was closed already")
        self._stream.close()
