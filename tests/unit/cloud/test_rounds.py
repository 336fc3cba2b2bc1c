"""Round trips in sequence: how long commands take where each answer of the cloud is slow.

The API of ``fake_api`` is served on loopback, as the proxy of the address that clouds.yaml names. Requests are held
until no other one comes any more; those that are held together are one round.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusterctl.cloud.clients import open_clients
from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.ops.day2.inventory import _look as look_for_inventory
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.run import Run
from clusterctl.ops.lifecycle.create import create
from tests.unit.cloud.fake_api import HOST, PROJECT, FakeApi, image
from tests.unit.specs import demo_spec

QUIET_S = 0.15  # after which a round is taken for whole


@dataclass
class Rounds:
    """Holds requests until all that are sent side by side are there."""

    api: FakeApi
    log: list[list[str]] = field(default_factory=list)
    _condition: threading.Condition = field(default_factory=threading.Condition)
    _held: list[str] = field(default_factory=list)
    _last: float = 0.0

    def serve(self, request: Any) -> tuple[int, bytes, dict[str, str]]:
        with self._condition:
            self._held.append(f"{request.method} {request.url.removeprefix(HOST).split('?')[0]}")
            self._last = time.monotonic()
            number = len(self.log)
            while len(self.log) == number:
                self._condition.wait(QUIET_S / 4)
                if len(self.log) == number and time.monotonic() - self._last >= QUIET_S:
                    self.log.append(self._held)
                    self._held = []
                    self._condition.notify_all()
            context = SimpleNamespace(headers={}, status_code=0)
            text = self.api(request, context)
        return context.status_code, text.encode(), context.headers

    def before(self, call: str) -> int:
        """Rounds before the one with ``call``."""
        return next(number for number, calls in enumerate(self.log) if call in calls)


def _handler(rounds: Rounds) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = SimpleNamespace(
                method=self.command, url=self.path, body=body, headers=dict(self.headers), timeout=None
            )
            status, text, headers = rounds.serve(given)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = do_PUT = _serve

    return Handler


@pytest.fixture
def rounds(clouds_yaml: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rounds]:
    made = Rounds(FakeApi())
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    # what the clients load at their first call would part a round in two
    logged_in().server_groups("demo")
    made.log.clear()
    yield made
    server.shutdown()
    server.server_close()


def logged_in() -> OpenStackCloud:
    return OpenStackCloud(open_clients("lab"))


def prepared(api: FakeApi) -> FakeApi:
    """As much of a cloud as the demo needs."""
    api.ram_used_mib = 0
    api.networks = [{"id": "n1", "name": "lab", "project_id": PROJECT, "subnets": ["s1"]}]
    pools = [{"start": "10.0.0.10", "end": "10.0.0.99"}]
    api.subnets = [{"id": "s1", "network_id": "n1", "ip_version": 4, "cidr": "10.0.0.0/24", "allocation_pools": pools}]
    api.availability = {"subnet_ip_availability": [{"ip_version": 4, "total_ips": 253, "used_ips": 3}]}
    artifacts = {"clusterctl_mesos": "1.11.0-1", "clusterctl_marathon": "1.11.24"}
    api.images = [image("base-1", clusterctl_family="clusterctl-base", **artifacts)]
    return api


@pytest.mark.parametrize("ssh_from", ["network", "198.51.100.0/24"])
def test_create_sends_the_first_server_after_twelve_rounds_at_most(rounds: Rounds, ssh_from: str) -> None:
    api = prepared(rounds.api)
    quota = {"limit": -1, "used": 0, "reserved": 0}
    api.quotas = {"port": quota, "security_group": quota, "security_group_rule": quota}
    spec = demo_spec(access={"ssh_from": [ssh_from]})
    run = Run(spec, logged_in(), Command("create"), Guard("create"))
    create(run, wait_healthy=None)
    assert rounds.before("POST /compute/v2.1/servers") <= 12, "\n".join(map(str, rounds.log))
    assert len(api.servers) == 5


def test_an_inventory_takes_four_rounds(rounds: Rounds) -> None:
    look_for_inventory(demo_spec(), logged_in())
    assert len(rounds.log) == 4, rounds.log  # Keystone's versions, a token, Nova's versions, the lists


def test_threads_that_follow_each_other_keep_connections(rounds: Rounds) -> None:
    cloud = logged_in()
    sessions = set()

    def one(call: Callable[[], object]) -> None:
        call()
        sessions.add(id(cloud._clients.session))

    for _ in range(3):
        thread = threading.Thread(target=one, args=(cloud.flavors,))
        thread.start()
        thread.join()
    assert len(sessions) == 1
