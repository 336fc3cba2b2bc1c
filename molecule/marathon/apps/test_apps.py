"""Each app runs where it may, and Marathon, killed, knows its tasks again."""

from __future__ import annotations

import json
from typing import Any

import testinfra

testinfra_hosts = ["ansible://marathon"]


def tasks(get: Any, address: str) -> dict[str, dict[str, Any]]:
    return {task["appId"]: task for task in get(f"http://{address}:8080/v2/tasks")["tasks"]}


def test_its_tasks_are_the_same_after_a_restart(host: Any, get: Any, address: str, eventually: Any) -> None:
    before = json.loads(host.file("/root/tasks.json").content_string)
    eventually(lambda: len(tasks(get, address)) == 2)
    found = tasks(get, address)
    assert sorted(task["id"] for task in found.values()) == before
    assert {task["state"] for task in found.values()} == {"TASK_RUNNING"}
    assert int(host.service("marathon").systemd_properties["NRestarts"]) >= 1


def test_reserved_resources_are_for_who_asks_for_them(get: Any, address: str, eventually: Any) -> None:
    eventually(lambda: len(tasks(get, address)) == 2)
    found = {name: task["host"] for name, task in tasks(get, address).items()}
    assert found == {"/reserved": "10.99.0.12", "/ordinary": "10.99.0.13"}


def test_tasks_run_as_the_unprivileged_user(request: Any) -> None:
    inventory = request.config.option.ansible_inventory
    (agent,) = testinfra.get_hosts(["ansible://one-jenkins-1"], ansible_inventory=inventory)
    sleeping = [each for each in agent.process.filter(comm="sleep") if "100000" in each.args]
    assert [each.user for each in sleeping] == ["jenkins"]
