"""Children: output, time limits, and that none outlives its caller. They are real, and take milliseconds."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from clusterctl.ssh.process import Children, Finished


def test_input_output_and_status() -> None:
    done = Children()(["sh", "-c", "cat; echo problem >&2; exit 3"], stdin=b"text\xff", timeout_s=10)
    assert done == Finished(3, "text\ufffd", "problem\n")


def test_a_child_that_takes_too_long_is_killed_with_what_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    done = Children()(["sh", "-c", f"sleep 60 & echo $! > {pid}; wait"], stdin=b"", timeout_s=0.2)
    assert done.returncode is None
    assert _gone(int(pid.read_text()))


def test_a_background_process_that_keeps_the_output_open_does_not_delay_the_end() -> None:
    start = time.monotonic()
    done = Children()(["sh", "-c", "sleep 3 & echo answer"], stdin=b"", timeout_s=10)
    assert done == Finished(0, "answer\n", "")
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("closes", [True, False])
def test_what_runs_is_ended_and_nothing_more_starts_if_it_is_closed(closes: bool) -> None:
    children = Children()
    results: list[Finished] = []
    thread = threading.Thread(target=lambda: results.append(children(["sleep", "60"], stdin=b"", timeout_s=60)))
    thread.start()
    deadline = time.monotonic() + 5
    while not children._running and time.monotonic() < deadline:
        time.sleep(0.001)
    (children.kill_all if closes else children.kill_running)()
    thread.join(5)
    assert [done.returncode for done in results] == [-9]
    with pytest.raises(InterruptedError) if closes else nullcontext():
        children(["true"], stdin=b"", timeout_s=5)


def test_a_missing_program_is_an_oserror() -> None:
    with pytest.raises(FileNotFoundError):
        Children()([f"{sys.executable}-does-not-exist"], stdin=b"", timeout_s=1)


def _gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that nobody collects has."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.005)
    return False
