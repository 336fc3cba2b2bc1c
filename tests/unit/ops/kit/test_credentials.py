"""Delivery of secrets: on standard input only, checked, and nobody left out in silence."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from clusterctl.errors import NodeError
from clusterctl.ops.kit.access import Access
from clusterctl.ops.kit.credentials import deliver
from clusterctl.secrets.files import SecretFile
from clusterctl.secrets.secret import Secret
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig, Target
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from clusterctl.ssh.process import Finished
from tests.unit.ssh.keys import ED25519

TEXT = "the-secret-itself"
FILE = SecretFile("/etc/mesos/credential", Secret(TEXT), group="mesos", mode=0o640)
N1, N2, N3 = (Target(f"n{number}", f"id-{number}", f"10.0.0.{number}") for number in (1, 2, 3))


@dataclass
class Nodes:
    """ssh to nodes that do as they are told, but for those with an answer of their own."""

    known: KnownHosts
    answers: dict[str, Finished] = field(default_factory=dict)
    argv: list[str] = field(default_factory=list)
    requests: dict[str, Any] = field(default_factory=dict)

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        self.argv += argv
        assert shlex.split(argv[-1])[:3] == ["sudo", "-n", "python3"]
        request = json.loads(stdin.splitlines()[-1])
        self.requests[argv[-2]] = request
        done = {
            file["path"]: {"sha256": sha256(file["text"].encode()).hexdigest(), "changed": True}
            for file in request["files"]
        }
        return self.answers.get(argv[-2], Finished(0, json.dumps({"answer": done}), ""))

    def kill_running(self) -> None:
        raise AssertionError

    def kill_all(self) -> None:
        raise AssertionError

    def deliver(self, *targets: Target) -> dict[str, list[str]]:
        ssh = Ssh(SshConfig("debian", self.known.path, Path("/r")), self)
        keys = HostKeys(self.known, lambda _: "", lambda _: None)
        return deliver(Access(ssh, keys, prober=None), {key: [FILE] for key in targets})  # type: ignore[arg-type]


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    known = KnownHosts(tmp_path / "known_hosts")
    for target in (N1, N2):
        known.pin(target.server_id, [ED25519])
    return Nodes(known)


def test_every_node_gets_its_files_on_standard_input(nodes: Nodes) -> None:
    assert nodes.deliver(N1, N2) == {"n1": [FILE.path], "n2": [FILE.path]}
    wanted = {"path": FILE.path, "owner": "root", "group": "mesos", "mode": 0o640, "text": TEXT}
    assert nodes.requests == {key: {"files": [wanted], "look": False} for key in ("10.0.0.1", "10.0.0.2")}
    assert TEXT not in " ".join(nodes.argv)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Finished(255, "", "ssh: connect to host: No route to host"), "No route to host"),
        (Finished(1, "", "sudo: a password is required\n"), "sudo: a password is required"),
        (Finished(0, json.dumps({"error": "KeyError: mesos"}), ""), "KeyError: mesos"),
        (
            Finished(0, json.dumps({"answer": {FILE.path: {"sha256": "00", "changed": True}}}), ""),
            "is not what was sent",
        ),
        (Finished(0, json.dumps({"answer": {}}), ""), "is not what was sent"),
    ],
)
def test_all_that_failed_are_named(nodes: Nodes, answer: Finished, says: str) -> None:
    nodes.answers["10.0.0.2"] = answer
    with pytest.raises(NodeError, match="2 of 3 nodes did not get their credentials") as caught:
        nodes.deliver(N1, N2, N3)
    lines = caught.value.message.splitlines()
    assert says in lines[1]
    assert lines[2].strip().startswith("n3: its console shows no ssh host key")
    assert TEXT not in str(caught.value)
    assert set(nodes.requests) == {"10.0.0.1", "10.0.0.2"}  # nothing is sent to whom we don't know


def test_what_is_sent_shows_nothing() -> None:
    assert TEXT not in repr(FILE)
