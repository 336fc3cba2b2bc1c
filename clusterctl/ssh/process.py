"""Child processes that never outlive their purpose: a time limit each, and whoever is interrupted can end them."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Protocol


@dataclass(frozen=True)
class Finished:
    """How a child ended; ``returncode`` is None when its time was up and it was killed."""

    returncode: int | None
    stdout: str
    stderr: str


class Runner(Protocol):
    """Runs children; several threads may call it."""

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        """Runs one to its end. Raises ``OSError`` if the program can't be started."""

    def kill_running(self) -> None:
        """Ends every running child."""

    def kill_all(self) -> None:
        """Ends every running child and lets no new one start."""


class Children:
    """The real runner.

    Input and output go through temporary files, not pipes: a connection that ssh leaves in the background may keep a
    pipe open for as long as it lives, and reading to its end would wait for that.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out:
            given.write(stdin)
            given.seek(0)
            finished = self.stream(argv, given=given, out=out, timeout_s=timeout_s)
            out.seek(0)
            return Finished(finished.returncode, _text(out.read()), finished.stderr)

    def stream(self, argv: Sequence[str], *, given: IO[bytes], out: IO[bytes], timeout_s: float) -> Finished:
        """As ``__call__``, with standard input and output that are too large to be held; ``stdout`` is empty."""
        with tempfile.TemporaryFile() as err:
            with self._lock:
                if self._closed:
                    raise InterruptedError("interrupted")
                # A session of its own: Ctrl-C reaches us alone and we end the children in order, and ssh can't ask
                # questions on the terminal.
                child = subprocess.Popen(mortal(argv), stdin=given, stdout=out, stderr=err, start_new_session=True)
                self._running.add(child)
            try:
                returncode: int | None = child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                returncode = None
            finally:
                _kill(child)
                with self._lock:
                    self._running.discard(child)
            err.seek(0)
            return Finished(returncode, "", _text(err.read()))

    def kill_running(self) -> None:
        with self._lock:
            running = list(self._running)
        for child in running:
            _kill(child)

    def kill_all(self) -> None:
        with self._lock:
            self._closed = True
        self.kill_running()


def mortal(argv: Sequence[str]) -> list[str]:
    """The command so that the kernel kills it when the thread that starts and awaits it is gone, if we are killed, too.

    By setpriv(1), where there is one: prctl(2) between fork and exec isn't safe in a program with threads. What ssh
    leaves in the background for other commands (ControlPersist) is not touched; it ends by itself.

    Raises:
        FileNotFoundError: there is no such program.
    """
    if shutil.which(argv[0]) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *argv] if setpriv else list(argv)


def _kill(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
