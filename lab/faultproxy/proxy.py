"""An HTTP proxy between a client and an OpenStack's APIs that makes chosen requests fail. Standard library only.

The client's ``auth_url`` points here. The proxy learns the services' addresses from the catalog in Keystone's answers
and puts its own in their place, there and in every other JSON answer (version documents, links to the next page); so
everything that the client then sends comes through here as ``/<service>/<path>``.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from lab.faultproxy.faults import Fault, FaultPlan

UPSTREAM_TIMEOUT_S = 600.0
VICTIM_TIMEOUT_S = 10.0
# of one hop only (RFC 9110 §7.6.1), or set anew here
_NOT_FORWARDED = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "accept-encoding", "te", "upgrade"}
)


@dataclass(frozen=True)
class Entry:
    """One request in the log.

    Attributes:
        number: None for authentication.
        status: what the client was answered.
        began: when it had come, in monotonic seconds.
        ended: when it was about to be answered.
    """

    number: int | None
    request: str
    fault: str | None
    status: int | None
    began: float = field(default=0.0, compare=False)
    ended: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class _Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class FaultProxy:
    """A running proxy, as a context manager.

    Args:
        auth_url: of the real Keystone.
        port: on 127.0.0.1; 0 takes a free one.

    Attributes:
        delay_s: seconds by which each answer comes later, authentication's as well.
    """

    def __init__(self, auth_url: str, port: int = 0) -> None:
        self.delay_s = 0.0
        parts = urlsplit(auth_url)
        self._routes = {"identity": f"{parts.scheme}://{parts.netloc}"}
        self._plan, self._log = FaultPlan(), list[Entry]()
        self._lock = threading.Condition()
        self._victim: int | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.auth_url = f"{self.url}/identity{parts.path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    # --- control ------------------------------------------------------------------------------------------------
    def reset(self, *faults: Fault) -> None:
        """These faults from now on; the numbering and the log begin anew, the victim is forgotten."""
        with self._lock:
            self._plan.reset(list(faults))
            self._log.clear()
            self._victim = None

    def add(self, *faults: Fault) -> None:
        """These faults as well, from now on."""
        with self._lock:
            self._plan.faults += faults

    @property
    def log(self) -> list[Entry]:
        """What was asked since the last reset, in the order in which it was answered or broken off."""
        with self._lock:
            return list(self._log)

    @property
    def calls(self) -> int:
        """Requests since the last reset, authentication not counted."""
        with self._lock:
            return self._plan.number

    def set_victim(self, pid: int) -> None:
        """The process that ``kill`` kills."""
        with self._lock:
            self._victim = pid
            self._lock.notify_all()

    # --- for the handler ----------------------------------------------------------------------------------------
    def choose(self, request: str) -> tuple[int | None, Fault | None]:
        """Number and fault of a request."""
        with self._lock:
            return self._plan.next(request, counted=not request.endswith("/auth/tokens"))

    def record(self, entry: Entry) -> None:
        """Adds to the log."""
        with self._lock:
            self._log.append(entry)

    def kill_victim(self) -> None:
        """SIGKILL; waits for the victim to be named, since a client may ask before its starter knows its pid."""
        with self._lock:
            self._lock.wait_for(lambda: self._victim is not None, VICTIM_TIMEOUT_S)
            if self._victim is None:
                raise RuntimeError("a fault asks for a kill, but no victim was named")
            os.kill(self._victim, signal.SIGKILL)

    def upstream(self, service: str) -> str | None:
        """``http://host:port`` of a service."""
        with self._lock:
            return self._routes.get(service)

    def learn(self, body: bytes) -> None:
        """Takes the services' addresses from a token's catalog; other bodies are left alone."""
        try:
            catalog = json.loads(body)["token"]["catalog"]
        except (ValueError, KeyError, TypeError):
            return
        with self._lock:
            for service in catalog:
                for endpoint in service["endpoints"]:
                    parts = urlsplit(endpoint["url"])
                    origin = f"{parts.scheme}://{parts.netloc}"
                    if origin not in self._routes.values():
                        self._routes[service["type"]] = origin

    def rewrite(self, text: bytes) -> bytes:
        """Puts the proxy's address in the place of every service's."""
        with self._lock:
            routes = sorted(self._routes.items(), key=lambda item: -len(item[1]))
        for service, origin in routes:
            text = text.replace(origin.encode(), f"{self.url}/{service}".encode())
        return text


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"proxy": proxy})


class _Handler(BaseHTTPRequestHandler):
    proxy: ClassVar[FaultProxy]

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the proxy has a log of its own."""

    def _serve(self) -> None:
        path = self.path.split("?")[0].rstrip("/")
        request = f"{self.command} {path}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        began = time.monotonic()
        number, fault = self.proxy.choose(request)
        time.sleep(self.proxy.delay_s)
        reply = self._forward(body) if fault is None or fault.when == "after" else None
        if fault is not None:
            reply = _injected(fault) if fault.do == "status" else None
        struck, status = f"{fault.do} {fault.when}" if fault else None, reply.status if reply else None
        # before the answer, so that who has the answer finds the entry
        self.proxy.record(Entry(number, request, struck, status, began, time.monotonic()))
        try:
            if reply is not None:
                self._answer(reply)
            elif fault is not None:
                self._break(fault)
        except ConnectionError:
            pass  # the client is gone, perhaps by a kill of ours: nobody to answer

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve  # http.server's names

    def _forward(self, body: bytes) -> _Reply:
        service, _, rest = self.path.lstrip("/").partition("/")
        origin = self.proxy.upstream(service)
        if origin is None:
            return _error(502, f"the fault proxy knows no service {service}")
        parts = urlsplit(origin)
        connector = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = connector(parts.netloc, timeout=UPSTREAM_TIMEOUT_S)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_FORWARDED}
        try:
            connection.request(self.command, f"/{rest}", body=body or None, headers=headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            return _error(502, f"{service} behind the fault proxy: {error}")
        finally:
            connection.close()
        if self.path.endswith("/auth/tokens"):
            self.proxy.learn(answer)
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in _NOT_FORWARDED]
        if "json" in (response.getheader("Content-Type") or ""):
            answer = self.proxy.rewrite(answer)
        rewritten = [(name, self.proxy.rewrite(value.encode()).decode()) for name, value in kept]
        return _Reply(response.status, rewritten, answer)

    def _answer(self, reply: _Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _break(self, fault: Fault) -> None:
        if fault.do == "kill":
            self.proxy.kill_victim()
        if fault.do == "hang":
            select.select([self.connection], [], [], fault.hang_s)  # readable: the client has closed
        # linger of 0 s: the close sends RST
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def _error(status: int, message: str) -> _Reply:
    return _json(status, {"error": {"code": status, "message": message}}, {})


def _json(status: int, body: Any, headers: Mapping[str, str]) -> _Reply:
    return _Reply(status, [("Content-Type", "application/json"), *headers.items()], json.dumps(body).encode())


def _injected(fault: Fault) -> _Reply:
    error = {"error": {"code": fault.status, "message": "injected by the fault proxy"}}
    return _json(fault.status, error if fault.body is None else fault.body, fault.headers)
