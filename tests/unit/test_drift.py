"""What can't be changed in place is named, each with the command that fixes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clusterctl.drift import drift
from clusterctl.resources import KEY_FAMILY, KEY_IMAGE, KEY_MOUNT, Observed, Server, ServerGroup, Volume
from clusterctl.spec.model import ClusterSpec
from tests.unit.specs import demo, demo_spec
from tests.unit.test_plan import whole

FLAVORS = {"m1.small": "m1.small", "f1": "m1.small", "m1.large": "m1.large"}


def lines(spec: ClusterSpec, observed: Observed, network: str | None = "lab") -> list[str]:
    return [each.line for each in drift(spec, observed, FLAVORS, network)]


def having(**changes: Any) -> Observed:
    """The whole demo, all of its servers changed."""
    there = whole()
    return replace(there, servers=tuple(replace(server, **changes) for server in there.servers))


def group(name: str, **changes: Any) -> ClusterSpec:
    groups = demo()["groups"]
    groups[name] |= changes
    return demo_spec(groups=groups)


def with_volume(size: int = 5, mount: str = "/srv/jenkins") -> ClusterSpec:
    return group("jenkins", volume={"size": size, "mount": mount})


def with_jenkins_1(volume: Volume | None = None, **changes: Any) -> Observed:
    there = whole()
    old = next(server for server in there.servers if server.group == "jenkins")
    named = replace(old, id="j", name="demo-jenkins-1", node="demo-jenkins-1", **changes)
    volume = volume or Volume("v", "demo-jenkins-1", "in-use", 5, "jenkins", "j")
    return replace(there, servers=(*(s for s in there.servers if s is not old), named), volumes=(volume,))


def test_a_cluster_as_in_the_file() -> None:
    assert lines(demo_spec(), whole()) == []
    assert lines(group("builders", flavor="f1"), whole()) == []  # by id
    assert lines(demo_spec(availability_zone="a:host-7"), having(zone="a")) == []
    assert lines(demo_spec(), having(zone="a", network="lab", keypair="ops")) == []
    assert lines(with_volume(), with_jenkins_1(metadata={KEY_MOUNT: "/srv/jenkins"})) == []


def test_a_flavor() -> None:
    assert lines(group("control", flavor="m1.large"), whole()) == [
        "demo-control-1, demo-control-2, demo-control-3: has flavor m1.small, and the file says m1.large; "
        "`clusterctl replace FILE NODE` for each, one after the other"
    ]
    [line] = lines(group("builders", flavor="gone"), whole())
    assert "the file says gone, which the cloud doesn't have; `clusterctl replace FILE demo-builders-a-1`" in line


def test_zones_by_ordinal() -> None:
    spec = group("control", availability_zones=["a", "b"])
    found = lines(spec, having(zone="a"))
    assert found == [
        "demo-control-2: is in zone a, and the file says b; `clusterctl replace FILE demo-control-2`",
    ]


@pytest.mark.parametrize(
    ("changes", "spec", "text"),
    [
        ({"keypair": "old"}, demo_spec(), "has key pair old, and the file says ops"),
        ({"network": "old"}, demo_spec(), "is in network old, and the file says lab; members keep their addresses"),
        ({"services": ("marathon",)}, demo_spec(), "was made for marathon, and the file says"),
        ({"metadata": {KEY_IMAGE: "other-1"}}, demo_spec(), "was made from image other-1, and the file says"),
        ({"metadata": {KEY_IMAGE: "clusterctl-base-1", KEY_FAMILY: "x"}}, demo_spec(), "was made from image"),
    ],
)
def test_what_a_server_keeps_for_life(changes: dict[str, Any], spec: ClusterSpec, text: str) -> None:
    found = lines(spec, having(**changes))
    assert found
    assert all(text in line for line in found)


@pytest.mark.parametrize(
    "metadata",
    [{}, {KEY_IMAGE: "clusterctl-base-20260101"}, {KEY_IMAGE: "x", KEY_FAMILY: "clusterctl-base"}],
)
def test_an_image_of_the_family(metadata: dict[str, str]) -> None:
    assert lines(demo_spec(), having(metadata=metadata)) == []
    assert lines(demo_spec(image="image"), having(metadata={KEY_IMAGE: "x"})) == []  # by id


def test_volumes() -> None:
    [line] = lines(with_volume(size=9), with_jenkins_1())
    assert line.startswith("volume demo-jenkins-1 (v): has 5 GiB, and the file says 9; `openstack")
    assert "volume set --size 9 v`, then `clusterctl run FILE -- demo-jenkins-1" in line
    [line] = lines(with_volume(size=3), with_jenkins_1())
    assert "volumes can't shrink: write `size: 5` into the file" in line
    [line] = lines(with_volume(mount="/data"), with_jenkins_1(metadata={KEY_MOUNT: "/srv/jenkins"}))
    assert line == (
        "demo-jenkins-1: mounts its volume at /srv/jenkins, and the file says /data; "
        "`clusterctl replace FILE demo-jenkins-1`"
    )
    [line] = lines(with_volume(), with_jenkins_1(Volume("v", "demo-jenkins-1", "available", 5, "jenkins", None)))
    assert line == "volume demo-jenkins-1 (v): is not attached to its server; `clusterctl replace FILE demo-jenkins-1`"
    [line] = lines(demo_spec(), with_jenkins_1())
    assert "is in use, and the file has no volume for its group; `clusterctl replace FILE demo-jenkins-1`" in line


def test_anti_affinity() -> None:
    there = whole()
    members = tuple(server.id for server in there.servers if server.group == "control")
    there = replace(there, server_groups=(ServerGroup("g", "clusterctl.demo.control", "soft-anti-affinity", members),))
    assert lines(demo_spec(), there) == []
    [line] = lines(group("control", anti_affinity="hard"), there)
    assert line == (
        "server group clusterctl.demo.control: has policy soft-anti-affinity, and the file says anti-affinity; "
        "`openstack server group delete g`, `clusterctl create FILE`, then `clusterctl replace FILE NODE` for each, "
        "one after the other"
    )
    [line] = lines(group("control", anti_affinity="off"), there)
    assert "is used, and the file says 'anti_affinity: off'; `openstack server group delete g`" in line
    hard = replace(there, server_groups=(ServerGroup("g", "clusterctl.demo.control", "anti-affinity", members[1:]),))
    [line] = lines(group("control", anti_affinity="hard"), hard)
    assert line == "demo-control-1: is not in its server group; `clusterctl replace FILE demo-control-1`"


def test_servers_that_are_going_don_t_count() -> None:
    gone: list[dict[str, Any]] = [
        {"status": "DELETED"},
        {"task_state": "deleting"},
        {"status": "ERROR", "launched": False},
    ]
    for changes in gone:
        assert lines(group("control", flavor="m1.large"), having(**changes)) == []
    assert isinstance(whole().servers[0], Server)
