"""What must be seen, from the file and the servers."""

from __future__ import annotations

from dataclasses import replace

from clusterctl.health.expect import expected
from clusterctl.services import Service
from tests.unit.health.clusters import CONTROL, FLAVORS, SPEC, expect, server, servers


def test_members() -> None:
    found = expect()
    assert tuple(node.name for node in found.running(Service.ZOOKEEPER)) == CONTROL
    assert [(node.name, node.address) for node in found.agents] == [
        ("demo-builders-abc-1", "10.0.0.21"),
        ("demo-jenkins-abc-1", "10.0.0.11"),
    ]
    assert found.size[Service.MESOS_AGENT] == 2


def test_offers_are_the_flavor_minus_the_reserve() -> None:
    jenkins = expect().offers["jenkins"]
    assert (jenkins.reserved, dict(jenkins.attributes)) == ("marathon", {"pool": "jenkins-master"})
    assert dict(jenkins.resources) == {"cpus": 2.0, "mem": 1856, "disk": 8192, "ports": "[31000-32000]"}
    assert expect().offers["builders"].reserved is None


def test_an_unknown_flavor_leaves_sizes_open() -> None:
    assert dict(expected(SPEC, servers(), ()).offers["jenkins"].resources) == {}


def test_servers_that_are_no_members() -> None:
    first, *rest = servers()
    for other in (
        replace(first, address=None),
        replace(first, task_state="deleting"),
        replace(first, group="gone"),
        replace(first, node="demo-control-9"),
    ):
        assert [node.name for node in expected(SPEC, [other, *rest], FLAVORS).control] == list(CONTROL[1:])


def test_the_servers_state_is_kept() -> None:
    stopped = server(CONTROL[0], "control", "10.0.0.1", named=True, status="SHUTOFF")
    assert expect(of=[stopped]).control[0].status == "SHUTOFF"
