"""The port for agents, over a socket on loopback."""

import socket
import struct
from collections.abc import Iterator, Mapping
from queue import SimpleQueue

import pytest

from lab.standins.jenkins.jenkins_standin.inbound import PROTOCOL, AgentChannel, InboundPort, utf


class Jenkins:
    """Takes any agent but one named evil; keeps what it says."""

    def __init__(self) -> None:
        self.said: SimpleQueue[tuple[object, ...]] = SimpleQueue()
        self.channel: AgentChannel | None = None

    @property
    def hello(self) -> Mapping[str, str]:
        return {"Jenkins-Version": "2.319.3"}

    def agent_connected(self, name: str, secret: str, channel: AgentChannel) -> str | None:
        if name == "evil":
            return "no"
        self.channel = channel
        channel.welcome("Welcome")
        self.said.put((name, secret, channel.root))
        return None

    def agent_log(self, name: str, number: int, data: bytes) -> None:
        self.said.put((name, number, data))

    def agent_exit(self, name: str, number: int, code: int) -> None:
        self.said.put((name, number, code))

    def agent_lost(self, name: str, channel: AgentChannel) -> None:
        self.said.put((name, "lost"))


@pytest.fixture
def registry() -> Jenkins:
    return Jenkins()


@pytest.fixture
def connection(registry: Jenkins) -> Iterator[socket.socket]:
    port = InboundPort("127.0.0.1", 0, registry)
    port.start()
    with socket.create_connection(("127.0.0.1", port.port), 5) as made:
        yield made


def read(connection: socket.socket, count: int) -> bytes:
    return connection.makefile("rb", 0).read(count) if count < 2 else connection.recv(count, socket.MSG_WAITALL)


def introduce(connection: socket.socket, name: str) -> None:
    connection.sendall(b"".join(map(utf, (PROTOCOL, name, "s", "/sandbox"))))


def test_ping(connection: socket.socket) -> None:
    connection.sendall(utf("Protocol:Ping"))
    assert read(connection, 5) == b"Ping\n"


def test_http(connection: socket.socket) -> None:
    connection.sendall(b"GET / HTTP/1.0\r\nA: b\r\n\r\n")
    assert b"Jenkins-Version: 2.319.3" in connection.makefile("rb").read()


def test_other_protocols_are_refused(connection: socket.socket) -> None:
    connection.sendall(utf("Protocol:JNLP4-connect"))
    assert b"Unknown protocol" in connection.makefile("rb").read()


def test_refused_agent(connection: socket.socket) -> None:
    introduce(connection, "evil")
    assert connection.makefile("rb").read() == utf("no")


def test_agent(connection: socket.socket, registry: Jenkins) -> None:
    introduce(connection, "n1")
    assert read(connection, 9) == utf("Welcome")
    assert registry.said.get(timeout=5) == ("n1", "s", "/sandbox")
    assert registry.channel is not None
    registry.channel.run(7, "jenkins/workspace/a", {"A": "ö"}, "true")
    expected = struct.pack(">BI", 1, 7) + utf("jenkins/workspace/a") + struct.pack(">I", 1) + utf("A") + utf("ö")
    expected += struct.pack(">I", 4) + b"true"
    assert read(connection, len(expected)) == expected
    registry.channel.stop(7)
    registry.channel.ping()
    assert read(connection, 10) == struct.pack(">BIBI", 2, 7, 5, 0)
    connection.sendall(struct.pack(">BII", 3, 7, 2) + b"hi" + struct.pack(">BII", 5, 0, 0))
    connection.sendall(struct.pack(">BII", 4, 7, 3) + b"137")
    assert [registry.said.get(timeout=5) for _ in range(2)] == [("n1", 7, b"hi"), ("n1", 7, 137)]
    registry.channel.close()
    assert registry.said.get(timeout=5) == ("n1", "lost")
    registry.channel.ping()  # into the void


def test_a_mad_agent_is_dropped(connection: socket.socket, registry: Jenkins) -> None:
    introduce(connection, "n1")
    registry.said.get(timeout=5)
    connection.sendall(struct.pack(">BII", 3, 7, 2**31))
    assert registry.said.get(timeout=5) == ("n1", "lost")
