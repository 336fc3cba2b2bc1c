"""Scripts of ours on nodes say who they are with what only root can read there; nothing of it is in an argument."""

from __future__ import annotations

import base64
import json
import shlex
import socketserver
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clusterctl.remote import marathoncall, mastercall
from clusterctl.remote import probe as script
from clusterctl.remote.masters import SshMasters
from clusterctl.remote.prober import SshProber
from clusterctl.remote.standardinput import sent
from clusterctl.secrets.logins import operator_logins, probe_logins
from clusterctl.services import Service
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from clusterctl.ssh.process import Finished
from tests.unit.health.clusters import expect, facts
from tests.unit.specs import demo_spec, only_closed
from tests.unit.ssh.keys import ED25519

SECRET = "s3cr3t"
BASIC = "Basic " + base64.b64encode(b"probe:s3cr3t").decode()


@contextmanager
def strict(body: Any) -> Iterator[tuple[int, list[str]]]:
    """A server that answers with ``body`` who says that he is the probe, and 401 all others; the heads that it got."""
    seen: list[str] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = self.request.recv(65536).decode()
            seen.append(head)
            status, text = ("200 OK", json.dumps(body)) if f"Authorization: {BASIC}" in head else ("401 No", "")
            self.request.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield server.server_address[1], seen
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def login(tmp_path: Path) -> Path:
    path = tmp_path / "login.json"
    path.write_text(json.dumps({"principal": "probe", "secret": SECRET}))
    return path


STATE = {"id": "S1", "version": "1.11.0"}


def probed(port: int, login: Path | None) -> Any:
    logins = {"logins": {"mesos_agent": str(login)}} if login else {}
    request = {"address": "127.0.0.1", "timeout_s": 2, "boot_file": "/none", "ports": {"mesos_agent": port}, **logins}
    return script.probe({**request, "units": {"mesos_agent": "mesos-agent"}})["mesos_agent"]


def test_the_probe_logs_in(login: Path) -> None:
    with strict(STATE) as (port, _):
        assert probed(port, login)["id"] == "S1"
        assert probed(port, None) == {"error": "/state: HTTP 401"}


def test_a_login_that_is_not_there_yet_is_the_services_answer(tmp_path: Path) -> None:
    with strict(STATE) as (port, _):
        assert probed(port, tmp_path / "none") == {"error": "/state: HTTP 401"}


def test_of_two_secrets_the_probe_finds_the_one_that_is_wanted(login: Path) -> None:
    """While secrets are turned over."""
    login.write_text(json.dumps({"principal": "probe", "secret": "next", "others": [SECRET]}))
    with strict(STATE) as (port, seen):
        assert probed(port, login)["id"] == "S1"
        assert seen[0].count("Basic cHJvYmU6bmV4dA==") == 1


def test_of_two_secrets_a_call_to_marathon_finds_the_one_that_is_wanted(login: Path) -> None:
    login.write_text(json.dumps({"principal": "probe", "secret": "next", "others": [SECRET]}))
    request = {"address": "127.0.0.1", "timeout_s": 2, "login": str(login)}
    calls = [{"method": "PUT", "path": "/v2/apps/a", "body": {}}] * 2
    with strict({"version": "1"}) as (port, seen):
        found = marathoncall.run({**request, "port": port, "calls": calls})
        assert found == {"answers": [{"status": 200, "body": {"version": "1"}}] * 2}
        assert [head.startswith("PUT /v2/apps/a ") for head in seen] == [True] * 4
        login.write_text(json.dumps({"principal": "probe", "secret": "next"}))
        found = marathoncall.run({**request, "port": port, "calls": calls})
        assert (found["error"].startswith("HTTP 401"), found["made"]) == (True, 0)


def test_other_ports_are_told_nothing(login: Path) -> None:
    with strict({}) as (mine, _), strict({}) as (other, seen):
        ask = script.Asker("127.0.0.1", 2.0, {mine: [f"Authorization: {BASIC}"]})
        assert (ask.http(mine, "/")[0], ask.http(other, "/")[0]) == (200, 401)
        assert "Authorization" not in seen[0]


def called(port: int, **logins: str) -> Any:
    calls = [{"type": "GET_AGENTS"}]
    request = {"address": "127.0.0.1", "port": port, "timeout_s": 2, "calls": calls, "agents": []}
    return mastercall.run({**request, "logins": logins})


def test_operator_calls_log_in(login: Path) -> None:
    with strict({"get_agents": {}}) as (port, _):
        assert called(port, master=str(login)) == {"answers": [[]]}
        assert "HTTP 401" in called(port)["error"]
        assert "HTTP 401" in called(port, agent=str(login))["error"]


def test_agents_are_asked_with_their_own_login(login: Path) -> None:
    with strict(STATE) as (port, _):
        place, found = f"127.0.0.1:{port}", mastercall.header({"agent": str(login)}, "agent")
        assert mastercall.agent_drains(place, 2.0, found) is False
        assert mastercall.agent_drains(place, 2.0, {}) is None


class Words:
    """An ssh that notes the words of commands."""

    def __init__(self, known: KnownHosts, answer: str) -> None:
        self.ssh = Ssh(SshConfig("debian", known.path, Path("/r")), self)
        self.keys = HostKeys(known, lambda _: "", lambda _: None)
        self.answer, self.words = answer, list[str]()
        for node in expect().control:
            known.pin(node.server_id, [ED25519])

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        self.words += shlex.split(argv[-1])
        return Finished(0, self.answer, "")

    def kill_running(self) -> None:
        raise AssertionError

    def kill_all(self) -> None:
        raise AssertionError


@pytest.mark.parametrize(("security", "root"), [(only_closed("mesos"), ["sudo", "-n"]), (only_closed(), [])])
def test_what_needs_root_asks_as_root(security: dict[str, Any], root: list[str], tmp_path: Path) -> None:
    spec = demo_spec(security=security)
    words = Words(KnownHosts(tmp_path / "a"), facts(1).model_dump_json())
    SshProber(words.ssh, words.keys, logins=probe_logins(spec)).probe(expect().control[:1])
    assert words.words[: len(root) + 1] == [*root, "python3"]
    assert json.loads(words.words[-1]).get("logins", {}) == (
        {"mesos_master": "/etc/clusterctl/secrets/mesos-probe.json"} if root else {}
    )
    words = Words(KnownHosts(tmp_path / "b"), '{"answers": []}')
    SshMasters(words.ssh, words.keys, expect().control, operator_logins(spec)).call([])
    assert words.words[: len(root) + 1] == [*root, "python3"]
    assert json.loads(words.words[-1])["logins"].get("master", "") == (
        "/etc/clusterctl/secrets/mesos-operator.json" if root else ""
    )


def test_an_open_cluster_has_no_logins() -> None:
    assert probe_logins(demo_spec()) == operator_logins(demo_spec()) == {}
    assert set(probe_logins(demo_spec(security=only_closed("mesos")))) == {Service.MESOS_MASTER, Service.MESOS_AGENT}


@pytest.mark.parametrize(
    ("files", "answer"),
    [
        ({}, {"key": None, "epochs": None, "boot": None}),
        (
            {"key": "ab\n", "epochs": "{}", "boot": '{"state": "running", "step": "secrets"}'},
            {"key": "ab\n", "epochs": "{}", "boot": "running"},
        ),
    ],
)
def test_the_key_is_read_with_how_far_the_boot_is(
    files: dict[str, str], answer: dict[str, Any], tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    ask = sent("keyfile.py", {name: str(tmp_path / name) for name in ("key", "epochs", "boot")})
    done = subprocess.run(ask.command, input=ask.stdin, capture_output=True, check=True)
    assert json.loads(done.stdout) == answer
