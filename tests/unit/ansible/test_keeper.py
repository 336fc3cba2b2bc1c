"""A command ends with its parent, with all that it started. Real processes; they take milliseconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clusterctl.ansible.playbook import kept

ROOT = Path(__file__).parents[3]
# As Ansible does: a worker in a session of its own, and one that its parent leaves behind
COMMAND = (
    "echo $$ > {0}/main; setsid sh -c 'echo $$ > {0}/worker; sleep 300' & (sleep 300 & echo $! > {0}/orphan); wait"
)
PARENTS = {
    "a playbook": """
import subprocess
from clusterctl.ansible.playbook import kept
subprocess.Popen(kept({command!r})).wait()
""",
    "a command on a node": """
from clusterctl.ssh.process import Children
Children()({command!r}, stdin=b"", timeout_s=300)
""",
}


def eventually(what: str, good: object) -> None:
    deadline = time.monotonic() + 30
    while not good():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.005)


def gone(pid: int) -> bool:
    """It has ended; a zombie that nobody collects has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def started(kind: str, command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PARENTS[kind].format(command=command)], cwd=ROOT)


def test_killed_without_a_chance_nothing_of_a_playbook_goes_on(tmp_path: Path) -> None:
    parent = started("a playbook", ["sh", "-c", COMMAND.format(tmp_path)])
    files = [tmp_path / name for name in ("main", "worker", "orphan")]
    eventually("all run", lambda: all(path.exists() and path.read_text().strip() for path in files))
    pids = [int(path.read_text()) for path in files]
    assert not any(map(gone, pids))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    eventually("all are gone", lambda: all(map(gone, pids)))


def test_killed_without_a_chance_no_ssh_goes_on(tmp_path: Path) -> None:
    parent = started("a command on a node", ["sh", "-c", f"echo $$ > {tmp_path}/main; exec sleep 300"])
    file = tmp_path / "main"
    eventually("it runs", lambda: file.exists() and file.read_text().strip())
    pid = int(file.read_text())
    assert not gone(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    eventually("it is gone", lambda: gone(pid))


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_code_is_the_commands(command: str, code: int) -> None:
    assert subprocess.run(kept(["sh", "-c", command]), check=False).returncode == code


def test_it_does_not_start_without_its_parent() -> None:
    words = kept(["true"])
    words[words.index(str(os.getpid()))] = "1"
    assert subprocess.run(words, check=False).returncode == 128 + signal.SIGTERM


def test_ctrl_c_is_the_commands(tmp_path: Path) -> None:
    """A person's Ctrl-C reaches all of them; the command cleans up, and is waited for."""
    script = f"trap 'sleep 0.2; touch {tmp_path}/clean; exit 5' INT; touch {tmp_path}/up; while :; do sleep 0.01; done"
    keeper = subprocess.Popen(kept(["sh", "-c", script]), start_new_session=True)
    eventually("it runs", (tmp_path / "up").exists)
    os.killpg(keeper.pid, signal.SIGINT)
    assert keeper.wait(30) == 5
    assert (tmp_path / "clean").exists()
