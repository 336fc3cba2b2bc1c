"""A framework of the old scheduler API: libprocess messages of protobuf, as libmesos sends them for Jenkins' plugins
0.x and 1.x (``messages/messages.proto``, ``scheduler/scheduler.proto``, ``authentication/cram_md5``).

It proves itself by CRAM-MD5, subscribes, and then sends what it is told; what comes is kept.
"""

from __future__ import annotations

import hmac
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from clusterctl.secrets.secret import Secret
from tests.contract.mesos.cluster import MASTER_PORT, wait_for
from tests.contract.mesos.secured import HOST, message

# scheduler.proto, Call.Type and the fields of the calls
SUBSCRIBE, DECLINE, REVIVE, ACKNOWLEDGE, RECONCILE = 1, 4, 5, 8, 9
_FIELD = {SUBSCRIBE: 3, DECLINE: 5, ACKNOWLEDGE: 8, RECONCILE: 9}


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of a message's fields; nested ones as bytes."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = varint() if key & 7 == 2 else {1: 8, 5: 4}[key & 7]
            at += size
            yield key >> 3, data[at - size : at]


def field(data: bytes, *path: int) -> bytes:
    """The first nested field of that path; empty if there is none."""
    for number in path:
        data = next((value for key, value in fields(data) if key == number and isinstance(value, bytes)), b"")
    return data


class Driver:
    """Subscribed when it is made; every driver is another libprocess process.

    Args:
        framework_id: of one that registered before.
    """

    def __init__(self, principal: str, secret: Secret, *, role: str = "*", framework_id: bytes = b"") -> None:
        self.received: list[tuple[str, bytes]] = []
        self._server = _Server(self._take)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.pid = f"tenant@{HOST}:{self._server.server_address[1]}"
        self._socket = socket.create_connection((HOST, MASTER_PORT))
        threading.Thread(target=self._drain, daemon=True).start()
        self._lock = threading.Lock()
        self._prove(principal, secret)
        info = message((1, "nobody"), (2, principal), (6, role), (8, principal))
        if framework_id:
            info += message((3, message((1, framework_id))))
            self.framework_id = framework_id
        # as libmesos: by force in the place of the process that was the framework before
        force = message((2, 1)) if framework_id else b""
        self.call(SUBSCRIBE, message((1, info)) + force, with_id=bool(framework_id))
        registered = wait_for("the registration", lambda: self.of_kind("Framework", "egisteredMessage"))
        self.framework_id = field(registered[0], 1, 1)

    def _prove(self, principal: str, secret: Secret) -> None:
        self._send("master", "mesos.internal.AuthenticateMessage", message((1, self.pid)))
        wait_for("the mechanisms", lambda: self.of_kind("AuthenticationMechanismsMessage"))
        self._send(self._session, "mesos.internal.AuthenticationStartMessage", message((1, "CRAM-MD5")))
        (challenge, *_) = wait_for("a challenge", lambda: self.of_kind("AuthenticationStepMessage"))
        digest = hmac.new(secret.reveal().encode(), field(challenge, 1), "md5").hexdigest()
        answer = message((1, f"{principal} {digest}"))
        self._send(self._session, "mesos.internal.AuthenticationStepMessage", answer)
        wait_for("to be let in", lambda: self.of_kind("AuthenticationCompletedMessage") is not None)

    # --- what it sends -------------------------------------------------------------
    def call(self, kind: int, content: bytes = b"", *, with_id: bool = True) -> None:
        """One call of the scheduler API."""
        body = message((2, kind))
        if with_id:
            body = message((1, message((1, self.framework_id)))) + body
        if content:
            body += message((_FIELD[kind], content))
        self._send("master", "mesos.scheduler.Call", body)

    def ask(self, task_id: str) -> None:
        """For the state of a task, of which the master tells by an update."""
        self.call(RECONCILE, message((1, message((1, message((1, task_id)))))))

    def told_of(self, task_id: str) -> bool:
        """Whether an update of that task came."""
        updates = self.of_kind("StatusUpdateMessage") or []
        return any(field(each, 1, 4, 1, 1) == task_id.encode() for each in updates)

    def _send(self, process: str, name: str, body: bytes) -> None:
        head = (
            f"POST /{process}/{name} HTTP/1.1\r\nUser-Agent: libprocess/{self.pid}\r\nLibprocess-From: {self.pid}\r\n"
            f"Connection: Keep-Alive\r\nHost: \r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with self._lock:
            self._socket.sendall(head.encode() + body)

    # --- what it is told ------------------------------------------------------------
    def of_kind(self, *parts: str) -> list[bytes] | None:
        """Bodies of the messages received whose name has all these parts; None if there is none."""
        return [body for name, body in list(self.received) if all(part in name for part in parts)] or None

    @property
    def errors(self) -> list[str]:
        """What made libmesos' driver abort."""
        return [field(body, 2).decode() for body in self.of_kind("FrameworkErrorMessage") or ()]

    def _take(self, name: str, sender: str, body: bytes) -> None:
        if name.startswith("mesos.internal.Authentication"):
            self._session = sender.partition("@")[0]
        self.received.append((name, body))

    def _drain(self) -> None:
        while self._socket.recv(65536):
            pass

    def close(self) -> None:
        """Its connection ends; the framework has failed over to nobody, and Mesos removes it."""
        self._server.shutdown()
        self._server.server_close()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, take: Callable[[str, str, bytes], None]) -> None:
        self.take = take
        super().__init__((HOST, 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A master that ends resets its connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        self.server.take(self.path.rpartition("/")[2], self.headers.get("Libprocess-From", ""), self._body())
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        """libprocess sends bodies in one chunk."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
