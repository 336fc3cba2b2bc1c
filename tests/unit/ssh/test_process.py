"""Children: output, time limits, and that none outlives its caller. They are real, and take milliseconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from clusterctl.ssh.process import Children, Finished


def test_input_output_and_status() -> None:
    done = Children()(["sh", "-c", "cat; echo problem >&2; exit 3"], stdin=b"text\xff", timeout_s=10)
    assert done == Finished(3, "text\ufffd", "problem\n")


def test_a_child_that_takes_too_long_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    pid.touch()

    def wait(child: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        assert timeout is None or eventually(lambda: pid.read_text().endswith("\n"))
        return waits(child, timeout)

    waits = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, "wait", wait)  # the time limit counts from when all that it starts is there
    done = Children()(["sh", "-c", f"sleep 60 & echo $! > {pid}; wait"], stdin=b"", timeout_s=0.01)
    assert done.returncode is None
    assert eventually(lambda: _gone(int(pid.read_text())))


def test_a_background_process_that_keeps_the_output_open_does_not_delay_the_end() -> None:
    start = time.monotonic()
    done = Children()(["sh", "-c", "sleep 60 & echo $!"], stdin=b"", timeout_s=60)
    assert time.monotonic() - start < 30
    assert (done.returncode, done.stderr) == (0, "")
    os.kill(int(done.stdout), signal.SIGKILL)


@pytest.mark.parametrize("closes", [True, False])
def test_what_runs_is_ended_and_nothing_more_starts_if_it_is_closed(closes: bool) -> None:
    children = Children()
    results: list[Finished] = []
    thread = threading.Thread(target=lambda: results.append(children(["sleep", "60"], stdin=b"", timeout_s=60)))
    thread.start()
    assert eventually(lambda: bool(children._running))
    (children.kill_all if closes else children.kill_running)()
    thread.join(30)
    assert [done.returncode for done in results] == [-9]
    with pytest.raises(InterruptedError) if closes else nullcontext():
        children(["true"], stdin=b"", timeout_s=60)


def test_a_missing_program_is_an_oserror() -> None:
    with pytest.raises(FileNotFoundError):
        Children()([f"{sys.executable}-does-not-exist"], stdin=b"", timeout_s=1)


def eventually(good: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not (done := good()) and time.monotonic() < deadline:
        time.sleep(0.001)
    return done


def _gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that nobody collects has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
