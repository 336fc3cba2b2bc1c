"""Lost answers and refused requests between the adapter and the lab's real APIs: each thing is made once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clusterctl.cloud.clients import open_clients
from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.cloud.recovery import Recovery
from clusterctl.resources import (
    KEY_CLUSTER,
    KEY_GROUP,
    PortRequest,
    Rule,
    owner_mark,
    security_group_name,
    server_group_name,
)
from lab.faultproxy.__main__ import clouds_through
from lab.faultproxy.faults import Fault
from lab.faultproxy.proxy import FaultProxy
from tests.contract.cloud.lab import Requests

pytestmark = pytest.mark.contract

# longer than any answer of a busy lab takes, short enough to wait for
API_TIMEOUT_S = 30.0


@pytest.fixture
def proxy(clouds_yaml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    clouds = json.loads(clouds_yaml.read_text())
    with FaultProxy(clouds["clouds"]["lab"]["auth"]["auth_url"]) as made:
        path = tmp_path / "clouds.yaml"
        path.write_text(clouds_through(clouds, "lab", made.auth_url, API_TIMEOUT_S))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        yield made


@pytest.fixture
def cloud(proxy: FaultProxy) -> OpenStackCloud:
    """Through the proxy; one look a second after a lost answer is enough for a lab that has long done its work."""
    return OpenStackCloud(open_clients("lab"), Recovery(looks_s=(1.0,)))


def security_group(cloud: OpenStackCloud, cluster: str) -> None:
    cloud.create_security_group(security_group_name(cluster), owner_mark(cluster))


def rules(cloud: OpenStackCloud, cluster: str) -> None:
    group = cloud.create_security_group(security_group_name(cluster), owner_mark(cluster))
    cloud.create_rules(group.id, [Rule(22, 22), Rule(2181, 2181)])


def server_group(cloud: OpenStackCloud, cluster: str) -> None:
    cloud.create_server_group(server_group_name(cluster, "zk"), "anti-affinity")


def ports(cloud: OpenStackCloud, cluster: str) -> None:
    group = cloud.create_security_group(security_group_name(cluster), owner_mark(cluster))
    requests = Requests(cloud, cluster)
    cloud.create_ports(
        [PortRequest(f"{cluster}-{n}", requests.network_id, (group.id,), owner_mark(cluster)) for n in (1, 2, 3)]
    )


def volume(cloud: OpenStackCloud, cluster: str) -> None:
    metadata = {KEY_CLUSTER: cluster, KEY_GROUP: "jenkins"}
    cloud.create_volume(name=f"{cluster}-jenkins-1", size_gib=1, metadata=metadata, zone=None)


def servers(cloud: OpenStackCloud, cluster: str) -> None:
    cloud.create_servers(Requests(cloud, cluster).agents("b1", 2))


# which request fails, and what there must be afterwards (other kinds: nothing)
KINDS: dict[str, tuple[Callable[[OpenStackCloud, str], None], str, dict[str, int]]] = {
    "security group": (security_group, "POST */security-groups", {"security_groups": 1}),
    "rules": (rules, "POST */security-group-rules", {"security_groups": 1}),
    "server group": (server_group, "POST */os-server-groups", {"server_groups": 1}),
    "ports": (ports, "POST */ports", {"security_groups": 1, "ports": 3}),
    "volume": (volume, "POST */volumes", {"volumes": 1}),
    "servers": (servers, "POST */servers", {"servers": 2}),
}
FAULTS = {
    "429": Fault("status", status=429, headers={"Retry-After": "1"}),
    "503 before": Fault("status", status=503),
    "reset after": Fault("reset", when="after"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_thing_is_made_once(proxy: FaultProxy, cloud: OpenStackCloud, cluster: str, kind: str, fault: str) -> None:
    create, pattern, expected = KINDS[kind]
    proxy.reset(Fault(**{**vars(FAULTS[fault]), "match": pattern}))
    create(cloud, cluster)
    assert [entry.fault for entry in proxy.log if entry.fault], "the fault didn't strike"
    seen = cloud.observe(cluster)
    assert {kind: count for kind, count in seen.counts.items() if count} == expected
    if kind == "rules":
        assert len(seen.security_groups[0].rules) == 2


def test_a_batch_whose_answer_never_came_is_found(proxy: FaultProxy, cloud: OpenStackCloud, cluster: str) -> None:
    requests = Requests(cloud, cluster)
    proxy.reset(Fault("hang", match="POST */servers", when="after"))
    cloud.create_servers(requests.agents("b1", 3))
    assert len(cloud.servers(cluster)) == 3
    assert [entry.fault for entry in proxy.log if entry.request.startswith("POST")] == ["hang after"]


def test_deletes_and_lists_are_tried_again(proxy: FaultProxy, cloud: OpenStackCloud, cluster: str) -> None:
    server_group(cloud, cluster)
    proxy.reset(
        Fault("reset", match="DELETE *", when="after"), Fault("status", status=502, match="GET */os-server-groups")
    )
    [group] = cloud.server_groups(cluster)
    cloud.delete_server_group(group.id)
    assert cloud.server_groups(cluster) == []
    assert len([entry for entry in proxy.log if entry.fault]) == 2


def test_calls_are_counted_alike_on_both_sides(proxy: FaultProxy, cloud: OpenStackCloud, cluster: str) -> None:
    cloud.flavors()
    proxy.reset()
    before = cloud.calls.read + cloud.calls.write
    ports(cloud, cluster)
    cloud.observe(cluster)
    assert proxy.calls == cloud.calls.read + cloud.calls.write - before
    assert all(entry.status and entry.status < 400 for entry in proxy.log)
