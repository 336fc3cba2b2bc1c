"""Commands on nodes: what ssh is called with, and what becomes of its failures. No process is started."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.ssh.client import Result, Ssh, SshError, SshFailure
from clusterctl.ssh.config import SshConfig, Target, ssh_options
from clusterctl.ssh.process import Finished

CONFIG = SshConfig("debian", Path("/c/known_hosts"), Path("/r"))
N1 = Target("n1", "id-1", "10.0.0.1")
N2 = Target("n2", "id-2", "10.0.0.2")


@dataclass
class Script:
    """A runner that answers as told and remembers what it was asked."""

    answer: Callable[[Sequence[str]], Finished]
    calls: list[tuple[list[str], bytes, float]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        self.calls.append((list(argv), stdin, timeout_s))
        return self.answer(argv)

    def kill_running(self) -> None:
        raise AssertionError

    def kill_all(self) -> None:
        raise AssertionError


def failing(stderr: str) -> Ssh:
    return Ssh(CONFIG, Script(lambda _: Finished(255, "", stderr)))


def test_run_gives_ssh_the_words_quoted_for_the_nodes_shell() -> None:
    script = Script(lambda _: Finished(7, "out", "err"))
    assert Ssh(CONFIG, script).run(N1, ["echo", "a b", "$HOME"], stdin=b"in", timeout_s=5) == Result(7, "out", "err")
    ((argv, stdin, timeout_s),) = script.calls
    assert argv == [
        *["ssh", "-T", "-o", "BatchMode=yes", *ssh_options(CONFIG, N1)],
        *["-l", "debian", "-p", "22", "10.0.0.1", "echo 'a b' '$HOME'"],
    ]
    assert (stdin, timeout_s) == (b"in", 5)


def test_a_shell_line_is_passed_as_it_is() -> None:
    script = Script(lambda _: Finished(0, "", ""))
    Ssh(CONFIG, script).run(N1, "a | b")
    assert script.calls[0][0][-1] == "a | b"


@pytest.mark.parametrize(
    ("stderr", "failure", "message"),
    [
        ("ssh: connect to host 10.0.0.1 port 22: Connection refused", SshFailure.UNREACHABLE, "Connection refused"),
        ("", SshFailure.UNREACHABLE, "said nothing"),
        ("debian@10.0.0.1: Permission denied (publickey).", SshFailure.DENIED, "does not let 'debian' in"),
        ("Received disconnect: Too many authentication failures", SshFailure.DENIED, "does not let 'debian' in"),
        (
            "No ED25519 host key is known for id-1.\nHost key verification failed.",
            SshFailure.HOST_KEY,
            "/c/known_hosts",
        ),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n...", SshFailure.HOST_KEY, "host key is not the one"),
    ],
)
def test_failures_of_ssh_are_told_apart(stderr: str, failure: SshFailure, message: str) -> None:
    with pytest.raises(SshError) as caught:
        failing(stderr).run(N1, ["true"])
    assert caught.value.failure is failure
    assert caught.value.message.startswith("node n1 (10.0.0.1): ")
    assert message in caught.value.message


def test_an_unreachable_node_behind_a_bastion_points_to_it() -> None:
    closed = Finished(255, "", "kex_exchange_identification: Connection closed by remote host")
    with pytest.raises(SshError, match="through bastion jump@gate: does `ssh jump@gate` work"):
        Ssh(replace(CONFIG, bastion="jump@gate"), Script(lambda _: closed)).run(N1, ["true"])


def test_a_command_without_an_end_is_named() -> None:
    with pytest.raises(SshError, match=r"node n1 .*no answer within 5 s to: sleep 99") as caught:
        Ssh(CONFIG, Script(lambda _: Finished(None, "", ""))).run(N1, ["sleep", "99"], timeout_s=5)
    assert caught.value.failure is SshFailure.TIMEOUT


def test_no_ssh_program() -> None:
    def missing(_: Sequence[str]) -> Finished:
        raise FileNotFoundError(2, "No such file or directory", "ssh")

    with pytest.raises(ClusterctlError, match="can't run ssh"):
        Ssh(CONFIG, Script(missing)).run(N1, ["true"])


def test_run_many_gives_each_its_result_or_its_error() -> None:
    def answer(argv: Sequence[str]) -> Finished:
        if "10.0.0.1" in argv:
            return Finished(0, argv[-1], "")
        return Finished(255, "", "ssh: no route to host")

    script = Script(answer)
    found = Ssh(CONFIG, script).run_many([N1, N2], lambda to: ["hello", to.name], stdin=b"x")
    assert found["n1"] == Result(0, "hello n1", "")
    assert isinstance(found["n2"], SshError)
    assert found["n2"].failure is SshFailure.UNREACHABLE
    assert Ssh(CONFIG, script).run_many([], lambda _: []) == {}


@pytest.mark.parametrize("while_it_starts", [False, True])
def test_ctrl_c_ends_what_runs_and_what_follows_can_run_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, while_it_starts: bool
) -> None:
    """What was begun is put in order after Ctrl-C: a node back in service, masters of a load test removed.

    Ctrl-C may come when a thread runs already that whoever starts it has not heard of yet.
    """
    ssh, started = tmp_path / "ssh", tmp_path / "started"
    started.touch()
    ssh.write_text(f"#!/bin/sh\ncase $* in *slow) echo $$ >> {started}; exec sleep 60;; esac\necho fine\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def has_started() -> None:
        deadline = time.monotonic() + 30
        while not started.read_text().endswith("\n") and time.monotonic() < deadline:
            time.sleep(0.001)

    def interrupt() -> None:
        has_started()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def start(thread: threading.Thread) -> None:
        starts(thread)
        has_started()
        raise KeyboardInterrupt

    starts, other = threading.Thread.start, threading.Thread(target=interrupt)
    if while_it_starts:
        monkeypatch.setattr(threading.Thread, "start", start)
    else:
        other.start()
    client = Ssh(CONFIG)
    with pytest.raises(KeyboardInterrupt):
        client.run_many([N1, N2], lambda _: ["slow"], parallel=1)
    if not while_it_starts:
        other.join()
    (pid,) = started.read_text().split()
    assert not Path(f"/proc/{pid}").exists()
    assert client.run(N1, "true").stdout == "fine\n"


class _Replaced(Exception):
    pass


@pytest.mark.parametrize("terminal", [True, False])
def test_interactive_becomes_ssh(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: terminal)
    became: list[list[str]] = []

    def execute(program: str, argv: list[str]) -> NoReturn:
        assert program == "ssh"
        became.append(argv)
        raise _Replaced

    ssh = Ssh(CONFIG, Script(lambda _: Finished(0, "", "")))
    for command in ((), ("journalctl", "-u", "a b")):
        with pytest.raises(_Replaced):
            ssh.interactive(N1, command, execute=execute)
    assert became[0] == ["ssh", *ssh_options(CONFIG, N1), "-l", "debian", "-p", "22", "10.0.0.1"]
    assert became[1] == ["ssh", *["-t"] * terminal, *became[0][1:], shlex.join(["journalctl", "-u", "a b"])]
    assert "BatchMode=yes" not in became[0]  # it may ask for a passphrase
