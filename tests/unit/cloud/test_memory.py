from __future__ import annotations

from dataclasses import replace

import pytest

from clusterctl.cloud.base import Cloud
from clusterctl.errors import CloudError
from clusterctl.resources import (
    KEY_CLUSTER,
    KEY_GROUP,
    KEY_NODE,
    KEY_SERVICES,
    Flavor,
    Image,
    PortRequest,
    Rule,
    ServerRequest,
    owner_mark,
    server_group_name,
)
from tests.memory.cloud import MemoryCloud
from tests.memory.faults import Fault
from tests.memory.state import UNLIMITED

FLAVOR = Flavor("f1", "m1.small", 2, 2048, 10)
IMAGE = Image("i1", "base", "active", "2026-01-01T00:00:00Z", 0, 0, {"clusterctl_family": "clusterctl-base"})


def cloud(**settings: object) -> MemoryCloud:
    made = MemoryCloud(image_list=[IMAGE], flavor_list=[FLAVOR])
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def request(name: str = "ci-builders-x1", *, cluster: str = "ci", count: int = 1, **more: object) -> ServerRequest:
    made = ServerRequest(
        name=name,
        image_id="i1",
        flavor_id="f1",
        user_data=b"#cloud-config\n",
        metadata={KEY_CLUSTER: cluster, KEY_GROUP: "builders", KEY_SERVICES: "mesos_agent"},
        tags=(owner_mark(cluster),),
        keypair="ops",
        zone=None,
        server_group_id=None,
        network_id="network-1",
        count=count,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def test_satisfies_the_protocol() -> None:
    checked_by_mypy: Cloud = cloud()
    assert checked_by_mypy.calls.read == 0


def test_builds_finish_by_lists_and_deleted_servers_vanish_by_lists() -> None:
    at = cloud()
    at.create_servers(request())
    [first] = at.servers("ci")
    [second] = at.servers("ci")
    assert (first.status, first.address, first.launched) == ("BUILD", None, False)
    assert (second.status, second.address, second.launched) == ("ACTIVE", "10.50.0.11", True)
    assert second.services == ("mesos_agent",)
    at.delete_server(second.id)
    assert [server.task_state for server in at.servers("ci")] == ["deleting"]
    assert at.servers("ci") == []
    assert at.port_records == {}
    at.delete_server(second.id)  # gone already: no error


def test_multi_create_is_numbered_and_a_single_name_is_left_alone() -> None:
    at = cloud()
    at.create_servers(request("ci-builders-x1", count=3))
    at.create_servers(request("ci-builders-x2-1"))
    assert [server.name for server in at.servers("ci")] == [
        "ci-builders-x1-1",
        "ci-builders-x1-2",
        "ci-builders-x1-3",
        "ci-builders-x2-1",
    ]
    assert at.calls.by_kind == {"POST /servers": 2, "GET /servers/detail": 1}


def test_port_and_volume_outlive_their_server() -> None:
    at = cloud(delete_ticks=0)
    [port] = at.create_ports([PortRequest("ci-zk-1", "network-1", ("sg",), owner_mark("ci"))])
    volume = at.create_volume(
        name="ci-zk-1", size_gib=5, metadata={KEY_CLUSTER: "ci", KEY_GROUP: "zk", KEY_NODE: "ci-zk-1"}, zone=None
    )
    at.create_servers(request("ci-zk-1", port_id=port.id, volume_id=volume.id, network_id=None))
    [server] = at.servers("ci")
    seen = at.observe("ci")
    assert (seen.ports[0].device_id, seen.volumes[0].attached_to) == (server.id, server.id)
    with pytest.raises(CloudError, match="in-use"):
        at.delete_volume(volume.id)
    with pytest.raises(CloudError, match="still in use"):
        at.create_servers(request("ci-zk-2", port_id=port.id, network_id=None))
    at.delete_server(server.id)
    seen = at.observe("ci")
    assert (seen.servers, seen.ports[0].device_id, seen.volumes[0].attached_to) == ((), "", None)


def test_over_quota_is_refused_whole() -> None:
    at = cloud(quota=replace(UNLIMITED, instances=3, cores=100))
    with pytest.raises(CloudError) as caught:
        at.create_servers(request(count=4))
    assert caught.value.status == 403
    assert at.servers("ci") == []
    at.create_servers(request(count=3))
    assert at.limits().instances == 0
    assert at.limits().cores == 94
    assert at.limits().ram_mib is None


def test_hard_anti_affinity_ends_in_error_when_hosts_run_out() -> None:
    at = cloud(hosts=1, build_ticks=0)
    group = at.create_server_group(server_group_name("ci", "zk"), "anti-affinity")
    at.create_servers(request(count=2, server_group_id=group.id))
    servers = at.servers("ci")
    assert [server.status for server in servers] == ["ACTIVE", "ERROR"]
    assert "No valid host" in (servers[1].fault or "")
    assert not servers[1].launched
    assert len(at.observe("ci").server_groups[0].members) == 2


def test_another_clusters_resources_are_not_seen() -> None:
    at = cloud()
    at.create_servers(request(cluster="ci2"))
    at.create_server_group(server_group_name("ci2", "zk"), "anti-affinity")
    at.create_security_group("clusterctl.ci2", owner_mark("ci2"))
    assert not any(at.observe("ci").counts.values())
    assert list(at.clusters()) == ["ci2"]


def test_faults_come_before_or_after_the_effect() -> None:
    at = cloud(faults=[Fault(CloudError("refused", status=503), kind="POST /servers")])
    with pytest.raises(CloudError, match="refused"):
        at.create_servers(request())
    assert at.servers("ci") == []
    at.reset_calls()
    at.faults = [Fault(SystemExit(9), call=1, when="after")]
    with pytest.raises(SystemExit):
        at.create_servers(request())
    assert len(at.servers("ci")) == 1


def test_rules_and_security_group_in_use() -> None:
    at = cloud(delete_ticks=0)
    group = at.create_security_group("clusterctl.ci", owner_mark("ci"))
    at.create_rules(group.id, [Rule(22, 22), Rule(2181, 2181)])
    at.create_rules(group.id, [Rule(22, 22)])
    assert at.observe("ci").security_groups[0].rules == {Rule(22, 22), Rule(2181, 2181)}
    at.create_servers(request(security_groups=(group.id,)))
    with pytest.raises(CloudError, match="in use"):
        at.delete_security_group(group.id)
    at.delete_server(at.servers("ci")[0].id)
    assert at.servers("ci") == []
    at.delete_security_group(group.id)
    assert at.observe("ci").security_groups == ()


def test_snapshot_becomes_active() -> None:
    at = cloud()
    at.create_servers(request())
    image_id = at.create_snapshot(at.servers("ci")[0].id, "base-2", {"clusterctl_family": "clusterctl-base"})
    states = [made.status for made in (at.image(image_id), at.image(image_id)) if made]
    assert states == ["queued", "active"]
    assert [image.name for image in at.images(family="clusterctl-base")] == ["base-2", "base"]
    at.delete_image(image_id)
    assert at.image(image_id) is None
