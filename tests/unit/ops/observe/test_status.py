"""The status of a cluster: states of nodes, leaders, resources of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from clusterctl.health.expect import Node, expected
from clusterctl.health.facts import NodeFacts
from clusterctl.ops.observe.status import NodeStatus, StatusReport, collect_status, make_status
from clusterctl.resources import Server
from tests.unit.health.clusters import CONTROL, SPEC, agent, agents, all_facts, expect, facts, servers
from tests.unit.ops.jenkins.world import jenkins_servers, jenkins_spec
from tests.unit.ops.observe.test_healthy import Listing
from tests.unit.specs import demo_spec, only_closed


def status(of: list[Server] | None = None, **changes: NodeFacts) -> StatusReport:
    found = servers() if of is None else of
    return make_status(SPEC, found, expect(of=found), all_facts(**changes))


def first(report: StatusReport) -> NodeStatus:
    return report.nodes[0]


def test_healthy() -> None:
    report = status()
    assert [(node.name, node.group, node.state) for node in report.nodes] == [
        *((name, "control", "ready") for name in CONTROL),
        ("demo-jenkins-abc-1", "jenkins", "ready"),
        ("demo-builders-abc-1", "builders", "ready"),
    ]
    assert report.ready == 5
    assert dict(report.leaders) == {
        "zookeeper": "demo-control-3",
        "mesos_master": "demo-control-1",
        "marathon": "demo-control-2",
    }
    assert dict(first(report).roles) == {"zookeeper": "follower", "mesos_master": "leader", "marathon": "standby"}
    versions = {"zookeeper": "3.8.0", "mesos_master": "1.11.0", "marathon": "1.11.24"}
    assert dict(first(report).versions) == versions


def test_json() -> None:
    found = status().to_json()
    assert set(found) == {"cluster", "size", "nodes", "leaders", "groups", "jenkins", "insecure"}
    assert found["jenkins"] is None
    assert found["nodes"][3] == {
        "name": "demo-jenkins-abc-1",
        "group": "jenkins",
        "services": ["mesos_agent"],
        "address": "10.0.0.11",
        "state": "ready",
        "roles": {"mesos_agent": "registered"},
        "versions": {"mesos_agent": "1.11.0"},
        "image": "base-1",
        "artifacts": {},
        "tasks": 1,
        "detail": "",
        "free_mib": None,
    }
    assert found["groups"][0] == {
        "name": "jenkins",
        "wanted": 1,
        "registered": 1,
        "tasks": 1,
        "cpus": 2.0,
        "cpus_used": 0.5,
        "mem_mib": 1856.0,
        "mem_mib_used": 128.0,
    }


@pytest.mark.parametrize(
    ("changes", "state", "detail"),
    [
        ({"status": "BUILD", "task_state": "spawning"}, "spawning", ""),
        ({"status": "SHUTOFF"}, "shutoff", ""),
        ({"status": "ERROR", "fault": "No valid host"}, "error", "No valid host"),
        ({"address": None, "status": "BUILD"}, "build", ""),
    ],
)
def test_a_server_that_does_not_run(changes: dict[str, str], state: str, detail: str) -> None:
    one, *rest = servers()
    node = first(status([replace(one, **changes), *rest]))  # type: ignore[arg-type]
    assert (node.state, node.detail, dict(node.roles)) == (state, detail, {})


@pytest.mark.parametrize(
    ("seen", "state", "detail"),
    [
        (NodeFacts(error="connection refused"), "unreachable", "connection refused"),
        (facts(1, boot={"state": "running", "step": "files"}), "booting", "its boot is running at step 'files'"),
        (facts(1, marathon={"error": "timed out"}), "degraded", ""),
    ],
)
def test_a_control_node_in_trouble(seen: NodeFacts, state: str, detail: str) -> None:
    node = first(status(c1=seen))
    assert (node.state, node.detail) == (state, detail)


def test_a_full_disk_is_told() -> None:
    full = {"path": "/", "free_mib": 3, "size_mib": 10000}
    node = first(status(c1=facts(1, disks=[full])))
    assert (node.state, node.free_mib) == ("ready", 3)
    assert node.detail == "/ has 3 of 10000 MiB free, expected 256"


def test_a_clock_that_is_off_is_told() -> None:
    def asked_at(began_s: float) -> dict[str, float]:
        return {"began_s": began_s, "ended_s": began_s, "asked_s": 1.0, "answered_s": 1.0}

    one, two, three = (facts(n, clock=asked_at(1900 if n == 1 else 1000)) for n in (1, 2, 3))
    node = first(status(c1=one, c2=two, c3=three))
    assert node.state == "ready"
    assert node.detail.startswith("its clock is 900 s ahead of that of demo-control-3")


def test_a_unit_with_too_many_rights_is_told() -> None:
    loose = {"no_new_privileges": True, "filtered": False, "own_mounts": True}
    seen = facts(1, confinement={"units": {"marathon": loose}})
    assert first(status(c1=seen)).detail == "", "the file leaves units open"
    spec = demo_spec(security=only_closed("units"))
    node = first(make_status(spec, servers(), expect(spec), all_facts(c1=seen)))
    assert node.state == "ready"
    assert node.detail.startswith("marathon may make any system call; `clusterctl configure FILE`, then")


def test_a_service_in_trouble_says_why() -> None:
    broken = facts(1, marathon={"error": "connection refused"}, units={"marathon": "failed"})
    assert first(status(c1=broken)).roles["marathon"] == "connection refused (unit marathon is failed)"


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"active": False, "drain": "DRAINED"}, "drained"),
        ({"active": False}, "inactive"),
        ({"hostname": "10.0.0.99"}, "unregistered"),
    ],
)
def test_an_agent_that_takes_no_tasks(change: dict[str, object], state: str) -> None:
    builder = agent("10.0.0.21", "jenkins-builder", None, **change)
    report = status(c1=facts(1, mesos_master={"agents": [agents()[0], builder]}))
    assert report.nodes[-1].state == state


def test_without_a_leading_master_agents_are_unknown() -> None:
    report = status(c1=facts(1, mesos_master={"elected": False}))
    assert report.leaders["mesos_master"] is None
    assert [node.state for node in report.nodes[3:]] == ["unknown", "unknown"]
    assert [group.registered for group in report.groups] == [None, None]


@dataclass
class Asked:
    names: list[str] = field(default_factory=list)

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        self.names += [node.name for node in nodes]
        return all_facts()


def test_one_list_call_and_one_probe_of_the_control_nodes() -> None:
    cloud, prober = Listing(), Asked()
    cloud.listed = servers()
    assert collect_status(SPEC, cloud, prober).ready == 5
    assert prober.names == list(CONTROL)
    assert cloud.calls.by_kind == {"GET /servers/detail": 1}


def test_jenkins_masters_are_counted() -> None:
    apps = [
        {"id": "/jenkins/a", "instances": 1, "running": 1},
        {"id": "/jenkins/b", "instances": 1},
        {"id": "/jenkins/c", "instances": 0},
    ]
    spec, found = jenkins_spec(), jenkins_servers()
    seen = all_facts(c2=facts(2, marathon={"jenkins": apps}))
    counted = make_status(spec, found, expected(spec, found, ()), seen).jenkins
    assert counted is not None
    assert counted.to_json() == {"masters": 3, "running": 1, "hibernating": 1}
    untold = all_facts(c2=facts(2, marathon={"jenkins": {"error": "HTTP 500"}}))
    assert make_status(spec, found, expected(spec, found, ()), untold).jenkins is None
