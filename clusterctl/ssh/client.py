"""Commands on nodes through OpenSSH's ``ssh`` program: the operator's own keys, agent and configuration apply."""

from __future__ import annotations

import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, NoReturn

from clusterctl.errors import ClusterctlError, NodeError
from clusterctl.ssh.config import KEY_VARIABLE, PORT, SshConfig, Target, ssh_options
from clusterctl.ssh.process import Children, Finished, Runner

_SSH_FAILED = 255  # ssh(1), exit status
_BETWEEN_S = 0.05  # between two looks for what an interruption has left running


@dataclass(frozen=True)
class Result:
    """How a command on a node ended; ``asked_s`` and ``answered_s``: when, by the clock of ``Ssh``."""

    returncode: int
    stdout: str
    stderr: str
    asked_s: float | None = field(default=None, compare=False)
    answered_s: float | None = field(default=None, compare=False)


class SshFailure(StrEnum):
    """Why ssh could not run a command."""

    UNREACHABLE = "unreachable"  # may pass: the node boots, the network heals
    HOST_KEY = "host key"
    DENIED = "denied"
    TIMEOUT = "timeout"  # the command took too long, or the connection hung


class SshError(NodeError):
    """ssh failed before or while running the command (its exit status 255, or our time limit)."""

    def __init__(self, target: Target, reason: str, failure: SshFailure, *, hint: str | None = None) -> None:
        super().__init__(f"{target}: {reason}", hint=hint)
        self.reason = reason
        self.failure = failure


class _Underway:
    """The commands of one call that run.

    A pool's futures don't tell: Ctrl-C may come while a thread starts, which then works on one that nobody was given.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._ended = False

    def __enter__(self) -> None:
        with self._changed:
            if self._ended:
                raise CancelledError
            self._running += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify()

    def end(self, kill: Callable[[], None]) -> None:
        """Lets no more begin, and returns when none runs."""
        with self._changed:
            self._ended = True
            while self._running:
                kill()
                self._changed.wait(_BETWEEN_S)  # one may only be about to start its command


class Ssh:
    """Runs commands on nodes.

    Args:
        runner: starts the ``ssh`` processes.
        clock: seconds.
    """

    def __init__(
        self, config: SshConfig, runner: Runner | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.config = config
        self._runner = runner or Children()
        self._clock = clock

    def run(
        self, target: Target, command: str | Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0
    ) -> Result:
        """Runs a command (a shell line, or words that are quoted for the node's shell) as the cluster's user.

        Raises:
            SshError: the node can't be reached, is not trusted, refuses us, or the time is up. A command of its own
                that exits with 255 looks the same and is reported so.
        """
        line = command if isinstance(command, str) else shlex.join(command)
        argv = ["ssh", "-T", "-o", "BatchMode=yes", *self._to(target), line]
        asked_s = self._clock()
        try:
            finished = self._runner(argv, stdin=stdin, timeout_s=timeout_s)
        except OSError as error:
            raise ClusterctlError(f"can't run ssh: {error}", hint="Is the OpenSSH client installed?") from error
        if finished.returncode is None:
            raise SshError(target, f"no answer within {timeout_s:g} s to: {_short(line)}", SshFailure.TIMEOUT)
        if finished.returncode == _SSH_FAILED:
            raise failure(target, self.config, finished)
        return Result(finished.returncode, finished.stdout, finished.stderr, asked_s, self._clock())

    def stream(
        self, target: Target, command: Sequence[str], *, given: IO[bytes], out: IO[bytes], timeout_s: float
    ) -> Result:
        """``run`` with standard input and output that are too large to be held; ``stdout`` is empty.

        Raises:
            SshError: see ``run``.
        """
        if not isinstance(self._runner, Children):
            raise TypeError(f"{self._runner!r} can't stream")
        argv = ["ssh", "-T", "-o", "BatchMode=yes", *self._to(target), shlex.join(command)]
        finished = self._runner.stream(argv, given=given, out=out, timeout_s=timeout_s)
        if finished.returncode is None:
            raise SshError(target, f"the transfer took more than {timeout_s:g} s", SshFailure.TIMEOUT)
        if finished.returncode == _SSH_FAILED:
            raise failure(target, self.config, finished)
        return Result(finished.returncode, "", finished.stderr)

    def close(self) -> None:
        """Ends every command that runs, and lets no new one start."""
        self._runner.kill_all()

    def run_many(
        self,
        targets: Iterable[Target],
        command: Callable[[Target], Sequence[str]],
        *,
        stdin: bytes | Callable[[Target], bytes] = b"",
        timeout_s: float = 60.0,
        parallel: int = 32,
    ) -> dict[str, Result | SshError]:
        """``run`` on many nodes at once; by node name, each its result or its error.

        Ctrl-C (or any error of ours) ends what runs; what puts things in order afterwards can run commands still.
        """
        todo = list(targets)
        if not todo:
            return {}

        def one(target: Target) -> Result | SshError:
            given = stdin if isinstance(stdin, bytes) else stdin(target)
            with underway:
                try:
                    return self.run(target, command(target), stdin=given, timeout_s=timeout_s)
                except SshError as error:
                    return error

        underway = _Underway()
        threads = ThreadPoolExecutor(max_workers=min(parallel, len(todo)), thread_name_prefix="ssh")
        try:
            futures = {target.name: threads.submit(one, target) for target in todo}
            return {name: future.result() for name, future in futures.items()}
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            underway.end(self._runner.kill_running)
            raise
        finally:
            threads.shutdown()

    def interactive(
        self,
        target: Target,
        command: Sequence[str] = (),
        *,
        forwards: Sequence[str] = (),
        execute: Callable[[str, list[str]], NoReturn] = os.execvp,
    ) -> NoReturn:
        """Becomes ``ssh`` to the node: a shell, or the command, whose exit status is then ours.

        One word is taken as a line for the node's shell, as ssh does; more are quoted, each as one word.

        The command gets a terminal where we have one; else its output is passed on unchanged.

        Args:
            forwards: of ports, as ssh's option ``-L`` takes them.
        """
        tunnels = [word for forward in forwards for word in ("-L", forward)]
        if command:
            terminal = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
            line = command[0] if len(command) == 1 else shlex.join(command)
            execute("ssh", ["ssh", *terminal, *tunnels, *self._to(target), line])
        execute("ssh", ["ssh", *tunnels, *self._to(target)])

    def argv(self, target: Target, *, options: Sequence[str] = (), before: Sequence[str] = ()) -> list[str]:
        """The words of an ``ssh`` without a command; ``options`` win over ours (ssh_config(5))."""
        return ["ssh", *options, *before, *self._to(target)]

    def _to(self, target: Target) -> list[str]:
        return [*ssh_options(self.config, target), "-l", self.config.user, "-p", str(PORT), target.address]


def failure(target: Target, config: SshConfig, finished: Finished) -> SshError:
    """What an ssh that ended by itself said, as an error with a way out."""
    text = finished.stderr.strip()
    last = text.splitlines()[-1].strip() if text else f"ssh exited with {finished.returncode} and said nothing"
    if "Host key verification failed" in text or "HOST IDENTIFICATION HAS CHANGED" in text:
        return SshError(
            target,
            f"its host key is not the one pinned in {config.known_hosts}",
            SshFailure.HOST_KEY,
            hint="Somebody may be in the middle: don't connect, unless you know why its key changed (new keys, or a "
            f"restored disk). Then `clusterctl trust FILE {target.name}` shows both keys and pins the new one.",
        )
    if "Permission denied" in text or "Too many authentication failures" in text:
        return SshError(
            target,
            f"it does not let '{config.user}' in: {last}",
            SshFailure.DENIED,
            hint=f"Load the cluster's private key into your ssh agent, or set {KEY_VARIABLE} to its path.",
        )
    if config.bastion:
        # What the ssh to the bastion said is lost: for a shared connection its output goes nowhere
        last += f" (through bastion {config.bastion}: does `ssh {config.bastion}` work without a prompt?)"
    return SshError(target, last, SshFailure.UNREACHABLE)


def _short(line: str) -> str:
    return line if len(line) <= 60 else line[:57] + "..."
