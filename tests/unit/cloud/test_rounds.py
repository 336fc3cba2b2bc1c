"""Round trips in sequence: how long commands take where each answer of the cloud is slow.

The API of ``fake_api`` is served on loopback, as the proxy of the address that clouds.yaml names. Requests are held
until all threads of this process sleep, so that no other one can come; those that are held together are one round.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
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

# From outside, as who looks from within holds what the others wait for. Two looks are the same, with all asleep, where
# nobody ran between them: who did has switched once more. No time limit: a busy machine takes longer
ASLEEP = """
import os, sys, time

def look(tasks):
    found = {}
    for task in os.listdir(tasks):
        try:
            lines = dict(line.split(":", 1) for line in open(f"{tasks}/{task}/status"))
        except (FileNotFoundError, ProcessLookupError):
            return None  # it has just ended
        if lines["State"].split()[0] != "S":
            return None
        found[task] = lines["voluntary_ctxt_switches"]
    return found

for tasks in map(str.strip, sys.stdin):
    before = None
    while (now := look(tasks)) is None or now != before:
        before = now
        time.sleep(0.003)
    print(flush=True)
"""


@dataclass
class Rounds:
    """Holds requests until all that are sent side by side are there."""

    api: FakeApi
    log: list[list[str]] = field(default_factory=list)
    _condition: threading.Condition = field(default_factory=threading.Condition)
    _held: list[str] = field(default_factory=list)
    _coming: int = 0  # of which the head is there
    _over: bool = False

    def comes(self) -> None:
        """A body may come later than its head while all threads sleep: behind a proxy urllib3 lets the kernel wait."""
        with self._condition:
            self._coming += 1

    def serve(self, request: Any) -> tuple[int, bytes, dict[str, str]]:
        with self._condition:
            self._coming -= 1
            self._held.append(f"{request.method} {request.url.removeprefix(HOST).split('?')[0]}")
            self._condition.notify_all()
            number = len(self.log)
            self._condition.wait_for(lambda: len(self.log) > number or self._over)
            context = SimpleNamespace(headers={}, status_code=0)
            text = self.api(request, context)
        return context.status_code, text.encode(), context.headers

    def run(self) -> None:
        """Ends round after round, until ``stop``."""
        program = [sys.executable, "-S", "-c", ASLEEP]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as watcher:
            assert watcher.stdin is not None
            assert watcher.stdout is not None
            try:
                while True:
                    with self._condition:
                        self._condition.wait_for(lambda: (self._held and not self._coming) or self._over)
                        seen = len(self._held)
                    if self._over:
                        return
                    watcher.stdin.write(f"/proc/{os.getpid()}/task\n")
                    assert watcher.stdout.readline()
                    with self._condition:
                        if len(self._held) == seen and not self._coming:
                            self.log.append(self._held)
                            self._held = []
                            self._condition.notify_all()
            finally:
                self.stop()  # whatever ended it, nobody waits for a next round

    def stop(self) -> None:
        with self._condition:
            self._over = True
            self._condition.notify_all()

    def before(self, call: str) -> int:
        """Rounds before the one with ``call``."""
        return next(number for number, calls in enumerate(self.log) if call in calls)


def _handler(rounds: Rounds) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # the kernel would hold back an answer while all threads sleep

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def _serve(self) -> None:
            rounds.comes()
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
    ending = threading.Thread(target=made.run)
    ending.start()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    yield made
    made.stop()
    ending.join()
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


@pytest.mark.parametrize(("ssh_from", "insecure"), [("network", []), ("198.51.100.0/24", "all")])
def test_create_sends_the_first_server_after_eleven_rounds_at_most(
    rounds: Rounds, ssh_from: str, insecure: str | list[str]
) -> None:
    api = prepared(rounds.api)
    quota = {"limit": -1, "used": 0, "reserved": 0}
    api.quotas = {"port": quota, "security_group": quota, "security_group_rule": quota}
    spec = demo_spec(
        access={"ssh_from": [ssh_from]},
        security={"insecure": insecure},
        availability_zone="nova",
        image=api.images[0]["name"],  # not by its family
    )
    run = Run(spec, logged_in(), Command("create"), Guard("create"))
    create(run, wait_healthy=None)
    assert rounds.before("POST /compute/v2.1/servers") <= 11, "\n".join(map(str, rounds.log))
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
