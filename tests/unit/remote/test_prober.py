"""The probe over ssh: who is asked, and what becomes of each answer."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clusterctl.errors import CloudError
from clusterctl.health.expect import Confined
from clusterctl.remote.prober import HOLD_S, SshProber, probe_script
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from clusterctl.ssh.process import Finished
from tests.unit.health.clusters import expect, facts
from tests.unit.ssh.keys import ECDSA, ED25519, key_line

N1, N2, N3 = expect().control
ANSWER = Finished(0, facts(1).model_dump_json(), "")


@dataclass
class Nodes:
    """ssh to nodes that answer by address; and their consoles."""

    answer: dict[str, Callable[[], Finished]]
    consoles: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    console_reads: list[str] = field(default_factory=list)
    as_root: list[bool] = field(default_factory=list)
    rebuilt: dict[str, datetime] = field(default_factory=dict)

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        assert stdin == probe_script()
        words = shlex.split(argv[-1])
        assert words[:-1] in (["python3", "-I", "-S", "-"], ["sudo", "-n", "python3", "-I", "-S", "-"])
        self.as_root.append(words[0] == "sudo")
        self.asked.append((argv[-2], json.loads(words[-1])))
        return self.answer[argv[-2]]()

    def kill_running(self) -> None:
        raise AssertionError

    def kill_all(self) -> None:
        raise AssertionError

    def console(self, server_id: str) -> str:
        self.console_reads.append(server_id)
        return self.consoles.get(server_id, "")


@pytest.fixture
def known(tmp_path: Path) -> KnownHosts:
    found = KnownHosts(tmp_path / "known_hosts")
    for node in (N1, N2, N3):
        found.pin(node.server_id, [ED25519])
    return found


def prober(nodes: Nodes, known: KnownHosts) -> SshProber:
    ssh = Ssh(SshConfig("debian", known.path, Path("/r")), nodes)
    return SshProber(ssh, HostKeys(known, nodes.console, nodes.rebuilt.get))


def test_answers_become_facts(known: KnownHosts) -> None:
    nodes = Nodes({"10.0.0.1": lambda: ANSWER})
    assert prober(nodes, known).probe([N1]) == {N1.name: facts(1)}
    ((_, request),) = nodes.asked
    assert request["address"] == "10.0.0.1"
    assert request["ports"] == {"zookeeper": 2181, "mesos_master": 5050, "marathon": 8080}
    assert request["units"] == {"zookeeper": "zookeeper", "mesos_master": "mesos-master", "marathon": "marathon"}
    assert request["boot_file"] == "/var/lib/clusterctl/boot.json"
    assert nodes.console_reads == []


def test_when_it_was_asked_is_noted_beside_what_the_nodes_clock_said(known: KnownHosts) -> None:
    now = iter((5.0, 8.0))
    told = facts(1, clock={"began_s": 1006.0, "ended_s": 1007.5}).model_dump_json()
    nodes = Nodes({"10.0.0.1": lambda: Finished(0, told, "")})
    ssh = Ssh(SshConfig("debian", known.path, Path("/r")), nodes, lambda: next(now))
    found = SshProber(ssh, HostKeys(known, nodes.console, nodes.rebuilt.get)).probe([N1])[N1.name].clock
    assert found is not None
    assert (found.asked_s, found.answered_s) == (5.0, 8.0)
    assert found.ahead_s == (999.5, 1001.0)


def test_confinement_is_asked_for_as_root_in_the_same_call_but_not_while_waiting(known: KnownHosts) -> None:
    nodes = Nodes({"10.0.0.1": lambda: ANSWER})
    asked = prober(nodes, known)
    node = replace(N1, confined=Confined(builds=True, units=True))
    asked.probe([N1])
    asked.probe([node])
    asked.hold(node, "")
    assert nodes.as_root == [False, True, False]
    assert [request.get("confinement") for _, request in nodes.asked] == [
        None,
        {
            "rules": "/run/clusterctl/confined",
            "confine": "/usr/lib/clusterctl/confine",
            "units": ["zookeeper", "mesos-master", "marathon"],
        },
        None,
    ]
    asked.probe([replace(N1, confined=Confined(units=True))])
    assert nodes.asked[-1][1]["confinement"]["rules"] is None  # type: ignore[index]


def test_a_node_without_a_pinned_key_is_pinned_from_its_console(known: KnownHosts) -> None:
    known.pin(N1.server_id, [])
    nodes = Nodes({"10.0.0.1": lambda: ANSWER}, {N1.server_id: key_line(ED25519)})
    assert prober(nodes, known).probe([N1])[N1.name].error == ""
    assert nodes.console_reads == [N1.server_id]


def test_no_key_no_connection(known: KnownHosts) -> None:
    known.pin(N1.server_id, [])
    nodes = Nodes({})
    assert "no ssh host key" in prober(nodes, known).probe([N1])[N1.name].error
    assert nodes.asked == []


def test_a_stopped_server_is_not_asked(known: KnownHosts) -> None:
    stopped = replace(N1, status="SHUTOFF")
    assert prober(Nodes({}), known).probe([stopped])[N1.name].error == "its server is SHUTOFF"


def test_a_rebuilt_server_is_pinned_anew(known: KnownHosts) -> None:
    changed = Finished(255, "", "Host key verification failed.")
    nodes = Nodes(
        {"10.0.0.1": lambda: ANSWER if known.keys(N1.server_id) == (ECDSA,) else changed},
        {N1.server_id: key_line(ECDSA)},
        rebuilt={N1.server_id: datetime.now(UTC) + timedelta(hours=1)},
    )
    assert prober(nodes, known).probe([N1])[N1.name] == facts(1)
    assert len(nodes.asked) == 2


def test_another_key_on_the_console_is_not_enough(known: KnownHosts) -> None:
    changed = Finished(255, "", "Host key verification failed.")
    nodes = Nodes({"10.0.0.1": lambda: changed}, {N1.server_id: key_line(ECDSA)})
    assert "its host key is not the one pinned" in prober(nodes, known).probe([N1])[N1.name].error
    assert known.keys(N1.server_id) == (ED25519,)


def test_a_wrong_key_that_the_console_does_not_explain_is_an_error(known: KnownHosts) -> None:
    changed = Finished(255, "", "Host key verification failed.")
    nodes = Nodes({"10.0.0.1": lambda: changed}, {N1.server_id: key_line(ED25519)})
    assert "its host key is not the one pinned" in prober(nodes, known).probe([N1])[N1.name].error
    assert len(nodes.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Finished(255, "", "ssh: connect to host: No route to host"), "No route to host"),
        (Finished(None, "", ""), "no answer within"),
        (Finished(127, "", "bash: python3: command not found\n"), "ended with 127 and said: bash: python3: command"),
        (Finished(1, "", ""), "ended with 1 and said: nothing"),
        (Finished(0, "Welcome!\n", ""), "the probe's answer is not understood"),
        (Finished(0, '{"zookeeper": 3}', ""), "the probe's answer is not understood"),
    ],
)
def test_one_failing_node_does_not_spoil_the_others(known: KnownHosts, answer: Finished, error: str) -> None:
    nodes = Nodes({"10.0.0.1": lambda: ANSWER, "10.0.0.2": lambda: answer, "10.0.0.3": lambda: ANSWER})
    found = prober(nodes, known).probe([N1, N2, N3])
    assert error in found[N2.name].error
    assert found[N1.name].error == found[N3.name].error == ""


def test_a_console_that_can_not_be_read_is_one_nodes_trouble(known: KnownHosts) -> None:
    known.pin(N1.server_id, [])
    nodes = Nodes({N2.address: lambda: ANSWER})

    def console(_server_id: str) -> str:
        raise CloudError("cannot read the console of server s1: Guest does not have a console available. (HTTP 404)")

    ssh = Ssh(SshConfig("debian", known.path, Path("/r")), nodes)
    found = SshProber(ssh, HostKeys(known, console, lambda _: None)).probe([N1, N2])
    assert "Guest does not have a console available" in found[N1.name].error
    assert not found[N2.name].error


def test_a_look_that_lasts_says_what_is_no_news(known: KnownHosts) -> None:
    nodes = Nodes({"10.0.0.1": lambda: ANSWER})
    assert prober(nodes, known).hold(N1, "0badcafe") == facts(1)
    ((_, request),) = nodes.asked
    assert request["hold"] == {"seen": "0badcafe", "for_s": HOLD_S}
    assert request["ports"] == {"zookeeper": 2181, "mesos_master": 5050, "marathon": 8080}


def test_a_look_that_lasts_pins_a_rebuilt_server_anew(known: KnownHosts) -> None:
    changed = Finished(255, "", "Host key verification failed.")
    nodes = Nodes(
        {"10.0.0.1": lambda: ANSWER if known.keys(N1.server_id) == (ECDSA,) else changed},
        {N1.server_id: key_line(ECDSA)},
        rebuilt={N1.server_id: datetime.now(UTC) + timedelta(hours=1)},
    )
    assert prober(nodes, known).hold(N1, "") == facts(1)


def test_a_look_that_reaches_nobody_says_why(known: KnownHosts) -> None:
    nodes = Nodes({"10.0.0.1": lambda: Finished(255, "", "ssh: connect to host: No route to host")})
    assert "No route" in prober(nodes, known).hold(N1, "").error
