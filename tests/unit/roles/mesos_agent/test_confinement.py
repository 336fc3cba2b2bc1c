"""An agent whose tasks are confined: the launcher decides what its unit and its environment say."""

from __future__ import annotations

import pytest

from clusterctl.paths import roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files
from tests.unit.render.conftest import Node

ENVIRONMENT = "/etc/default/mesos-agent"
UNIT = "/etc/systemd/system/mesos-agent.service"


def rendered(nodes: dict[str, Node], **settings: str) -> dict[str, list[str]]:
    services, variables = nodes["builders"]
    files = render_files(roles_dir(), roles_of(services), {**variables, **settings})
    return {file.path: file.content.splitlines() for file in files}


@pytest.mark.parametrize(("launcher", "wanted"), [("linux", True), ("posix", False)])
def test_systemd_leaves_groups_alone_that_the_agent_fills(nodes: dict[str, Node], launcher: str, wanted: bool) -> None:
    files = rendered(nodes, mesos_agent_launcher=launcher, mesos_agent_isolation="cgroups/cpu,cgroups/mem")
    assert ("Delegate=yes" in files[UNIT]) is wanted
    assert f"MESOS_LAUNCHER={launcher}" in files[ENVIRONMENT]
    assert "MESOS_ISOLATION=cgroups/cpu,cgroups/mem" in files[ENVIRONMENT]
    assert f"MESOS_SYSTEMD_ENABLE_SUPPORT={str(wanted).lower()}" in files[ENVIRONMENT]


def test_nothing_is_confined_unless_asked_for(nodes: dict[str, Node]) -> None:
    files = rendered(nodes)
    assert "Delegate=yes" not in files[UNIT]
    assert "MESOS_LAUNCHER=posix" in files[ENVIRONMENT]
    assert "MESOS_SYSTEMD_ENABLE_SUPPORT=false" in files[ENVIRONMENT]
