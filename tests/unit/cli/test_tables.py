"""Reports as a terminal shows them."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console, RenderableType

from clusterctl.cli.tables import render_status, render_verify
from clusterctl.health.facts import NodeFacts
from clusterctl.health.judge import judge
from clusterctl.ops.observe.status import make_status
from clusterctl.ops.observe.verify import VerifyReport
from tests.unit.health.clusters import SPEC, all_facts, expect, facts, servers


def shown(what: RenderableType) -> list[str]:
    console = Console(width=160, record=True, force_terminal=False, file=io.StringIO())
    console.print(what)
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_status() -> None:
    broken = facts(3, marathon={"error": "[Errno 111] refused"})
    found = all_facts(c2=NodeFacts(error="timed out"), c3=broken)
    lines = shown(render_status(make_status(SPEC, servers(), expect(), found)))
    assert lines[1] == (
        "demo-control-1 control 10.0.0.1 ready zookeeper follower, mesos_master leader, marathon standby base-1"
    )
    assert "demo-control-2 control 10.0.0.2 unreachable zookeeper, mesos_master, marathon base-1" in lines
    assert "timed out" in lines
    assert any("marathon [Errno 111] refused" in line for line in lines)  # brackets are no markup
    assert "demo-jenkins-abc-1 jenkins 10.0.0.11 ready mesos_agent registered, 1 tasks base-1" in lines
    assert "jenkins 1 of 1 1 0.5 of 2 128 of 1856" in lines
    leaders = "zookeeper demo-control-3, mesos_master demo-control-1, marathon none"
    assert lines[-1] == f"cluster demo: 3 of 5 nodes ready; leaders: {leaders}"


def test_what_nobody_can_tell_is_unknown() -> None:
    off = {f"c{number}": NodeFacts(error="timed out") for number in (1, 2, 3)}
    report = make_status(SPEC, servers(), expect(), all_facts(**off))
    lines = shown(render_status(report))
    assert "demo-jenkins-abc-1 jenkins 10.0.0.11 unknown mesos_agent base-1" in lines
    assert "jenkins unknown of 1 unknown unknown unknown" in lines
    assert report.to_json()["groups"][0]["registered"] is None


def test_nodes_that_are_missing_count() -> None:
    few = servers()[:2]
    assert "2 of 5 nodes ready" in shown(render_status(make_status(SPEC, few, expect(of=few), all_facts())))[-1]


def test_a_cluster_that_does_not_exist() -> None:
    assert shown(render_status(make_status(SPEC, (), expect(of=[]), {}))) == [
        "cluster demo does not exist: it has no server; `clusterctl create FILE` makes it"
    ]


def test_what_is_recorded_is_shown_instead_of_the_image() -> None:
    recorded = {
        "clusterctl.artifact.mesos": f"1.11.0-2 {'a' * 64}",
        "clusterctl.artifact.marathon": f"1.11.25 {'b' * 64}",
    }
    listed = [replace(server, metadata=recorded) for server in servers()]
    report = make_status(SPEC, listed, expect(of=listed), all_facts())
    lines = shown(render_status(report))
    assert lines[1].endswith("marathon standby mesos 1.11.0-2, marathon 1.11.25")
    assert lines[4].endswith("1 tasks mesos 1.11.0-2")
    assert report.to_json()["nodes"][0]["artifacts"] == {"mesos": "1.11.0-2", "marathon": "1.11.25"}


def test_verify() -> None:
    report = VerifyReport(tuple(judge(SPEC, servers(), expect(), all_facts(c2=facts(2, boot={"state": "running"})))))
    lines = shown(render_verify(report))
    assert "ok servers 5 of 5 are active" in lines
    assert "FAILED boot demo-control-2 (10.0.0.2): its boot is running, expected done" in lines
    assert len(lines) == 19
