"""A planned change of the leading master: it gives up its candidacy, a standby leads at once."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.contract.mesos.cluster import MASTER_PORT, Cluster, ready, wait_for
from tests.contract.mesos.framework import Framework

pytestmark = pytest.mark.mesos

SCRIPT = Path(__file__).parents[3] / "playbooks/files/hand_over.py"
NODE_PYTHON = "/usr/bin/python3"  # with Debian's kazoo, as on nodes
SESSION_S = 8.0  # of the masters in tests.contract.mesos.cluster


def hand_over(cluster: Cluster, host: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NODE_PYTHON, "-I", SCRIPT, "mesos", cluster.zk, f"{host}:{MASTER_PORT}"],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_leader_hands_over_within_its_session_and_nothing_is_lost(cluster: Cluster, framework: Framework) -> None:
    leader = cluster.leader()
    ids = cluster.agent_ids()
    task = framework.launch("exec sleep 1000", "127.0.0.1")
    framework.wait_state(task, "TASK_RUNNING")
    old = cluster.masters[cluster.hosts.index(leader)]
    restarts = old.restarts

    began = time.monotonic()
    done = hand_over(cluster, leader)
    assert (done.returncode, done.stderr) == (0, ""), cluster.describe()
    new = cluster.leader(other_than=leader)
    assert time.monotonic() - began < SESSION_S, "the old session had to expire"
    assert done.stdout == f"handed over from {leader}:{MASTER_PORT} to {new}:{MASTER_PORT}\n"

    wait_for("the old leader ended itself and was started again", lambda: old.restarts > restarts)
    wait_for("the old leader as a standby", lambda: ready(leader, MASTER_PORT, "/health"))
    assert cluster.elected() == [new]
    assert cluster.agent_ids() == ids
    assert set(framework.states(task)) == {"TASK_STARTING", "TASK_RUNNING"}


def test_a_standby_has_nothing_to_hand_over(cluster: Cluster) -> None:
    leader = cluster.leader()
    standby = next(host for host in cluster.hosts if host != leader)
    done = hand_over(cluster, standby)
    assert (done.returncode, done.stdout) == (0, f"{standby}:{MASTER_PORT} doesn't lead\n")
    assert cluster.elected() == [leader]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["mesos", "zk://127.0.0.9:1/mesos", "127.0.0.9:5050"],
            "no ZooKeeper of 127.0.0.9:1 answers: KazooTimeoutError",
        ),
        (["marathon", "127.0.0.9:1"], "127.0.0.9:1 doesn't answer: ConnectionRefusedError"),
    ],
)
def test_where_nobody_answers_the_restart_is_an_ordinary_one(arguments: list[str], told: str) -> None:
    done = subprocess.run([NODE_PYTHON, "-I", SCRIPT, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(told)
    assert done.stdout.endswith("nothing handed over\n")


def test_a_url_that_is_none_is_refused() -> None:
    words = [NODE_PYTHON, "-I", SCRIPT, "mesos", "\\1", "127.0.0.9:5050"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1, "a mistake in a playbook must not pass for a leader that could not be asked"
    assert "allowed: zk://HOST:PORT,.../PATH" in done.stderr
