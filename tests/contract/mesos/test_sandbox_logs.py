"""A real executor goes on where its log was cut; a real agent deletes sandboxes after the delay that it was given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clusterctl.paths import roles_dir
from tests.contract.mesos.cluster import Cluster, wait_for
from tests.contract.mesos.framework import Framework

pytestmark = pytest.mark.mesos

SCRIPT = roles_dir() / "mesos_agent/templates/usr/lib/clusterctl/sandbox-logs.j2"
MIB = 1 << 20
HOST = "127.0.0.1"
RUNS = "slaves/*/frameworks/*/executors"


def sandbox(work: Path, task: str) -> Path:
    """Of a command task, whose executor has its id."""
    [found] = [path for path in work.glob(f"{RUNS}/{task}/runs/*") if not path.is_symlink()]
    return found


def test_a_task_that_logs_without_end_stays_small(cluster: Cluster, framework: Framework) -> None:
    work = cluster.work / "agent1"
    assert "{{" not in SCRIPT.read_text(), "it is run as it stands"
    task = framework.launch("while :; do head -c 200000 /dev/zero | tr '\\0' x; sleep 0.05; done", HOST)
    framework.wait_state(task, "TASK_RUNNING")
    log = sandbox(work, task) / "stdout"
    for _ in range(3):
        wait_for("the log to be long", lambda: log.stat().st_size > 2 * MIB, 60)
        words = [sys.executable, "-I", "-S", str(SCRIPT), str(work), "1"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"shortened {log}" in done.stdout.splitlines()
        assert MIB <= log.with_name("stdout.1").stat().st_size < 2 * MIB
    wait_for("the task to go on", lambda: log.stat().st_size > MIB, 60)
    found = log.stat()
    assert found.st_blocks * 512 >= found.st_size - MIB // 4, "it goes on from the beginning, and leaves no hole"
    assert framework.states(task)[-1] == "TASK_RUNNING"
    framework.kill(task)
    framework.wait_state(task, "TASK_KILLED")


def test_sandboxes_go_after_the_delay(cluster: Cluster, framework: Framework) -> None:
    """With the variables that the role writes; here in seconds."""
    agent = cluster.agents[1]
    agent.env |= {"MESOS_GC_DELAY": "3secs", "MESOS_DISK_WATCH_INTERVAL": "1secs"}
    agent.kill()
    # what was offered of it is withdrawn; a task that is launched on such an offer is lost
    wait_for("the agent's absence", lambda: not cluster.agent_infos()["agent-two"].get("active"))
    wait_for(
        "its offers to go", lambda: all(each["hostname"] != "agent-two" for each in list(framework.offers.values()))
    )
    agent.start()
    task = framework.launch("echo done", "agent-two")
    framework.wait_state(task, "TASK_FINISHED", 90)
    work = cluster.work / "agent2"

    wait_for("its sandbox to be deleted", lambda: not list(work.glob(f"{RUNS}/{task}/runs/*-*")), 60)
