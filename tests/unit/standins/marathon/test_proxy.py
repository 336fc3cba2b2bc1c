"""The standby's proxy against sockets of this test on the loopback."""

import socket
import threading
from collections.abc import Iterator

import pytest

from lab.standins.marathon.marathon_standin.messages import Request
from lab.standins.marathon.marathon_standin.proxy import forward
from tests.unit.standins.marathon.make import config

STANDBY = config("--leader_proxy_connection_timeout", "200", "--leader_proxy_read_timeout", "50")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


def test_passes_the_request_and_the_answer_on(listener: socket.socket) -> None:
    seen = []

    def leader() -> None:
        connection, _ = listener.accept()
        seen.append(connection.recv(65536).decode())
        answer = (
            "HTTP/1.1 201 Created\r\nContent-Type: text/x\r\nX-Marathon-Leader: http://l\r\nContent-Length: 2\r\n\r\nok"
        )
        connection.sendall(answer.encode())
        connection.close()

    thread = threading.Thread(target=leader)
    thread.start()
    headers = {"host": "standby", "accept": "a/b", "x-marathon-via": "1.1 other:8080"}
    response = forward(Request("POST", "/v2/apps?force=true", headers, b"{}", "10.0.0.9"), address(listener), STANDBY)
    thread.join()
    request = seen[0].lower()
    assert request.startswith("post /v2/apps?force=true http/1.1\r\n")
    assert "x-marathon-via: 1.1 other:8080, 1.1 me:8080" in request
    assert "x-forwarded-for: 10.0.0.9" in request
    assert "host: standby" not in request
    assert (response.status, response.body, response.content_type) == (201, b"ok", "text/x")
    assert response.headers["X-Marathon-Leader"] == "http://l"
    assert response.headers["X-Marathon-Via"] == "1.1 me:8080"


def test_a_loop_is_refused_without_asking_anybody() -> None:
    request = Request("GET", "/ping", {"x-marathon-via": "1.1 me:8080"})
    assert forward(request, "127.0.0.1:1", STANDBY).status == 502


def test_a_leader_that_is_not_there(listener: socket.socket) -> None:
    where = address(listener)
    listener.close()
    response = forward(Request("GET", "/ping"), where, STANDBY)
    assert (response.status, b"refused" in response.body) == (502, True)


def test_a_leader_that_hangs_up(listener: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    def leader() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.close()

    thread = threading.Thread(target=leader)
    thread.start()
    assert forward(Request("GET", "/ping"), address(listener), STANDBY).status == 500
    thread.join()
    (line,) = caplog.records
    assert line.levelname == "ERROR"
    assert line.name == "mesosphere.marathon.api.forwarder.AsyncUrlConnectionRequestForwarder"


def test_a_leader_that_does_not_answer(listener: socket.socket) -> None:
    assert forward(Request("GET", "/ping"), address(listener), STANDBY).status == 500
