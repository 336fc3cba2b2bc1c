"""Tunnels: the command of one, and children that stand for ssh."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.health.expect import Node
from clusterctl.ops.kit.access import Access
from clusterctl.ops.loadtest import tunnels as module
from clusterctl.ops.loadtest.tunnels import remove_dead, tunnel_command, tunnels
from clusterctl.services import Service
from clusterctl.ssh.config import SshConfig, Target


class Keys:
    """Host keys of which some are not to be had."""

    def __init__(self, *missing: str) -> None:
        self.missing = missing

    def find(self, to: Target) -> bool:
        return to.server_id not in self.missing


class Way:
    """What is used of ``Access``."""

    def __init__(self, control_dir: Path, *missing: str) -> None:
        self.host_keys = Keys(*missing)
        self.ssh = type("Ssh", (), {"config": config(control_dir)})


def config(control_dir: Path) -> SshConfig:
    return SshConfig(user="ops", known_hosts=Path("/k"), control_dir=control_dir, bastion="jump")


def node(number: int) -> Node:
    return Node(f"m{number}", f"server-{number}", "control", f"10.0.0.{number}", (Service.MESOS_MASTER,))


def access(control_dir: Path, *missing: str) -> Access:
    return cast(Access, Way(control_dir, *missing))


def test_the_connection_is_its_own_and_pinned() -> None:
    words = tunnel_command(config(Path("/c")), Target("m1", "server-1", "10.0.0.1"), Path("/c/s"), 5050)
    options = [words[at + 1] for at, word in enumerate(words) if word == "-o"]
    # ssh takes an option's first value
    assert options.index("ControlMaster=no") < options.index("ControlMaster=auto")
    assert next(each for each in options if each.startswith("ControlPath=")) == "ControlPath=none"
    assert {"ExitOnForwardFailure=yes", "StrictHostKeyChecking=yes", "HostKeyAlias=server-1"} <= set(options)
    assert words[words.index("-L") + 1] == "/c/s:10.0.0.1:5050"
    assert words[-2:] == ["10.0.0.1", "echo ready; exec cat"]


def test_all_are_opened_and_end_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = fake_ssh(monkeypatch, "touch $0; echo ready; exec cat")
    with tunnels(access(tmp_path), [node(1), node(2)], 5050) as endpoints:
        assert [each.address for each in endpoints] == ["10.0.0.1:5050", "10.0.0.2:5050"]
        sockets = [each.socket for each in endpoints if each.socket]
        assert all(socket.exists() for socket in sockets)
        directory = sockets[0].parent
        assert directory.stat().st_mode & 0o77 == 0
    assert len(started) == 2
    assert list(tmp_path.iterdir()) == []


def test_those_that_can_not_be_had_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ssh(monkeypatch, 'case $1 in *1) echo ready; exec cat;; *) echo "no route" >&2; exit 255;; esac')
    with tunnels(access(tmp_path, "server-3"), [node(1), node(2), node(3)], 5050) as endpoints:
        assert [each.address for each in endpoints] == ["10.0.0.1:5050"]
    with (
        pytest.raises(ClusterctlError, match=r"no tunnel to a Mesos master:\nm3 .*no ssh host key.*\nm2 .*: no route"),
        tunnels(access(tmp_path, "server-3"), [node(2), node(3)], 5050),
    ):
        pass
    with pytest.raises(ClusterctlError, match="no master has a running server"), tunnels(access(tmp_path), [], 5050):
        pass
    assert list(tmp_path.iterdir()) == []


def test_directories_of_killed_drivers_go(tmp_path: Path) -> None:
    for name in ("load-999999999-x", f"load-{os.getpid()}-x", "load-nonsense"):
        (tmp_path / name).mkdir()
    remove_dead(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"load-{os.getpid()}-x", "load-nonsense"])


def fake_ssh(monkeypatch: pytest.MonkeyPatch, script: str) -> list[list[str]]:
    """A shell line stands for ssh: $0 is the socket, $1 the address."""
    started: list[list[str]] = []

    def command(_config: SshConfig, to: Target, socket: Path, _port: int) -> list[str]:
        started.append(["sh", "-c", script, str(socket), to.address])
        return started[-1]

    monkeypatch.setattr(module, "tunnel_command", command)
    return started
