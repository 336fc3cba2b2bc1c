"""Requests to the nodes of Jenkins masters: one ssh a node, nothing in argv."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clusterctl.errors import NodeError
from clusterctl.health.expect import Node, expected
from clusterctl.remote.jenkinsnodes import Asked, Reply, SshJenkinsNodes
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from clusterctl.ssh.process import Finished
from tests.unit.health.clusters import FLAVORS
from tests.unit.ops.jenkins.world import jenkins_servers, jenkins_spec
from tests.unit.ssh.keys import ED25519

GROUP = expected(jenkins_spec(), jenkins_servers(), FLAVORS).agents


class Remote:
    """ssh to nodes that answer by address; ``requests`` is what they were sent."""

    def __init__(self, answers: dict[str, Finished]) -> None:
        self.answers = answers
        self.requests: dict[str, Any] = {}

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        assert shlex.split(argv[-1])[:3] == ["sudo", "-n", "python3"]
        assert "/srv/jenkins" not in " ".join(argv)
        self.requests[argv[-2]] = json.loads(stdin.splitlines()[-1])
        return self.answers[argv[-2]]

    def kill_running(self) -> None:
        raise AssertionError

    def kill_all(self) -> None:
        raise AssertionError


def nodes(remote: Remote, tmp_path: Path, *, unpinned: str = "") -> SshJenkinsNodes:
    known = KnownHosts(tmp_path / "known_hosts")
    for node in GROUP:
        if node.name != unpinned:
            known.pin(node.server_id, [ED25519])
    ssh = Ssh(SshConfig("debian", known.path, Path("/r")), remote)
    return SshJenkinsNodes(ssh, HostKeys(known, lambda _: "", lambda _: None), "/srv/jenkins")


def said(answer: Any) -> Finished:
    return Finished(0, json.dumps(answer), "")


def test_each_node_gets_its_own_request(tmp_path: Path) -> None:
    remote = Remote({"10.0.0.11": said({"answer": 1}), "10.0.0.12": said({"error": "no volume"})})
    found = nodes(remote, tmp_path).homes({"demo-jenkins-1": {"x": 1}, "demo-jenkins-2": {"x": 2}}, GROUP)
    assert remote.requests == {"10.0.0.11": {"x": 1}, "10.0.0.12": {"x": 2}}
    assert found["demo-jenkins-1"] == 1
    assert str(found["demo-jenkins-2"]) == "node demo-jenkins-2: no volume"


def test_calls_go_to_the_nodes_of_the_masters(tmp_path: Path) -> None:
    first: Node = GROUP[0]
    answers = [{"answers": [{"status": 200, "headers": {}, "body": {}}]}, {"error": "no token: x"}]
    remote = Remote({"10.0.0.11": said(answers)})
    call = {"method": "GET", "path": "/"}
    found = nodes(remote, tmp_path).call([Asked("a", first, 31000, [call]), Asked("b", first, 31002, [call])])
    assert found["a"] == [Reply(200, {}, {})]
    assert str(found["b"]) == "master b on node demo-jenkins-1 (10.0.0.11): no token: x"
    assert [each["port"] for each in remote.requests["10.0.0.11"]["masters"]] == [31000, 31002]
    assert remote.requests["10.0.0.11"]["directory"] == "/srv/jenkins"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Finished(255, "", "No route to host"), "No route to host"),
        (Finished(1, "", "sudo: a password is required"), "ended with 1 and said: sudo: a password is required"),
    ],
)
def test_a_node_that_fails_is_told(answer: Finished, why: str, tmp_path: Path) -> None:
    remote = Remote({"10.0.0.11": answer, "10.0.0.12": said({"answer": 1})})
    found = nodes(remote, tmp_path).homes({"demo-jenkins-1": {}, "demo-jenkins-2": {}}, GROUP)
    assert isinstance(found["demo-jenkins-1"], NodeError)
    assert why in str(found["demo-jenkins-1"])
    assert found["demo-jenkins-2"] == 1


def test_a_node_without_a_pinned_key_is_not_asked(tmp_path: Path) -> None:
    remote = Remote({"10.0.0.11": said({"answer": 1})})
    found = nodes(remote, tmp_path, unpinned="demo-jenkins-2").homes(
        {"demo-jenkins-1": {}, "demo-jenkins-2": {}}, GROUP
    )
    assert list(remote.requests) == ["10.0.0.11"]
    assert "its console shows no ssh host key" in str(found["demo-jenkins-2"])


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(0, {}, "connection refused"), "connection refused"),
        (Reply(400, {"x-error": "A job already exists"}, "<html>"), "HTTP 400: A job already exists"),
        (Reply(404, {}, "x" * 500), "HTTP 404"),
    ],
)
def test_reasons_are_one_line(reply: Reply, reason: str) -> None:
    assert reply.reason == reason
