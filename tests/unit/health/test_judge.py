"""The verdict over all, and the checks that belong to no service."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusterctl.health.facts import NodeFacts
from clusterctl.health.judge import judge, node_ready, server_check
from clusterctl.resources import Server
from tests.unit.health.clusters import SPEC, all_facts, expect, facts, server, servers


def failed_servers(found: list[Server]) -> str:
    check = server_check(SPEC, found)
    return "" if check.ok else check.detail


def test_a_healthy_cluster_passes_every_check() -> None:
    checks = judge(SPEC, servers(), expect(), all_facts())
    assert [check for check in checks if not check.ok] == []
    assert len({check.name for check in checks}) == len(checks) == 18


def test_servers() -> None:
    all_of_them = servers()
    assert failed_servers(all_of_them) == ""
    first, *rest = all_of_them
    assert failed_servers(rest) == "demo-control-1 has no server, expected one"
    down = replace(first, status="SHUTOFF")
    assert failed_servers([down, *rest]) == "demo-control-1 is SHUTOFF, expected ACTIVE"
    broken = replace(first, status="ERROR", fault="No valid host was found.")
    assert failed_servers([broken, *rest]) == "demo-control-1 is ERROR: No valid host was found., expected ACTIVE"
    leaving = replace(first, task_state="deleting")
    assert failed_servers([leaving, *rest]) == "demo-control-1 is deleting, expected ACTIVE"
    assert failed_servers(all_of_them[:-1]) == "group builders has 0 servers, expected 1"
    twin = replace(first, id="twin")
    assert failed_servers([*all_of_them, twin]) == "demo-control-1 has 2 servers, expected one"
    stranger = server("demo-old-1", "old", "10.0.0.99", named=True)
    assert failed_servers([*all_of_them, stranger]) == (
        "demo-old-1 is not in the cluster file; group old is not in the cluster file"
    )


@pytest.mark.parametrize(
    ("boot", "detail"),
    [
        ({"state": "running", "step": "services"}, "its boot is running at step 'services', expected done"),
        (
            {"state": "failed", "step": "files", "detail": "no space left"},
            "its boot is failed at step 'files': no space left, expected done",
        ),
        (
            {"error": "no such file or directory"},
            "its boot left no report (no such file or directory), expected done",
        ),
    ],
)
def test_boot(boot: dict[str, str], detail: str) -> None:
    checks = judge(SPEC, servers(), expect(), all_facts(c2=facts(2, boot=boot)))
    assert [(check.name, check.detail) for check in checks if not check.ok] == [
        ("boot", f"demo-control-2 (10.0.0.2): {detail}")
    ]


def test_a_node_that_is_not_reached_is_named_with_the_reason_once() -> None:
    checks = judge(SPEC, servers(), expect(), all_facts(c2=NodeFacts(error="node x: connection refused")))
    found = {check.name: check.detail for check in checks if not check.ok}
    assert found["boot"] == "demo-control-2 (10.0.0.2): not reached: node x: connection refused"
    assert [name for name, detail in found.items() if "connection refused" in detail] == ["boot"]


def test_agents_that_were_asked_take_part_in_the_boot_check() -> None:
    found = all_facts() | {"demo-builders-abc-1": facts(0, boot={"state": "failed", "step": "mesos-agent"})}
    failed = [check for check in judge(SPEC, servers(), expect(), found) if not check.ok]
    assert [check.name for check in failed] == ["boot"]
    assert "demo-builders-abc-1 (10.0.0.21): its boot is failed" in failed[0].detail


@pytest.mark.parametrize(
    "seen",
    [
        None,
        NodeFacts(error="ssh: connection refused"),
        facts(1, boot={"state": "running"}),
        facts(1, zookeeper={"error": "connection refused"}),
        facts(1, zookeeper={"state": "observer"}),
        facts(1, mesos_master={"leader": None}),
        facts(1, marathon={"error": "timed out"}),
        facts(1, marathon={"leader": None}),
        facts(1, marathon=None),
    ],
)
def test_a_node_is_not_ready(seen: NodeFacts | None) -> None:
    assert not node_ready(expect(), expect().control[0], seen)


def test_a_node_is_ready() -> None:
    assert all(node_ready(expect(), node, all_facts()[node.name]) for node in expect().control)
