"""Work on nodes for a change of members: which playbook is run on whom, and what its notes mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clusterctl.ansible.playbook import PlaybookResult
from clusterctl.ops.day2.hosts import AnsibleHosts
from clusterctl.ops.grow.nodework import RollingWork
from clusterctl.ops.roll.steps import Roll
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from tests.unit.ops.operations import Running

NOTES = (
    ("demo-control-1", "Tell", "restart pending: zookeeper.service, mesos-master.service (clusterctl restart does it)"),
    ("demo-control-2", "Tell", "restart pending: zookeeper.service (clusterctl restart does it)"),
    ("demo-builders-x-1", "Tell", "restart pending: mesos-agent.service (clusterctl restart does it)"),
    ("demo-control-3", "Other", "something else"),
)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []

    def run(_self: object, playbook: str, names: Sequence[str], variables: Mapping[str, Any]) -> PlaybookResult:
        found.append((playbook, list(names), dict(variables)))
        return PlaybookResult({}, (), (), NOTES, "")

    def inventory(spec: ClusterSpec, _cloud: object, _access: object) -> dict[str, int]:
        found.append(spec.groups["control"].count)
        return {}

    monkeypatch.setattr(AnsibleHosts, "run", run)
    monkeypatch.setattr("clusterctl.ops.grow.nodework.cluster_inventory", inventory)
    return found


def work(running: Running) -> RollingWork:
    return RollingWork(running.operation().run, Path("/data"))


def test_files_are_written_and_pending_restarts_told(ran: list[Any]) -> None:
    running = Running()
    pending = work(running).configure(running.spec, ["demo-control-1"], 3)
    assert ran == [3, ("site", ["demo-control-1"], {"zookeeper_members_change": True, "mesos_master_quorum": 3})]
    assert pending == {
        Service.ZOOKEEPER: ["demo-control-1", "demo-control-2"],
        Service.MESOS_MASTER: ["demo-control-1"],
        Service.MESOS_AGENT: ["demo-builders-x-1"],
    }


def test_all_nodes_as_the_file_wants_them(ran: list[Any]) -> None:
    running = Running()
    work(running).configure(running.spec, None, None)
    assert ran[1] == ("site", ["all"], {"zookeeper_members_change": False})


def test_the_leader_of_the_moment() -> None:
    running = Running()
    assert work(running).leader(running.spec, Service.ZOOKEEPER) == "demo-control-1"


@pytest.mark.parametrize(("leads", "done"), [("demo-control-1", ["started"]), (None, ["rolled"])])
def test_who_is_out_while_another_leads_is_only_started(
    monkeypatch: pytest.MonkeyPatch, leads: str | None, done: list[str]
) -> None:
    """Whether it can come back depends on the lists of the others."""
    found: list[str] = []
    nodework = "clusterctl.ops.grow.nodework"
    monkeypatch.setattr(RollingWork, "leader", lambda *_args: leads)
    monkeypatch.setattr(f"{nodework}.cluster_inventory", lambda *_args: {})
    monkeypatch.setattr(f"{nodework}.set_unit", lambda _hosts, _service, _names, state: found.append(state))
    monkeypatch.setattr(Roll, "members", lambda *_args, **_options: found.append("rolled"))
    running = Running()
    work(running).step_down(running.spec, "demo-control-3")
    assert found == done
