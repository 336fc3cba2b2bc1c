"""Without the host that led: new leaders, the same agents, the same task, still counting."""

from __future__ import annotations

import itertools
import os
import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from tests.testinfra.asking import asked


def own(host: Any) -> str:
    return str(host.check_output("/usr/lib/clusterctl/primary-address"))


@pytest.fixture(scope="module")
def control(alive: Any) -> list[Any]:
    found: list[Any] = alive("mesos_master")
    assert len(found) == 2
    return found


@pytest.fixture(scope="module")
def agents(alive: Any) -> list[Any]:
    found: list[Any] = alive("mesos_agent")
    return found


def test_another_master_leads_the_same_agents(control: list[Any], agents: list[Any], eventually: Any) -> None:
    def leaders() -> list[str]:
        url = "http://{}:5050/metrics/snapshot"
        return [own(host) for host in control if asked(host, url.format(own(host)))["master/elected"] == 1]

    eventually(lambda: len(leaders()) == 1)
    (leader,) = leaders()

    def active() -> set[str]:
        known = asked(control[0], f"http://{leader}:5050/slaves")["slaves"]
        return {agent["id"] for agent in known if agent["active"]}

    wanted = {host.file("/root/agent-id").content_string for host in agents}
    assert eventually(active, wanted) == wanted


def test_the_task_is_the_same_and_counts(control: list[Any], agents: list[Any], eventually: Any) -> None:
    wanted = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "task-id").read_text()

    def tasks() -> list[tuple[str, str]]:
        found = asked(control[0], f"http://{own(control[0])}:8080/v2/apps/counter/tasks")["tasks"]
        return [(task["id"], task["state"]) for task in found]

    assert eventually(tasks, [(wanted, "TASK_RUNNING")]) == [(wanted, "TASK_RUNNING")]
    # Its output has a line for each second, the ones without a leader too
    output = f"cat /var/lib/mesos/agent/slaves/*/frameworks/*/executors/{shlex.quote(wanted)}/runs/latest/stdout"
    (agent,) = [host for host in agents if host.run(output).rc == 0]
    seconds = [int(line) for line in agent.check_output(output).splitlines() if line.isdecimal()]
    assert time.time() - seconds[-1] < 10
    assert max(later - earlier for earlier, later in itertools.pairwise(seconds)) <= 5
