from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import requests

from clusterctl.cloud.base import Cloud
from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.errors import CloudError
from clusterctl.resources import KEY_CLUSTER, KEY_GROUP, Limits, PortRequest, Rule, ServerRequest, owner_mark
from tests.memory.cloud import MemoryCloud
from tests.unit.cloud.fake_api import PROJECT, FakeApi, Fault, image, server, volume

MARK = owner_mark("ci")
MARKED = {"description": MARK, "project_id": PROJECT}
META = {KEY_CLUSTER: "ci", KEY_GROUP: "builders"}


@pytest.mark.parametrize("kind", [OpenStackCloud, MemoryCloud])
def test_both_clouds_have_the_protocols_signatures(kind: type) -> None:
    methods = [name for name, value in vars(Cloud).items() if inspect.isfunction(value) and not name.startswith("_")]
    assert len(methods) > 20
    for name in methods:
        assert inspect.signature(getattr(kind, name)) == inspect.signature(getattr(Cloud, name)), name


def test_satisfies_the_protocol(cloud: OpenStackCloud) -> None:
    checked_by_mypy: Cloud = cloud
    assert checked_by_mypy.calls.write == 0


def test_limits(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.quotas = {
        "port": {"limit": 50, "used": 10, "reserved": 1},
        "security_group": {"limit": -1, "used": 3, "reserved": 0},
        "security_group_rule": {"limit": 5, "used": 9, "reserved": 0},
    }
    assert cloud.limits() == Limits(
        instances=6,
        cores=None,
        ram_mib=0,
        server_group_members=10,
        server_groups=9,
        ports=39,
        security_groups=None,
        security_group_rules=0,
        volumes=9,
        gigabytes=None,
    )


def test_observe_is_one_list_a_kind(cloud: OpenStackCloud, api: FakeApi) -> None:
    cloud.flavors()
    cloud.calls.by_kind.clear()
    api.servers = [server("ci-a", tags=[MARK], metadata=META)]
    api.volumes = [volume("ci-a", metadata=META)]
    api.ports = [{"id": "p", "name": "ci-a", **MARKED}]
    api.security_groups = [{"id": "g", "name": "clusterctl.ci", "security_group_rules": [], **MARKED}]
    api.server_groups = [{"id": "g", "name": "clusterctl.ci.zk", "policy": "affinity", "members": []}]
    assert set(cloud.observe("ci").counts.values()) == {1}
    assert {kind: n for kind, n in cloud.calls.by_kind.items() if kind != "GET /"} == dict.fromkeys(
        ("GET /servers/detail", "GET /ports", "GET /volumes/detail", "GET /os-server-groups", "GET /security-groups"), 1
    )


# --- every fault at every kind of call --------------------------------------------------------------------------------
FAULTS: dict[str, dict[str, Any]] = {
    "429 with Retry-After": {"status": 429, "headers": {"Retry-After": "2"}},
    "500": {"status": 500},
    "502": {"status": 502},
    "503": {"status": 503},
    "504": {"status": 504},
    "reset": {"error": requests.ConnectionError("reset")},
    "time-out": {"error": requests.ReadTimeout("timed out")},
    "answer cut off": {"error": requests.exceptions.ChunkedEncodingError("cut off")},
}

READS: dict[str, tuple[str, Callable[[OpenStackCloud], object]]] = {
    "servers": ("GET .*/servers/detail", lambda c: c.servers("ci")),
    "ports": ("GET .*/ports", lambda c: c.ports("ci")),
    "volumes": ("GET .*/volumes/detail", lambda c: c.volumes("ci")),
    "server_groups": ("GET .*/os-server-groups", lambda c: c.server_groups("ci")),
    "security_groups": ("GET .*/security-groups", lambda c: c.security_groups("ci")),
    "flavors": ("GET .*/flavors/detail", lambda c: c.flavors()),
    "has_keypair": ("GET .*/os-keypairs", lambda c: c.has_keypair("ops")),
    "availability_zones": ("GET .*/os-availability-zone", lambda c: c.availability_zones()),
    "limits, compute": ("GET /compute.*/limits", lambda c: c.limits()),
    "limits, network": ("GET .*/quotas", lambda c: c.limits()),
    "limits, volume": ("GET /volume.*/limits", lambda c: c.limits()),
    "network": ("GET .*/networks", lambda c: c.network("lab")),
    "images": ("GET .*/images", lambda c: c.images(family="f")),
    "image": ("GET .*/images/", lambda c: c.image("i1")),
    "console": ("POST .*/action", lambda c: c.console("s1")),
    "rebuilt": ("GET .*/os-instance-actions", lambda c: c.rebuilt("built-anew")),
    "discovery": (r"GET /compute/v2\.1/?$", lambda c: c.flavors()),
    "token": ("POST .*/auth/tokens", lambda c: c.flavors()),
}

DELETES: dict[str, Callable[[OpenStackCloud], None]] = {
    "servers": lambda c: c.delete_server("s1"),
    "ports": lambda c: c.delete_port("p1"),
    "volumes": lambda c: c.delete_volume("v1"),
    "server_groups": lambda c: c.delete_server_group("g1"),
    "security_groups": lambda c: c.delete_security_group("g1"),
    "images": lambda c: c.delete_image("i1"),
}

REQUEST = ServerRequest("ci-x1", "i1", "f1", b"", META, (MARK,), "ops", None, None, network_id="n1")

# what is made, by which call, how many of it there must be afterwards
CREATES: dict[str, tuple[str, str, Callable[[OpenStackCloud], object], int]] = {
    "server": ("servers", "POST .*/servers$", lambda c: c.create_servers(REQUEST), 1),
    "batch": (
        "servers",
        "POST .*/servers$",
        lambda c: c.create_servers(ServerRequest(**{**vars(REQUEST), "count": 5})),
        5,
    ),
    "ports": (
        "ports",
        "POST .*/ports",
        lambda c: c.create_ports([PortRequest(f"ci-{n}", "n1", ("g1",), MARK) for n in range(3)]),
        3,
    ),
    "volume": (
        "volumes",
        "POST .*/volumes",
        lambda c: c.create_volume(name="ci-a", size_gib=1, metadata=META, zone=None),
        1,
    ),
    "server_group": (
        "server_groups",
        "POST .*/os-server-groups",
        lambda c: c.create_server_group("clusterctl.ci.zk", "affinity"),
        1,
    ),
    "security_group": (
        "security_groups",
        "POST .*/security-groups",
        lambda c: c.create_security_group("clusterctl.ci", MARK),
        1,
    ),
    "snapshot": ("images", "POST .*/action", lambda c: c.create_snapshot("builder", "base-2", {"x": "y"}), 1),
}


@pytest.fixture
def full(api: FakeApi) -> FakeApi:
    """A cloud with one of everything."""
    api.servers = [server("a", id="s1"), server("b", id="builder")]
    api.ports = [{"id": "p1", "name": "a"}]
    api.volumes = [volume("a", id="v1")]
    api.server_groups = [{"id": "g1", "name": "a", "policy": "affinity", "members": []}]
    api.security_groups = [{"id": "g1", "name": "a", "security_group_rules": []}]
    api.images = [image("a", id="i1")]
    return api


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("read", READS)
def test_a_read_survives_one_fault(connect: Callable[[], OpenStackCloud], full: FakeApi, read: str, fault: str) -> None:
    pattern, call = READS[read]
    full.faults.append(Fault(pattern, **FAULTS[fault]))
    call(connect())
    assert full.faults[0].times == 0


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", DELETES)
def test_a_delete_survives_one_fault(cloud: OpenStackCloud, full: FakeApi, kind: str, fault: str, after: bool) -> None:
    before = len(getattr(full, kind))
    full.faults.append(Fault("DELETE", after=after, **FAULTS[fault]))
    DELETES[kind](cloud)
    assert full.faults[0].times == 0
    assert len(getattr(full, kind)) == before - 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("made", CREATES)
def test_a_create_with_one_fault_makes_each_thing_once(
    cloud: OpenStackCloud, full: FakeApi, made: str, fault: str, after: bool
) -> None:
    after = after and not fault.startswith("429")  # which says that the request was not begun
    kind, pattern, call, count = CREATES[made]
    before = len(getattr(full, kind))
    full.faults.append(Fault(pattern, after=after, **FAULTS[fault]))
    call(cloud)
    assert full.faults[0].times == 0
    assert len(getattr(full, kind)) == before + count


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", FAULTS)
def test_rules_with_one_fault_are_made_once(cloud: OpenStackCloud, full: FakeApi, fault: str, after: bool) -> None:
    full.faults.append(Fault("POST .*rules", after=after, **FAULTS[fault]))
    cloud.create_rules("g1", [Rule(1, 1), Rule(2, 2)])
    assert len(full.security_groups[0]["security_group_rules"]) == 2


@pytest.mark.parametrize("fault", ["429 with Retry-After", "503", "time-out"])
@pytest.mark.parametrize("made", CREATES)
def test_a_create_under_a_lasting_fault_ends_with_an_error_in_time(
    cloud: OpenStackCloud, full: FakeApi, made: str, fault: str, pauses: list[float]
) -> None:
    _, pattern, call, _ = CREATES[made]
    full.faults.append(Fault(pattern, times=999, **FAULTS[fault]))
    with pytest.raises(CloudError, match="cannot"):
        call(cloud)
    assert len(full.log) < 40
    assert sum(pauses) < 60


@pytest.mark.parametrize("fault", ["503", "time-out"])  # all take the same way through the transport
@pytest.mark.parametrize("read", READS)
def test_a_read_under_a_lasting_fault_ends_with_an_error_in_time(
    connect: Callable[[], OpenStackCloud], full: FakeApi, read: str, fault: str, pauses: list[float]
) -> None:
    pattern, call = READS[read]
    full.faults.append(Fault(pattern, times=999, **FAULTS[fault]))
    with pytest.raises(CloudError, match="cannot"):
        call(connect())
    assert sum(pauses) < 60
