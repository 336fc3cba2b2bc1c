"""Tunnels, with a program in place of ssh that listens where it should, or fails."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ssh.client import Ssh, SshError, SshFailure
from clusterctl.ssh.config import SshConfig, Target
from clusterctl.ssh.tunnel import LOCALHOST, free_port, tunnel

N1 = Target("n1", "id-1", "10.0.0.1")
LISTENING = """#!{python}
import socket, sys
words = sys.argv[1:]
open({log!r}, "w").write(" ".join(words))
address, port, _ = words[words.index("-L") + 1].split(":", 2)
with socket.create_server((address, int(port))) as server:
    while True:
        server.accept()[0].close()
"""
DENIED = "#!/bin/sh\necho 'debian@10.0.0.1: Permission denied (publickey).' >&2\nexit 255\n"


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ssh:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return Ssh(SshConfig("debian", tmp_path / "known_hosts", Path("/r")))


def program(tmp_path: Path, text: str) -> None:
    (tmp_path / "ssh").write_text(text)
    (tmp_path / "ssh").chmod(0o755)


def test_it_is_open_in_the_body_and_gone_after_it(ssh: Ssh, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program(tmp_path, LISTENING.format(python=sys.executable, log=str(log)))
    local = free_port(0)
    with tunnel(ssh, N1, local=local, host="10.0.0.9", port=8080, waiter=Waiter()):
        socket.create_connection((LOCALHOST, local), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOCALHOST, local), timeout=5)
    words = log.read_text()
    assert f"-N -L 127.0.0.1:{local}:10.0.0.9:8080" in words
    assert "StrictHostKeyChecking=yes -o HostKeyAlias=id-1" in words
    # the first one counts: a shared connection would keep the port open
    assert words.index("ControlMaster=no") < words.index("ControlMaster=auto")


def test_what_ssh_says_is_the_error(ssh: Ssh, tmp_path: Path) -> None:
    program(tmp_path, DENIED)
    with (
        pytest.raises(SshError) as caught,
        tunnel(ssh, N1, local=free_port(0), host="h", port=1, waiter=Waiter()),
    ):
        raise AssertionError
    assert caught.value.failure is SshFailure.DENIED


def test_a_program_that_is_not_there(ssh: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(ClusterctlError, match="can't run ssh"),
        tunnel(ssh, N1, local=free_port(0), host="h", port=1, waiter=Waiter()),
    ):
        raise AssertionError


def test_a_port_in_use_is_not_taken() -> None:
    with socket.create_server((LOCALHOST, 0)) as server:
        taken = server.getsockname()[1]
        assert free_port(taken) != taken
