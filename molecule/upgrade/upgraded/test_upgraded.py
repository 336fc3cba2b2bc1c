"""All nodes run the new versions; agents kept their ids, and the task counted on through it all."""

from __future__ import annotations

import itertools
import os
import shlex
from pathlib import Path
from typing import Any

testinfra_hosts = ["ansible://mesos_agent"]


def test_the_new_versions_are_recorded_and_run(alive: Any) -> None:
    for host in alive("mesos_master"):
        assert host.package("mesos").version == "1.11.0-2"
        assert host.file("/opt/marathon/current").linked_to == "/opt/marathon/1.11.25"


def test_the_agent_is_new_and_has_its_old_id(host: Any, address: str, get: Any) -> None:
    assert host.package("mesos").version == "1.11.0-2"
    assert get(f"http://{address}:5051/state")["id"] == host.file("/root/agent-id").content_string


def test_the_task_counted_on(alive: Any) -> None:
    task = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "task-id").read_text()
    output = f"cat /var/lib/mesos/agent/slaves/*/frameworks/*/executors/{shlex.quote(task)}/runs/latest/stdout"
    (agent,) = [host for host in alive("mesos_agent") if host.run(output).rc == 0]
    seconds = [int(line) for line in agent.check_output(output).splitlines() if line.isdecimal()]
    now = int(agent.check_output("date +%s"))
    assert now - seconds[-1] < 10
    assert max(later - earlier for earlier, later in itertools.pairwise(seconds)) <= 5
