"""Real Mesos with launcher linux and isolators cgroups/*: what a task may use is what it gets. Needs cgroup v1."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.mesos.cluster import MASTER_PORT, Daemon, ready, wait_for
from tests.contract.mesos.framework import Framework

HIERARCHIES = Path("/sys/fs/cgroup")
GROUP = f"clusterctl-test-{os.getpid()}"
HOST = "127.0.0.1"

pytestmark = [
    pytest.mark.mesos,
    pytest.mark.skipif(not (HIERARCHIES / "memory/tasks").exists(), reason="this machine has no cgroup v1"),
]
HOG = "exec python3 -c 'import time; held = bytearray(256 << 20); time.sleep(600)'"
SPIN = "exec python3 -c 'while True: pass'"


class One:
    """A master that leads."""

    def leader(self) -> str:
        return HOST


@pytest.fixture(scope="module")
def work(root: Path, network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A master and an agent with the flags that role mesos_agent gives one with these settings, outside of systemd."""
    directory = tmp_path_factory.mktemp("confined")
    master = [
        f"--ip={HOST}",
        f"--hostname={HOST}",
        f"--port={MASTER_PORT}",
        "--registry=in_memory",
        f"--work_dir={directory}/master",
    ]
    agent = [
        f"--master={HOST}:{MASTER_PORT}",
        f"--ip={HOST}",
        f"--hostname={HOST}",
        f"--work_dir={directory}/agent",
        f"--runtime_dir={directory}/run",
        f"--fetcher_cache_dir={directory}/fetch",
        f"--launcher_dir={root}/usr/libexec/mesos",
        "--launcher=linux",
        "--isolation=cgroups/cpu,cgroups/mem",
        "--resources=cpus:2;mem:1024;disk:1024",
        "--no-systemd_enable_support",
        f"--cgroups_root={GROUP}",
    ]
    daemons = [
        Daemon("master", [str(root / "usr/sbin/mesos-master"), *master], directory / "master.log"),
        Daemon("agent", [str(root / "usr/sbin/mesos-agent"), *agent], directory / "agent.log"),
    ]
    for daemon in daemons:
        daemon.start()
    try:
        wait_for("the master", lambda: ready(HOST, MASTER_PORT, "/health"))
        yield directory
    finally:
        for daemon in daemons:
            daemon.kill()
        _remove_groups()


def _remove_groups() -> None:
    """Ends what is in the groups that the agent made, and removes them."""
    for top in HIERARCHIES.glob(f"*/{GROUP}"):
        groups = sorted((path.parent for path in top.rglob("cgroup.procs")), key=lambda path: -len(path.parts))
        for group in groups:
            deadline = time.monotonic() + 10
            while pids := (group / "cgroup.procs").read_text().split():
                assert time.monotonic() < deadline, f"{group} holds {pids}"
                for pid in pids:
                    os.kill(int(pid), 9)
                time.sleep(0.05)
            group.rmdir()


@pytest.fixture
def framework(work: Path) -> Iterator[Framework]:
    made = Framework(One())
    yield made
    made.close()


def test_a_task_that_takes_more_memory_than_it_has_is_killed(framework: Framework) -> None:
    task = framework.launch(HOG, HOST, mem=64)
    status = framework.wait_state(task, "TASK_FAILED")
    assert status["reason"] == "REASON_CONTAINER_LIMITATION_MEMORY"
    assert "Memory limit exceeded" in status["message"]


def test_its_limits_are_those_of_a_group(framework: Framework) -> None:
    task = framework.launch(SPIN, HOST, cpus=0.5, mem=64)
    framework.wait_state(task, "TASK_RUNNING")
    (limit,) = [int(path.read_text()) for path in HIERARCHIES.glob(f"memory/{GROUP}/*/memory.limit_in_bytes")]
    assert limit < 256 << 20
    (shares,) = [int(path.read_text()) for path in HIERARCHIES.glob(f"cpu/{GROUP}/*/cpu.shares")]
    assert shares < 1024
    framework.kill(task)
    framework.wait_state(task, "TASK_KILLED")
