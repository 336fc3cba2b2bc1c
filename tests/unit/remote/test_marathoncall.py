"""The script that asks Marathon, and the way to it over ssh."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clusterctl.remote import marathoncall as script
from clusterctl.remote.marathons import Answer, Call, MarathonError, SshMarathon
from clusterctl.services import Service
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from clusterctl.ssh.process import Finished
from tests.unit.health.clusters import expect
from tests.unit.remote.test_probe import ADDRESS, http, serving
from tests.unit.ssh.keys import ED25519

HTTP = " HTTP/1.1"


def run(port: int, *calls: Call) -> Any:
    request = {"address": ADDRESS, "port": port, "timeout_s": 2, "calls": [call.to_json() for call in calls]}
    return script.run(request)


def test_who_calls_is_read_from_a_file_of_the_node(tmp_path: Path) -> None:
    login = tmp_path / "login.json"
    heard: list[str] = []
    with serving({f"GET /v2/apps{HTTP}": http({"apps": []})}, heard) as port:
        request = {"address": ADDRESS, "port": port, "timeout_s": 2, "calls": [Call("GET", "/v2/apps").to_json()]}
        assert script.headers(str(login)) == [{}], "it may not be there yet"
        login.write_text('{"principal": "clusterctl", "secret": "hush"}')
        assert script.run({**request, "login": str(login)}) == {"answers": [{"status": 200, "body": {"apps": []}}]}
    assert "Authorization: Basic Y2x1c3RlcmN0bDpodXNo" in heard


def test_a_password_that_is_refused_is_no_answer() -> None:
    with serving({f"GET /v2/apps{HTTP}": http(b"", "401 Unauthorized")}) as port:
        found = run(port, Call("GET", "/v2/apps"))
    assert (found["error"].startswith("HTTP 401: it wants another password"), found["made"]) == (True, 0)


def test_refusals_are_answers() -> None:
    answers = {
        f"GET /v2/apps{HTTP}": http({"apps": []}),
        f"PUT /v2/apps/a{HTTP}": http({"message": "Object is not valid"}, "422 Unprocessable Entity"),
        f"DELETE /v2/apps/a{HTTP}": http(b"gone", "404 Not Found"),
    }
    with serving(answers) as port:
        found = run(port, Call("GET", "/v2/apps"), Call("PUT", "/v2/apps/a", {"x": 1}), Call("DELETE", "/v2/apps/a"))
    assert found == {
        "answers": [
            {"status": 200, "body": {"apps": []}},
            {"status": 422, "body": {"message": "Object is not valid"}},
            {"status": 404, "body": "gone"},
        ]
    }


@pytest.mark.parametrize(
    ("body", "status"), [(b"Could not determine the current leader", "503 X"), (b"Error while proxying", "500 X")]
)
def test_an_instance_that_reaches_no_leader_is_passed_over(body: bytes, status: str) -> None:
    with serving({f"GET /v2/apps{HTTP}": http(body, status)}) as port:
        found = run(port, Call("GET", "/v2/apps"))
    assert (found["error"].startswith(f"HTTP {status[:3]}: "), found["made"]) == (True, 0)


def test_a_leaders_own_failure_is_an_answer() -> None:
    with serving({f"GET /v2/apps{HTTP}": http({"message": "boom"}, "500 Internal Server Error")}) as port:
        [answer] = run(port, Call("GET", "/v2/apps"))["answers"]
    assert Answer(**answer).reason == "HTTP 500: boom"


def test_no_marathon() -> None:
    with serving({}) as port:
        pass
    assert "ConnectionRefusedError" in run(port, Call("GET", "/v2/apps"))["error"]


class Nodes:
    """ssh to control nodes that answer by address."""

    login: str | None = None

    def __init__(self, **answers: Finished) -> None:
        self.answers = {address.replace("_", "."): answer for address, answer in answers.items()}
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        words = shlex.split(argv[-1])
        if self.login:
            assert words[:2] == ["sudo", "-n"], "only root can read it"
            words = words[2:]
        assert words[:4] == ["python3", "-I", "-S", "-c"]
        assert "s3cret" not in " ".join(argv)
        request = json.loads(stdin.splitlines()[-1])
        assert request["address"] == argv[-2]
        assert request.get("login") == self.login
        assert request["calls"] == [{"method": "PUT", "path": "/v2/apps/a", "body": {"env": "s3cret"}}]
        self.asked.append(argv[-2])
        return self.answers[argv[-2]]

    def kill_running(self) -> None:
        raise AssertionError

    def kill_all(self) -> None:
        raise AssertionError


def ask(nodes: Nodes, tmp_path: Path) -> list[Answer]:
    known = KnownHosts(tmp_path / "known_hosts")
    for node in expect().control:
        known.pin(node.server_id, [ED25519])
    ssh = Ssh(SshConfig("debian", known.path, Path("/r")), nodes)
    logins = {Service.MARATHON: nodes.login} if nodes.login else None
    marathon = SshMarathon(ssh, HostKeys(known, lambda _: "", lambda _: None), expect().control, logins)
    return marathon.call([Call("PUT", "/v2/apps/a", {"env": "s3cret"})])


UNREACHABLE = Finished(255, "", "connect to host 10.0.0.1 port 22: No route to host")
NO_LEADER = Finished(0, '{"error": "HTTP 503: no leader", "made": 1}', "")
GOOD = Finished(0, '{"answers": [{"status": 200, "body": null}]}', "")


def test_the_next_control_node_is_asked_where_one_fails(tmp_path: Path) -> None:
    nodes = Nodes(**{"10_0_0_1": UNREACHABLE, "10_0_0_2": NO_LEADER, "10_0_0_3": GOOD})
    assert ask(nodes, tmp_path) == [Answer(200, None)]
    assert nodes.asked == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_all_reasons_are_told_if_none_answers(tmp_path: Path) -> None:
    nodes = Nodes(**{"10_0_0_1": UNREACHABLE, "10_0_0_2": NO_LEADER, "10_0_0_3": Finished(1, "", "no python3")})
    with pytest.raises(MarathonError) as caught:
        ask(nodes, tmp_path)
    for expected in ("No route to host", "HTTP 503: no leader", "ended with 1 and said: no python3"):
        assert expected in caught.value.message


def test_with_a_login_the_script_runs_as_root(tmp_path: Path) -> None:
    nodes = Nodes(**{"10_0_0_1": GOOD})
    nodes.login = "/etc/clusterctl/secrets/marathon-http.json"
    assert ask(nodes, tmp_path) == [Answer(200, None)]
