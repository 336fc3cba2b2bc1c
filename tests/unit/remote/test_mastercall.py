"""The script that makes operator calls, against small masters on loopback; and the way to it over ssh.

``tests/contract/mesos`` has it ask real ones.
"""

from __future__ import annotations

import errno
import json
import shlex
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clusterctl.remote import mastercall as script
from clusterctl.remote.masters import MasterError, SshMasters, mastercall_script
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from clusterctl.ssh.process import Finished
from tests.unit.health.clusters import expect
from tests.unit.remote.test_probe import ADDRESS, http, serving
from tests.unit.ssh.keys import ED25519

POST = "POST /api/v1 HTTP/1.1"
AGENT = {"id": {"value": "S1"}, "hostname": "10.0.0.21"}


def run(port: int, *calls: dict[str, Any], agents: Sequence[str] = ()) -> Any:
    request = {"address": ADDRESS, "port": port, "timeout_s": 2, "calls": list(calls), "agents": list(agents)}
    return script.run(request)


def test_the_leader_is_found_by_its_redirect() -> None:
    agents = {"get_agents": {"agents": [{"agent_info": AGENT, "active": True, "drain_info": {"state": "DRAINING"}}]}}
    answers: dict[str, bytes] = {}
    with serving({POST: http(agents)}) as leader, serving(answers) as standby:
        answers[POST] = http(b"", "307 Temporary Redirect", f"Location: //{ADDRESS}:{leader}/api/v1")
        found = run(standby, {"type": "GET_AGENTS"})
    [answer] = found["answers"]
    assert answer == [{"id": "S1", "hostname": "10.0.0.21", "active": True, "drain": "DRAINING", "bound": []}]


def test_what_an_identity_holds_is_told() -> None:
    dynamic = {"type": "DYNAMIC", "role": "jenkins"}
    static = {"type": "STATIC", "role": "marathon"}
    resources = [
        {"name": "cpus", "reservations": [static]},
        {"name": "mem", "reservations": [static, dynamic]},
        {"name": "disk", "reservations": [dynamic], "disk": {"persistence": {"id": "home"}}},
    ]
    agents = {"get_agents": {"agents": [{"agent_info": AGENT, "active": True, "total_resources": resources}]}}
    with serving({POST: http(agents)}) as leader:
        [[agent]] = run(leader, {"type": "GET_AGENTS"})["answers"]
    assert agent["bound"] == ["a dynamic reservation of role jenkins", "a persistent volume of role jenkins"]


def test_two_masters_that_take_each_other_for_the_leader_end_it() -> None:
    answers: dict[str, bytes] = {}
    with serving(answers) as port:
        answers[POST] = http(b"", "307 Temporary Redirect", f"Location: //{ADDRESS}:{port}/api/v1")
        assert run(port, {"type": "GET_AGENTS"}) == {"error": "redirected more than 3 times", "made": 0}


def test_only_the_tasks_of_the_wanted_agents_are_told() -> None:
    tasks = [
        {
            "task_id": {"value": f"t{agent}"},
            "name": "counter",
            "agent_id": {"value": agent},
            "framework_id": {"value": "f"},
            "state": "TASK_RUNNING",
        }
        for agent in ("S1", "S2")
    ]
    with serving({POST: http({"get_tasks": {"tasks": tasks}})}) as port:
        [answer] = run(port, {"type": "GET_TASKS"}, agents=["S2"])["answers"]
    assert [task["id"] for task in answer] == ["tS2"]


def test_a_refusal_tells_what_was_made_before() -> None:
    with serving({POST: http(b"Agent is still in the DRAINING state", "400 Bad Request")}) as port:
        found = run(port, {"type": "REACTIVATE_AGENT"})
    assert found == {"error": f"{ADDRESS}:{port}: HTTP 400: Agent is still in the DRAINING state", "made": 0}


def test_no_master() -> None:
    with serving({}) as port:
        pass
    assert "ConnectionRefusedError" in run(port, {"type": "GET_AGENTS"})["error"]


@pytest.mark.parametrize(("state", "drains"), [({"drain_config": {}}, True), ({}, False)])
def test_agents_are_asked_themselves(state: dict[str, Any], drains: bool) -> None:
    with serving({"GET /state HTTP/1.1": http(state)}) as port:
        [answer] = run(0, {"type": "AGENT_STATE", "places": [f"{ADDRESS}:{port}", f"{ADDRESS}:1"]})["answers"]
    assert answer == [drains, None]


def test_whether_hosts_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "HOST_TIMEOUT_S", 0.1)
    with (
        socket.create_server((ADDRESS, 0)) as taking,
        socket.create_server((ADDRESS, 0), backlog=0) as full,
        socket.create_connection(full.getsockname()),  # the kernel drops what comes after it, as if nobody were there
    ):
        places = [f"{ADDRESS}:{each.getsockname()[1]}" for each in (taking, full)]
        [answer] = run(0, {"type": "HOST_ANSWERS", "places": [*places, f"{ADDRESS}:1"]})["answers"]
    assert answer == [True, False, True]


@pytest.mark.parametrize(
    ("number", "answers"), [(errno.EHOSTUNREACH, False), (errno.ENETUNREACH, True), (errno.EMFILE, True)]
)
def test_what_fails_here_tells_nothing_of_a_host(number: int, answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> socket.socket:
        raise OSError(number, "failed")

    monkeypatch.setattr(socket, "create_connection", fails)
    assert script.host_answers("10.0.0.29:5051") is answers


class Nodes:
    """ssh to control nodes that answer by address."""

    def __init__(self, **answers: Finished) -> None:
        self.answers = {address.replace("_", "."): answer for address, answer in answers.items()}
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        assert stdin == mastercall_script()
        assert shlex.split(argv[-1])[:-1] == ["python3", "-I", "-S", "-"]
        assert json.loads(shlex.split(argv[-1])[-1])["address"] == argv[-2]
        self.asked.append(argv[-2])
        return self.answers[argv[-2]]

    def kill_running(self) -> None:
        raise AssertionError

    def kill_all(self) -> None:
        raise AssertionError


def masters(nodes: Nodes, known: KnownHosts) -> SshMasters:
    for node in expect().control:
        known.pin(node.server_id, [ED25519])
    ssh = Ssh(SshConfig("debian", known.path, Path("/r")), nodes)
    return SshMasters(ssh, HostKeys(known, lambda _: "", lambda _: None), expect().control)


@pytest.fixture
def known(tmp_path: Path) -> KnownHosts:
    return KnownHosts(tmp_path / "known_hosts")


UNREACHABLE = Finished(255, "", "connect to host 10.0.0.1 port 22: No route to host")
NO_LEADER = Finished(0, '{"error": "10.0.0.2:5050: HTTP 503: No leader elected", "made": 0}', "")
GOOD = Finished(0, '{"answers": [[]]}', "")


def test_the_next_control_node_is_asked_where_one_fails(known: KnownHosts) -> None:
    nodes = Nodes(**{"10_0_0_1": UNREACHABLE, "10_0_0_2": NO_LEADER, "10_0_0_3": GOOD})
    assert masters(nodes, known).call([{"type": "GET_AGENTS"}]) == [[]]
    assert nodes.asked == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_all_reasons_are_told_if_none_answers(known: KnownHosts) -> None:
    nodes = Nodes(**{"10_0_0_1": UNREACHABLE, "10_0_0_2": NO_LEADER, "10_0_0_3": Finished(1, "", "no python3")})
    with pytest.raises(MasterError) as caught:
        masters(nodes, known).call([{"type": "GET_AGENTS"}])
    for expected in ("No route to host", "No leader elected", "ended with 1 and said: no python3"):
        assert expected in caught.value.message


def test_calls_half_made_are_not_made_again_elsewhere(known: KnownHosts) -> None:
    nodes = Nodes(**{"10_0_0_1": Finished(0, '{"error": "HTTP 400: unknown agent", "made": 1}', "")})
    with pytest.raises(MasterError, match="unknown agent"):
        masters(nodes, known).call([{}, {}])
    assert nodes.asked == ["10.0.0.1"]
