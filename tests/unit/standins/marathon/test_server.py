"""The HTTP listener on a loopback port."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from lab.standins.marathon.marathon_standin import server
from lab.standins.marathon.marathon_standin.exits import Crash, Exit
from lab.standins.marathon.marathon_standin.messages import Request, Response, as_json
from tests.unit.standins.marathon.make import config


def answer(request: Request) -> Response:
    if request.path == "/slow":
        raise TimeoutError
    if request.path == "/broken":
        raise KeyError("x")
    return as_json(200, [request.method, request.target, request.body.decode(), request.headers["accept"]], X_Y="z")


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    server.start(config("--http_address", "127.0.0.1", "--http_port", str(number)), answer)
    return number


@pytest.fixture
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    yield made
    made.close()


def test_request_and_response(connection: http.client.HTTPConnection) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):  # on one connection
        connection.request(method, "/a?b=c", "body", {"Accept": "d"})
        response = connection.getresponse()
        assert response.read() == f'["{method}", "/a?b=c", "body", "d"]'.encode()
        assert (response.status, response.getheader("X-Y")) == (200, "z")
        assert response.getheader("Content-Type") == "application/json"
        assert "no-cache" in (response.getheader("Cache-Control") or "")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/slow", {}, 504),
        ("/broken", {}, 500),
        ("/", {"Transfer-Encoding": "chunked"}, 411),
        ("/", {"Content-Length": "x"}, 411),
        ("/", {"Content-Length": str(10**9)}, 413),
    ],
)
def test_errors(connection: http.client.HTTPConnection, path: str, headers: dict[str, str], status: int) -> None:
    connection.putrequest("POST", path)
    for name, value in ({"Content-Length": "0"} | headers if "Transfer-Encoding" not in headers else headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == status
    assert b"message" in response.read()


def test_an_address_in_use_is_marathons_111(port: int) -> None:
    with pytest.raises(Crash) as caught:
        server.start(config("--http_address", "127.0.0.1", "--http_port", str(port)), answer)
    assert caught.value.code is Exit.BINDING_ERROR
