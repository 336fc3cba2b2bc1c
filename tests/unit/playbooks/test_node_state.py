"""The look at a node: what is expected of it, and that a node which differs anywhere is told apart."""

from __future__ import annotations

import hashlib
import importlib.util
from types import ModuleType
from typing import Any

import pytest
from ansible.errors import AnsibleError

from clusterctl.paths import playbooks_dir, roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files

VARIABLES = {
    "group_names": ["group_builders", "mesos_agent"],
    "mesos_zk_url": "zk://192.0.2.10:2181/mesos",
    "mesos_agent_resources": "cpus:1;mem:512;disk:1024;ports:[31000-32000]",
}


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    path = playbooks_dir() / "lookup_plugins" / "node_state.py"
    spec = importlib.util.spec_from_file_location("node_state", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def look(plugin: ModuleType, **changes: Any) -> dict[str, Any]:
    (state,) = plugin.LookupModule().run([], variables={**VARIABLES, **changes})
    assert isinstance(state, dict)
    return state


def test_every_file_and_unit_is_expected(plugin: ModuleType) -> None:
    state = look(plugin)
    files = render_files(roles_dir(), roles_of(["mesos_agent"]), VARIABLES)
    assert set(state["expected"]) == {
        "enabled active mesos-agent.service",
        *(f"{file.mode} {file.owner}:{file.group} {file.path}" for file in files),
        *(f"{hashlib.sha256(file.content.encode()).hexdigest()}  {file.path}" for file in files),
    }
    status, digests, *_ = state["command"].splitlines()
    for file in files:
        assert file.path in status.split()
        assert file.path in digests.split()


def test_another_value_is_another_expectation(plugin: ModuleType) -> None:
    changed = set(look(plugin, mesos_agent_attributes="pool:a")["expected"]) ^ set(look(plugin)["expected"])
    assert {line.split()[-1] for line in changed} == {"/etc/default/mesos-agent"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"group_names": ["ungrouped"]}, "in none of the groups zookeeper, mesos_master, marathon, mesos_agent"),
        ({"group_names": ["zookeeper"]}, "etc/zookeeper/zoo.cfg.j2: 'zookeeper_servers' is undefined"),
        (
            {"common_volume_serial": "x", "common_volume_mount": "/srv", "common_volume_wait_s": "1"},
            "a variable has a wrong type",
        ),
    ],
)
def test_what_is_wrong_is_said(plugin: ModuleType, changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(AnsibleError, match=expected):
        look(plugin, **changes)
