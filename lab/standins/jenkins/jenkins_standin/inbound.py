"""The port for inbound agents: Jenkins' greetings, and the protocol of the stand-in's own agent.

An agent sends, as Java's writeUTF: "Protocol:Standin1-connect", its name, its secret, the directory it runs in; the
answer is "Welcome" or why not. Then messages: a byte for the kind, a number that tells steps apart, a body.

    to the agent    RUN   directory, count, count x (name, value), length, script
                    STOP  -
                    PING  -
    from the agent  LOG   length, bytes
                    EXIT  length, the exit code in decimal
                    PING  0
"""

from __future__ import annotations

import logging
import socket
import socketserver
import struct
import threading
from collections.abc import Mapping
from io import BufferedIOBase
from typing import Protocol

log = logging.getLogger("hudson.TcpSlaveAgentListener")
PROTOCOL = "Protocol:Standin1-connect"
_RUN, _STOP, _LOG, _EXIT, _PING = 1, 2, 3, 4, 5
_GREETING_TIMEOUT_S = 30
_SILENCE_S = 240.0  # an agent answers a ping a minute; its host may be gone without a word
_MAX_BODY = 16 * 1024 * 1024
_HEAD = struct.Struct(">BI")
_LENGTH = struct.Struct(">I")
_SHORT = struct.Struct(">H")


class Registry(Protocol):
    """The Jenkins behind the port."""

    @property
    def hello(self) -> Mapping[str, str]:
        """What GET / tells."""

    def agent_connected(self, name: str, secret: str, channel: AgentChannel) -> str | None:
        """Take an agent in; why not, if not."""

    def agent_log(self, name: str, number: int, data: bytes) -> None: ...

    def agent_exit(self, name: str, number: int, code: int) -> None: ...

    def agent_lost(self, name: str, channel: AgentChannel) -> None: ...


class AgentChannel:
    """One agent's connection. Sending to a broken one is silent: reading finds out."""

    def __init__(self, connection: socket.socket, root: str) -> None:
        self._connection, self._root = connection, root
        self._lock = threading.Lock()

    @property
    def root(self) -> str:
        """The directory that the agent runs in; its paths are relative to that."""
        return self._root

    def run(self, number: int, directory: str, environment: Mapping[str, str], script: str) -> None:
        pairs = b"".join(utf(name) + utf(value) for name, value in environment.items())
        body = script.encode()
        count = _LENGTH.pack(len(environment))
        self._send(_RUN, number, utf(directory) + count + pairs + _LENGTH.pack(len(body)) + body)

    def stop(self, number: int) -> None:
        self._send(_STOP, number, b"")

    def ping(self) -> None:
        self._send(_PING, 0, b"")

    def close(self) -> None:
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError as exc:
            log.debug("the connection was closed already: %s", exc)

    def welcome(self, text: str) -> None:
        self._raw(utf(text))

    def _send(self, kind: int, number: int, body: bytes) -> None:
        self._raw(_HEAD.pack(kind, number) + body)

    def _raw(self, data: bytes) -> None:
        try:
            with self._lock:
                self._connection.sendall(data)
        except OSError as exc:
            log.debug("not sent: %s", exc)


def utf(text: str) -> bytes:
    """Return a text as Java's writeUTF writes it (but for NUL and what is outside of the basic plane)."""
    data = text.encode()
    return _SHORT.pack(len(data)) + data


def read_exactly(stream: BufferedIOBase, count: int) -> bytes:
    """Return so many bytes. Raises EOFError."""
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the connection was closed")
    return data


def read_utf(stream: BufferedIOBase) -> str:
    return read_exactly(stream, _SHORT.unpack(read_exactly(stream, 2))[0]).decode()


class InboundPort:
    """The listener; ``port`` 0 lets the system choose."""

    def __init__(self, address: str, port: int, registry: Registry) -> None:
        """Raises OSError when the address cannot be bound."""

        class Handler(socketserver.StreamRequestHandler):
            timeout = _GREETING_TIMEOUT_S

            def handle(self) -> None:
                try:
                    _serve(self.connection, self.rfile, registry)
                except (OSError, EOFError, UnicodeDecodeError, ValueError) as exc:
                    log.info("Connection from %s: %s", self.client_address[0], exc)

        self._server = _Server((address, port), Handler)
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, name="agents", daemon=True).start()
        log.info("TCP agent listener is listening on port %d", self.port)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


def _serve(connection: socket.socket, stream: BufferedIOBase, registry: Registry) -> None:
    start = read_exactly(stream, 2)
    if start in (b"GE", b"HE"):
        _answer_http(connection, stream, registry)
        return
    protocol = read_exactly(stream, _SHORT.unpack(start)[0]).decode()
    if protocol == "Protocol:Ping":
        connection.sendall(b"Ping\n")
    elif protocol == PROTOCOL:
        _serve_agent(connection, stream, registry)
    else:
        connection.sendall(utf(f"Unknown protocol: {protocol} (the stand-in knows {PROTOCOL} and Protocol:Ping)"))


def _answer_http(connection: socket.socket, stream: BufferedIOBase, registry: Registry) -> None:
    while stream.readline(8192).strip():
        pass
    body = "".join(f"{name}: {value}\r\n" for name, value in registry.hello.items())
    head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall((head + body).encode())


def _serve_agent(connection: socket.socket, stream: BufferedIOBase, registry: Registry) -> None:
    name, secret, root = read_utf(stream), read_utf(stream), read_utf(stream)
    channel = AgentChannel(connection, root)
    refusal = registry.agent_connected(name, secret, channel)
    if refusal is not None:
        log.warning("Refused the agent %s: %s", name, refusal)
        channel.welcome(refusal)
        return
    connection.settimeout(_SILENCE_S)
    try:
        while True:
            kind, number = _HEAD.unpack(read_exactly(stream, _HEAD.size))
            length = _LENGTH.unpack(read_exactly(stream, _LENGTH.size))[0]
            if length > _MAX_BODY:
                raise ValueError(f"a message of {length} bytes")
            body = read_exactly(stream, length)
            if kind == _LOG:
                registry.agent_log(name, number, body)
            elif kind == _EXIT:
                registry.agent_exit(name, number, int(body))
            elif kind != _PING:
                raise ValueError(f"unknown message {kind}")
    finally:
        registry.agent_lost(name, channel)
