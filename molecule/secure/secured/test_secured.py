"""Who says nothing of who he is, is refused; agents kept their ids, and the task counted on through it all."""

from __future__ import annotations

import itertools
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

testinfra_hosts = ["ansible://mesos_agent"]
CREATES = """\
from kazoo.client import KazooClient
client = KazooClient("{address}:2181")
client.start(30)
try:
    print(client.create("{path}"))
except Exception as error:
    print(type(error).__name__)
"""


def answered(host: Any, place: str) -> str:
    """The status of a GET without a password."""
    at, _, path = place.partition("/")
    code = f"import http.client as h; c = h.HTTPConnection({at!r}, timeout=20); "
    code += f"c.request('GET', {'/' + path!r}); print(c.getresponse().status)"
    return str(host.check_output(f"python3 -c {shlex.quote(code)}"))


def test_agents_and_masters_ask_who_calls(alive: Any, host: Any, address: str) -> None:
    assert answered(host, f"{address}:5051/state") == "401"
    for master in alive("mesos_master"):
        at = master.ansible.get_variables()["clusterctl_address"]
        assert [answered(host, f"{at}:{place}") for place in ("5050/state", "8080/v2/apps")] == ["401", "401"]
        assert master.check_output("/usr/lib/clusterctl/config-digest pending") == ""


@pytest.mark.parametrize("path", ["/mesos/stranger", "/marathon/stranger", "/stranger"])
def test_the_tree_is_closed(alive: Any, path: str) -> None:
    for member in alive("zookeeper"):
        at = member.ansible.get_variables()["clusterctl_address"]
        code = CREATES.format(address=at, path=path)
        assert member.check_output(f"python3 -c {shlex.quote(code)}") == "NoAuthError"


def test_an_agent_has_its_old_id(host: Any) -> None:
    link = host.check_output("readlink /var/lib/mesos/agent/meta/slaves/latest")
    assert Path(link).name == host.file("/root/agent-id").content_string


def test_the_task_counted_on(alive: Any) -> None:
    task = (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "task-id").read_text()
    output = f"cat /var/lib/mesos/agent/slaves/*/frameworks/*/executors/{shlex.quote(task)}/runs/latest/stdout"
    (agent,) = [host for host in alive("mesos_agent") if host.run(output).rc == 0]
    seconds = [int(line) for line in agent.check_output(output).splitlines() if line.isdecimal()]
    now = int(agent.check_output("date +%s"))
    assert now - seconds[-1] < 10
    gap = max(later - earlier for earlier, later in itertools.pairwise(seconds))
    print(f"longest pause of the task: {gap} s")
    assert gap <= 5
