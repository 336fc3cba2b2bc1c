"""The look at a node: what is expected of it, and that a node which differs anywhere is told apart."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import jinja2
import jinja2.meta
import pytest
import yaml
from ansible.errors import AnsibleError

from clusterctl.paths import data_root, roles_dir
from clusterctl.render.roles import SERVICE_ROLES, roles_of
from clusterctl.render.templates import owners, render_files

VARIABLES = {
    "clusterctl_control_addresses": ["192.0.2.10"],
    "clusterctl_hardened": True,
    "zookeeper_client_port": 2181,
    "mesos_master_port": 5050,
    "jenkins_uid": 864,
    "jenkins_master_uid": 30000,
    "group_names": ["group_builders", "mesos_agent"],
    "mesos_zk_url": "zk://192.0.2.10:2181/mesos",
    "mesos_agent_resources": "cpus:1;mem:512;disk:1024;ports:[31000-32000]",
}


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    path = data_root() / "playbooks" / "action_plugins" / "node_state.py"
    spec = importlib.util.spec_from_file_location("node_state", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(plugin: ModuleType, printed: list[str], rc: int = 0) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The result of the action where the node prints that, and what was executed there with which shell."""
    executed = []

    class Action(plugin.ActionModule):  # type: ignore[misc,name-defined]
        def _low_level_execute_command(self, command: str, executable: str) -> dict[str, Any]:
            executed.append((command, executable))
            text = "\n".join(printed)
            return {"rc": rc, "stdout": text, "stdout_lines": printed, "stderr": "sudo: a password is required"}

    task = SimpleNamespace(args={"group": "differing"}, async_val=0, check_mode=True, environment=None)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action = Action(task, connection, SimpleNamespace(), None, None, None)
    return action.run(task_vars=VARIABLES), executed


def test_every_file_and_unit_is_expected(plugin: ModuleType) -> None:
    command, expected = plugin.node_state(VARIABLES)
    files = render_files(roles_dir(), roles_of(["mesos_agent"]), VARIABLES)
    assert set(expected) == {
        "enabled active mesos-agent.service",
        *(f"{file.mode} {file.owner}:{file.group} {file.path}" for file in files),
        *(f"{hashlib.sha256(file.content.encode()).hexdigest()}  {file.path}" for file in files),
    }
    status, digests, *_ = command.splitlines()
    for file in files:
        assert file.path in status.split()
        assert file.path in digests.split()


def test_another_value_is_another_expectation(plugin: ModuleType) -> None:
    expected = [set(plugin.node_state({**VARIABLES, **more})[1]) for more in ({}, {"mesos_agent_attributes": "pool:a"})]
    assert {line.split()[-1] for line in expected[0] ^ expected[1]} == {"/etc/default/mesos-agent"}


def test_a_node_as_it_should_be_is_left_alone(plugin: ModuleType) -> None:
    command, expected = plugin.node_state(VARIABLES)
    result, executed = run(plugin, ["something else", *reversed(expected)])
    assert result == {"changed": False, "msg": ""}
    assert executed == [(command, "/bin/sh")]


def test_where_a_restart_is_due_is_told(plugin: ModuleType) -> None:
    _, expected = plugin.node_state(VARIABLES)
    result, _ = run(plugin, [*expected, "pending mesos-agent.service", "pending x.service"])
    assert result["msg"].startswith("restart pending: mesos-agent.service, x.service (")
    assert "add_group" not in result


def test_a_node_that_differs_anywhere_is_put_apart_for_the_role_that_puts_it_right(plugin: ModuleType) -> None:
    _, expected = plugin.node_state(VARIABLES)
    roles = {
        "mesos-agent.service": "mesos_agent",
        "/etc/default/mesos-agent": "mesos_agent",
        "/usr/lib/clusterctl/confine": "builder",
        "/usr/lib/clusterctl/config-digest": "common",
    }
    told: dict[str, set[str]] = {}
    for line in expected:
        result, _ = run(plugin, [each for each in expected if each != line])
        assert not result["changed"]
        first, *others = result["parent_groups"]
        assert (first, result["add_group"]) == ("differing", others[0].replace("differing_", "differing_in_"))
        told.setdefault(line.split()[-1], set()).update(others)
    assert {name: told[name] for name in roles} == {name: {f"differing_{role}"} for name, role in roles.items()}


def test_a_node_that_differs_at_several_places(plugin: ModuleType) -> None:
    result, _ = run(plugin, [])
    roles = ["builder", "common", "mesos_agent"]
    assert result["parent_groups"] == ["differing", *(f"differing_{role}" for role in roles)]
    assert result["add_group"] == "differing_in_builder_and_common_and_mesos_agent"


def plays() -> dict[str, list[str]]:
    """Of site.yml: the role that a play is for -> the roles whose defaults it has, that one at last."""
    found = {}
    for play in yaml.safe_load((data_root() / "playbooks" / "site.yml").read_text()):
        if play["hosts"].startswith("differing_"):
            roles = play.get("roles") or [task["ansible.builtin.import_role"]["name"] for task in play["tasks"]]
            found[play["hosts"].removeprefix("differing_")] = roles
    return found


def test_each_role_that_puts_something_on_nodes_has_its_play_in_the_order_of_first_boots() -> None:
    roles = [role for role in roles_of(list(SERVICE_ROLES)) if owners(roles_dir(), [role])]
    assert list(plays()) == [defaults[-1] for defaults in plays().values()] == roles


@pytest.mark.parametrize("role", list(plays()))
def test_a_play_has_the_defaults_that_the_templates_of_its_role_use(role: str) -> None:
    known = {
        other: set(yaml.safe_load((roles_dir() / other / "defaults" / "main.yml").read_text()) or ())
        for of_service in SERVICE_ROLES.values()
        if role in of_service
        for other in of_service
    }
    engine = jinja2.Environment(autoescape=True)
    used = set()
    for template in (roles_dir() / role / "templates").rglob("*.j2"):
        used |= jinja2.meta.find_undeclared_variables(engine.parse(template.read_text()))
    assert used
    at_hand = set().union(*(known[each] for each in {"common", *plays()[role]}))  # common's tasks write the files
    assert used & set().union(*known.values()) <= at_hand


def test_a_node_that_can_not_be_looked_at_has_failed(plugin: ModuleType) -> None:
    with pytest.raises(AnsibleError, match="can't be looked at: sudo: a password is required"):
        run(plugin, [], rc=1)


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
        plugin.node_state({**VARIABLES, **changes})


def test_what_is_loaded_once_serves_every_host(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are forked from the process that loaded the plugin: none of them compiles a template again."""

    def compiled(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("a template is compiled for each host")

    plugin.node_state(VARIABLES)
    monkeypatch.setattr(jinja2.Environment, "compile", compiled)
    assert plugin.node_state(VARIABLES)


def test_loading_the_plugin_compiles_the_templates_of_all_roles() -> None:
    code = (
        "import importlib.util, jinja2; from clusterctl.paths import data_root\n"
        "path = data_root() / 'playbooks/action_plugins/node_state.py'\n"
        "spec = importlib.util.spec_from_file_location('node_state', path)\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "jinja2.Environment.compile = None\n"
        f"print(len(module.node_state({VARIABLES!r})[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert int(done.stdout or 0) > 1, done.stderr
