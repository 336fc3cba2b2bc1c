"""Real sockets on loopback: breaking connections is what the proxy is for."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

from lab.faultproxy.__main__ import clouds_through
from lab.faultproxy.faults import Fault
from lab.faultproxy.proxy import Entry, FaultProxy


class Upstream(BaseHTTPRequestHandler):
    """Keystone and Nova in one."""

    seen: ClassVar[list[tuple[str, str, bytes]]] = []
    url: ClassVar[str] = ""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.command, self.path, body))
        catalog = [{"type": "compute", "endpoints": [{"url": f"{self.url}/v2.1"}]}]
        of: dict[str, Any] = {
            "/v3/auth/tokens": {"token": {"catalog": catalog}},
            "/v2.1": {"href": f"{self.url}/v2.1/"},
        }
        text = json.dumps(of.get(self.path, {"ok": True})).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Openstack-Request-Id", "req-1")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = _serve


@pytest.fixture
def upstream() -> Iterator[type[Upstream]]:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Upstream)]
    Upstream.seen, Upstream.url = [], f"http://127.0.0.1:{servers[0].server_address[1]}"
    threading.Thread(target=servers[0].serve_forever, args=(0.01,), daemon=True).start()
    yield Upstream
    servers[0].shutdown()
    servers[0].server_close()


@pytest.fixture
def proxy(upstream: type[Upstream]) -> Iterator[FaultProxy]:
    with FaultProxy(f"{upstream.url}/v3") as made:
        yield made


def ask(proxy: FaultProxy, method: str, path: str, body: str | None = None, timeout_s: float = 60) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=timeout_s)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_passes_on_and_counts_all_but_authentication(proxy: FaultProxy, upstream: type[Upstream]) -> None:
    assert ask(proxy, "POST", "/identity/v3/auth/tokens", "secret")[0] == 200
    assert ask(proxy, "POST", "/identity/v3/things?a=b", "body") == (200, {"ok": True})
    assert upstream.seen == [("POST", "/v3/auth/tokens", b"secret"), ("POST", "/v3/things?a=b", b"body")]
    assert proxy.calls == 1
    assert proxy.log == [
        Entry(None, "POST /identity/v3/auth/tokens", None, 200),
        Entry(1, "POST /identity/v3/things", None, 200),
    ]


def test_every_address_in_an_answer_is_the_proxys(upstream: type[Upstream]) -> None:
    # a Keystone of another address than the catalog's services
    with FaultProxy(f"{upstream.url.replace('127.0.0.1', 'localhost')}/v3") as proxy:
        _, token = ask(proxy, "POST", "/identity/v3/auth/tokens", "{}")
        assert token["token"]["catalog"][0]["endpoints"][0]["url"] == f"{proxy.url}/compute/v2.1"
        assert ask(proxy, "GET", "/compute/v2.1") == (200, {"href": f"{proxy.url}/compute/v2.1/"})


def test_answers_come_later_and_the_log_tells_when(proxy: FaultProxy) -> None:
    proxy.delay_s = 0.05
    began = time.monotonic()
    ask(proxy, "GET", "/identity/v3/x")
    ended = time.monotonic()
    [entry] = proxy.log
    assert began <= entry.began <= entry.ended - 0.05 <= ended - 0.05


def test_an_unknown_service(proxy: FaultProxy) -> None:
    status, body = ask(proxy, "GET", "/compute/v2.1")
    assert (status, "knows no service compute" in body["error"]["message"]) == (502, True)


def test_a_dead_upstream() -> None:
    with FaultProxy("http://127.0.0.1:1/v3") as proxy:
        assert ask(proxy, "GET", "/identity/v3")[0] == 502


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
def test_status(proxy: FaultProxy, upstream: type[Upstream], when: Any, arrived: int) -> None:
    proxy.reset(Fault("status", status=429, headers={"Retry-After": "2"}, when=when))
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=5)
    connection.request("POST", "/identity/v3/x", "body")
    response = connection.getresponse()
    assert (response.status, response.headers["Retry-After"]) == (429, "2")
    assert "injected" in json.loads(response.read())["error"]["message"]
    assert len(upstream.seen) == arrived
    assert proxy.log == [Entry(1, "POST /identity/v3/x", f"status {when}", 429)]
    connection.close()


def test_a_simulated_answer(proxy: FaultProxy, upstream: type[Upstream]) -> None:
    proxy.reset()
    proxy.add(Fault("status", status=200, body={"output": "panic"}))
    assert ask(proxy, "POST", "/identity/v3/x", "body") == (200, {"output": "panic"})
    assert not upstream.seen


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
def test_reset(proxy: FaultProxy, upstream: type[Upstream], when: Any, arrived: int) -> None:
    proxy.reset(Fault("reset", when=when))
    with pytest.raises(ConnectionResetError):
        ask(proxy, "POST", "/identity/v3/x", "body")
    assert len(upstream.seen) == arrived
    assert ask(proxy, "GET", "/identity/v3/x")[0] == 200


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
def test_hang_until_the_client_gives_up(proxy: FaultProxy, upstream: type[Upstream], when: Any, arrived: int) -> None:
    proxy.reset(Fault("hang", when=when))
    with pytest.raises(TimeoutError):
        ask(proxy, "POST", "/identity/v3/x", "body", timeout_s=0.1)
    deadline = time.monotonic() + 30  # a request that is passed on may arrive after the client has given up
    while len(upstream.seen) < arrived and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(upstream.seen) == arrived


CLIENT = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], b'body'); print('answered')"


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
def test_kill(proxy: FaultProxy, upstream: type[Upstream], when: Any, arrived: int) -> None:
    proxy.reset(Fault("kill", when=when))
    client = subprocess.Popen([sys.executable, "-c", CLIENT, f"{proxy.url}/identity/v3/x"], stdout=subprocess.PIPE)
    proxy.set_victim(client.pid)
    output, _ = client.communicate(timeout=60)
    assert (client.returncode, output) == (-9, b"")
    assert len(upstream.seen) == arrived


def test_reset_begins_anew(proxy: FaultProxy) -> None:
    ask(proxy, "GET", "/identity/v3/x")
    proxy.reset(Fault("status", call=1))
    assert (proxy.calls, proxy.log) == (0, [])
    assert ask(proxy, "GET", "/identity/v3/x")[0] == 503


def test_clouds_yaml() -> None:
    clouds: dict[str, object] = {"clouds": {"lab": {"auth": {"auth_url": "a", "username": "u"}}, "other": {}}}
    text = clouds_through(clouds, "lab", "http://127.0.0.1:1/identity/v3", 5.0)
    auth = {"auth_url": "http://127.0.0.1:1/identity/v3", "username": "u"}
    assert json.loads(text) == {"clouds": {"lab": {"auth": auth, "api_timeout": 5.0}}}
