"""What tasks write to stdout and stderr is cut: bounded, the last of it kept, and no link of a tenant's followed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clusterctl.paths import roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files
from tests.unit.render.conftest import Node

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acts as the owners of sandboxes, which root alone may")

SCRIPT = "/usr/lib/clusterctl/sandbox-logs"
TENANT = 65534
MIB = 1 << 20


class Agent:
    """An agent's work directory with one sandbox."""

    def __init__(self, root: Path, script: str) -> None:
        self.work, self.script = root / "work", root / "sandbox-logs"
        self.script.write_text(script)
        run = self.work / "slaves/S1/frameworks/F1/executors/task.1/runs/R1"
        run.mkdir(parents=True)
        (run.parent / "latest").symlink_to(run)
        for path in (root, *root.parents):  # as /var/lib is: a tenant may pass
            if path.stat().st_uid == 0 and path != Path("/"):
                path.chmod(path.stat().st_mode | 0o055)
        self.sandbox = run
        os.chown(run, TENANT, TENANT)

    def write(self, path: Path, data: bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.chown(path, TENANT, TENANT)
        return path

    def run(self) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-I", "-S", str(self.script), str(self.work), "1"]
        return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture
def agent(tmp_path: Path, nodes: dict[str, Node]) -> Agent:
    services, variables = nodes["builders"]
    files = {file.path: file.content for file in render_files(roles_dir(), roles_of(services), variables)}
    return Agent(tmp_path, files[SCRIPT])


def test_a_long_log_is_cut_and_its_end_kept(agent: Agent) -> None:
    data = bytes(range(256)) * 4096 + b"the end\n"
    log = agent.write(agent.sandbox / "stdout", data * 2)
    short = agent.write(agent.sandbox / "stderr", b"short\n")
    done = agent.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"shortened {log}\n"
    assert (log.read_bytes(), short.read_bytes()) == (b"", b"short\n")
    older = log.with_name("stdout.1")
    assert older.read_bytes() == (data * 2)[-MIB:]
    assert (older.stat().st_uid, older.stat().st_mode & 0o777) == (TENANT, 0o600)


def test_who_has_it_open_goes_on_from_the_beginning(agent: Agent) -> None:
    log = agent.write(agent.sandbox / "stdout", b"x" * (MIB + 1))
    with log.open("ab", buffering=0) as task:
        agent.run()
        task.write(b"after\n")
    assert log.read_bytes() == b"after\n"


def test_containers_in_a_sandbox_are_looked_at(agent: Agent) -> None:
    log = agent.write(agent.sandbox / "containers/c1/stderr", b"x" * (2 * MIB))
    os.chown(log.parent, TENANT, TENANT)
    agent.run()
    assert log.stat().st_size == 0


def test_links_lead_nowhere(agent: Agent, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"x" * (2 * MIB))
    (agent.sandbox / "stdout").symlink_to(victim)
    agent.write(agent.sandbox / "stderr", b"y" * (2 * MIB))
    (agent.sandbox / "stderr.1").symlink_to(victim)
    done = agent.run()
    assert done.returncode == 1
    assert f"{agent.sandbox}/stdout: " in done.stderr
    assert victim.read_bytes() == b"x" * (2 * MIB)
    assert not (agent.sandbox / "stderr.1").is_symlink()


def test_a_file_of_anothers_is_not_touched(agent: Agent) -> None:
    """A hard link to a file that the tenant can't write."""
    victim = agent.work / "of-root"
    victim.write_bytes(b"x" * (2 * MIB))
    victim.chmod(0o644)
    os.link(victim, agent.sandbox / "stdout")
    assert agent.run().returncode == 1
    assert victim.stat().st_size == 2 * MIB


def test_a_full_disk_has_no_room_for_the_kept_part_and_gets_some(agent: Agent) -> None:
    log = agent.write(agent.sandbox / "stdout", b"x" * (2 * MIB))
    blocked = agent.sandbox / "stdout.1"
    blocked.mkdir()  # any reason for which it can't be kept
    done = agent.run()
    assert done.returncode == 1
    assert log.stat().st_size == 0
