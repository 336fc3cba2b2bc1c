"""The roles' argument specifications cover the variables of both sides."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from clusterctl.paths import roles_dir
from clusterctl.render.roles import SERVICE_ROLES, roles_of

from .conftest import Node

ROLES = sorted({role for roles in SERVICE_ROLES.values() for role in roles})
# Shown by the inventory, read by no role.
INFORMATION = {"clusterctl_cluster", "clusterctl_node"}


def options(role: str, *entries: str) -> dict[str, Any]:
    specs = yaml.safe_load((roles_dir() / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    return {name: option for entry in entries for name, option in specs[entry]["options"].items()}


def defaults(role: str) -> dict[str, Any]:
    return dict(yaml.safe_load((roles_dir() / role / "defaults" / "main.yml").read_text()))


def test_every_variable_of_a_node_belongs_to_a_role(nodes: dict[str, Node]) -> None:
    known = {name for role in ROLES for name in options(role, "main")} | INFORMATION
    assert {name for _, values in nodes.values() for name in values} <= known


@pytest.mark.parametrize("node", ["control", "jenkins", "builders", "masters-0.x"])
def test_every_required_argument_is_given(node: str, nodes: dict[str, Node]) -> None:
    services, values = nodes[node]
    for role in roles_of(services):
        required = {name for name, option in options(role, "main").items() if option.get("required")}
        assert required <= values.keys(), role


@pytest.mark.parametrize("role", ROLES)
def test_defaults_agree(role: str) -> None:
    specified = options(role, "main", "install")
    for name, value in defaults(role).items():
        assert name in specified, f"{name} has a default and no specification"
        assert specified[name].get("default") == value, name


@pytest.mark.parametrize("role", ROLES)
def test_templates_use_only_specified_variables(role: str) -> None:
    specified = options(role, "main").keys()
    pattern = re.compile(r"\b(?:clusterctl_|common_|jenkins_|marathon_|mesos_|zookeeper_)[a-z0-9_]+")
    for template in (roles_dir() / role / "templates").rglob("*.j2"):
        for expression in re.findall(r"{[{%](.*?)[%}]}", template.read_text(), re.DOTALL):
            assert set(pattern.findall(expression)) <= specified, template
