"""Operating rules that playbooks and roles must obey whoever runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = [*sorted((ROOT / "playbooks").rglob("*.yml")), *sorted((ROOT / "roles").rglob("*.yml"))]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All mappings of a document."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from nodes(each)


def test_no_handler_exists_so_none_can_restart_all_members_at_once() -> None:
    assert not list((ROOT / "roles").glob("*/handlers"))
    for path in FILES:
        for mapping in nodes(yaml.safe_load(path.read_text())):
            assert not {"handlers", "notify"} & set(mapping), path


def test_units_are_restarted_by_one_task_file_only() -> None:
    restarting = {path.relative_to(ROOT).as_posix() for path in FILES if _restarts(_code(path))}
    assert restarting == {"playbooks/tasks/unit.yml"}


@pytest.mark.parametrize("name", ["restart", "upgrade", "fresh-data"])
def test_members_are_refused_together_before_anything_else(name: str) -> None:
    (play,) = yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text())
    assert play["tasks"][0]["ansible.builtin.import_tasks"] == "tasks/alone.yml"


def test_an_agents_identity_is_forgotten_in_one_place_and_only_if_drained() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in FILES if "meta/slaves/latest" in path.read_text()}
    assert found == {"playbooks/new-identity.yml"}
    (play,) = yaml.safe_load((ROOT / "playbooks/new-identity.yml").read_text())
    names = [task["name"] for task in play["tasks"]]
    assert names[0] == "Only agents that are drained"
    assert names[-1] == "Forget it"
    assert names.index("Stop the agent") < names.index("Check that it is the drained one") < len(names) - 1


def test_an_agents_unit_leaves_its_executors_alive() -> None:
    unit = (ROOT / "roles/mesos_agent/templates/etc/systemd/system/mesos-agent.service.j2").read_text()
    assert "KillMode=process" in unit
    flags = (ROOT / "roles/mesos_agent/templates/etc/default/mesos-agent.j2").read_text()
    assert "MESOS_RECOVER=reconnect" in flags
    assert "MESOS_RECONFIGURATION_POLICY=additive" in flags


@pytest.mark.parametrize("role", ["zookeeper", "mesos_master", "mesos_agent", "marathon"])
def test_services_come_back_without_a_hand(role: str) -> None:
    unit = ROOT / "roles" / role / "templates/etc/systemd/system" / f"{role.replace('_', '-')}.service.j2"
    assert "Restart=always" in unit.read_text()
    assert "StartLimitIntervalSec=0" in unit.read_text()


def _restarts(code: str) -> bool:
    """Whether a unit's state is set to that; comparing with it is none."""
    return re.search(r"\bstate: .*(restarted|reloaded)", code) is not None


def _code(path: Path) -> str:
    return "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))


def test_in_check_mode_no_unit_is_asked_of_systemd_whose_file_may_be_missing() -> None:
    start, tell = yaml.safe_load((ROOT / "roles/common/tasks/start.yml").read_text())
    assert "not ansible_check_mode" in start["when"]
    assert tell["changed_when"] is True
    assert "ansible_check_mode and" in tell["when"]
    for path in FILES:
        if "systemd_service" in path.read_text() and path.parts[-3] == "roles":
            assert path.name == "start.yml", path


def test_data_of_members_are_set_aside_and_never_deleted() -> None:
    for name in ("fresh-data", "copy-log"):
        text = (ROOT / "playbooks" / f"{name}.yml").read_text()
        assert re.search(r"mv -T .*\.aside\.", text), name
        assert not re.search(r"\brm -", text), name
    assert "when: inventory_hostname != log_source" in (ROOT / "playbooks/copy-log.yml").read_text()
