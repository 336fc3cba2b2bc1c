"""Marathon's start script is told which Java the image has for it."""

from __future__ import annotations

import yaml

from clusterctl.paths import roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files
from tests.unit.render.conftest import Node


def environment(nodes: dict[str, Node], **settings: str) -> list[str]:
    services, variables = nodes["control"]
    files = render_files(roles_dir(), roles_of(services), {**variables, **settings})
    return next(file.content.splitlines() for file in files if file.path == "/etc/default/marathon")


def test_it_is_where_the_image_has_it(nodes: dict[str, Node]) -> None:
    assert "JAVA_HOME=/opt/marathon-java/current" in environment(nodes)
    install = yaml.safe_load((roles_dir() / "marathon" / "tasks" / "install.yml").read_text())
    name = next(task["vars"]["common_java_name"] for task in install if "common_java_name" in task.get("vars", {}))
    java = yaml.safe_load((roles_dir() / "common" / "tasks" / "java.yml").read_text())
    assert name == "marathon-java"
    assert java[0]["ansible.builtin.file"]["path"] == "/opt/{{ common_java_name }}"


def test_another_can_be_set(nodes: dict[str, Node]) -> None:
    assert "JAVA_HOME=/usr/lib/jvm/java-8" in environment(nodes, marathon_java_home="/usr/lib/jvm/java-8")
    assert not [line for line in environment(nodes, marathon_java_home="") if line.startswith("JAVA_HOME")]
