"""The OpenStack adapter against the lab's real APIs. Servers are in zone ``fake``, but for the one with a volume."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from clusterctl.cloud.openstack import OpenStackCloud, open_cloud
from clusterctl.errors import CloudError
from clusterctl.resources import (
    KEY_CLUSTER,
    KEY_GROUP,
    KEY_NODE,
    PortRequest,
    Rule,
    owner_mark,
    security_group_name,
    server_group_name,
)
from tests.contract.cloud.lab import FLAVOR, IMAGE, NETWORK, ZONE, Requests, built, wait_for

pytestmark = pytest.mark.contract

Names = Callable[[], str]


def test_look_ups(cloud: OpenStackCloud) -> None:
    [image] = cloud.images(name_or_id=IMAGE)
    assert (image.status, cloud.image(image.id), cloud.images(name_or_id=image.id)) == ("active", image, [image])
    assert cloud.images(family="no-such-family") == []
    assert cloud.image("00000000-0000-0000-0000-000000000000") is None
    assert FLAVOR in {flavor.name for flavor in cloud.flavors()}
    network = cloud.network(NETWORK, with_free_addresses=True)
    assert network is not None
    assert network.free_addresses is not None
    assert 0 < network.free_addresses < 1022
    assert cloud.network(network.id) == replace(network, free_addresses=None, cidrs=())
    assert cloud.network("no-such-network") is None
    assert cloud.has_keypair("ops")
    assert not cloud.has_keypair("no-such-key")
    assert ZONE in cloud.availability_zones()
    assert cloud.calls.write == 0


def test_free_addresses_are_the_same_for_the_administrator_and_for_the_owner(cloud: OpenStackCloud) -> None:
    as_owner, as_administrator = (
        c.network(NETWORK, with_free_addresses=True) for c in (cloud, open_cloud("lab-admin"))
    )
    assert as_owner is not None
    assert as_administrator is not None
    assert as_owner.free_addresses is not None
    assert as_administrator.free_addresses is not None
    # other tests and users make ports meanwhile
    assert abs(as_owner.free_addresses - as_administrator.free_addresses) < 20


def test_limits_follow_what_is_used(cloud: OpenStackCloud, cluster: str) -> None:
    before = cloud.limits()
    assert None not in vars(before).values()
    cloud.create_server_group(server_group_name(cluster, "zk"), "anti-affinity")
    cloud.create_security_group(security_group_name(cluster), owner_mark(cluster))
    after = cloud.limits()
    # others use the same project: what we took is at least gone
    assert (after.server_groups or 0) < (before.server_groups or 0)
    assert (after.security_groups or 0) < (before.security_groups or 0)
    assert after.server_group_members == before.server_group_members


def test_life_of_a_cluster(cloud: OpenStackCloud, cluster: str) -> None:
    mark, requests = owner_mark(cluster), Requests(cloud, cluster)
    rules = {Rule(22, 22, "0.0.0.0/0"), Rule(2181, 2181), Rule(31000, 32000)}
    group = cloud.create_security_group(security_group_name(cluster), mark)
    cloud.create_rules(group.id, rules)
    cloud.create_rules(group.id, [*rules, Rule(5050, 5050)])  # three of them exist

    names = [f"{cluster}-control-{number}" for number in (1, 2, 3)]
    ports = cloud.create_ports([PortRequest(name, requests.network_id, (group.id,), mark) for name in names])
    assert cloud.calls.by_kind["POST /ports"] == 1
    assert [port.name for port in ports] == names
    assert len({ipaddress.ip_address(port.address) for port in ports}) == 3

    apart = cloud.create_server_group(server_group_name(cluster, "agents"), "soft-anti-affinity")
    user_data = b"#cloud-config\n# \xc3\xa4\n"
    with ThreadPoolExecutor(4) as pool:
        for done in [
            *[pool.submit(cloud.create_servers, requests.named(p.name, p.id, user_data)) for p in ports],
            pool.submit(cloud.create_servers, requests.agents("b1", 3, server_group_id=apart.id)),
        ]:
            done.result()
    assert cloud.calls.by_kind["POST /servers"] == 4
    servers = {server.name: server for server in built(cloud, cluster, 6)}
    assert {server.status for server in servers.values()} == {"ACTIVE"}
    assert set(servers) == {*names, *(f"{cluster}-agents-b1-{number}" for number in (1, 2, 3))}

    control = servers[names[0]]
    assert (control.address, control.node, control.group) == (ports[0].address, names[0], "control")
    assert control.services == ("zookeeper", "mesos_master")
    assert (control.flavor, control.launched, control.fault) == (FLAVOR, True, None)
    agent = servers[f"{cluster}-agents-b1-1"]
    assert (agent.node, agent.group, agent.services) == (None, "agents", ("mesos_agent",))
    assert agent.address
    raw = open_cloud("lab-admin")._clients.nova.servers.get(control.id).to_dict()
    assert raw["OS-EXT-SRV-ATTR:user_data"] == base64.b64encode(user_data).decode()
    assert raw["config_drive"] == "True"
    assert raw["OS-EXT-AZ:availability_zone"] == ZONE

    seen = cloud.observe(cluster)
    assert seen.counts == {"servers": 6, "ports": 3, "volumes": 0, "server_groups": 1, "security_groups": 1}
    assert seen.security_groups[0].rules == rules | {Rule(5050, 5050)}
    agents = {server.id for server in servers.values() if server.group == "agents"}
    assert set(seen.server_groups[0].members) == agents
    assert {port.device_id for port in seen.ports} == {servers[name].id for name in names}
    assert cluster in cloud.clusters()

    with pytest.raises(CloudError) as caught:
        cloud.delete_security_group(group.id)
    assert (caught.value.status, bool(caught.value.request_id)) == (409, True)

    for _ in range(2):
        cloud.stop_server(agent.id)
    wait_for("stopped", lambda: {s.id: s.status for s in cloud.servers(cluster)}[agent.id] == "SHUTOFF")
    assert cloud.console(control.id, 10)

    for server in servers.values():
        cloud.delete_server(server.id)
    wait_for("servers gone", lambda: not cloud.servers(cluster))
    left = cloud.observe(cluster)
    assert [(port.address, port.device_id) for port in left.ports] == [(port.address, "") for port in left.ports]
    assert len(left.ports) == 3  # a named node's port, and so its address, outlives its server
    cloud.delete_server(agent.id)
    for port in ports:
        cloud.delete_port(port.id)
        cloud.delete_port(port.id)


def test_writes_do_not_grow_with_the_number_of_agents_and_lists_come_in_pages(
    cloud: OpenStackCloud, new_cluster: Names
) -> None:
    writes = {}
    for count in (1, 10):
        cluster = new_cluster()
        requests = Requests(cloud, cluster)
        before = cloud.calls.write
        cloud.create_servers(requests.agents("b1", count))
        writes[count] = cloud.calls.write - before
        assert {server.status for server in built(cloud, cluster, count)} == {"ACTIVE"}
    assert writes == {1: 1, 10: 1}

    cloud.page_size = 4
    before = cloud.calls.by_kind["GET /servers/detail"]
    servers = cloud.servers(cluster)
    assert len({server.id for server in servers}) == 10
    assert cloud.calls.by_kind["GET /servers/detail"] - before == 3  # ceil(10 / 4): the other cluster is filtered out


def test_what_belongs_to_others_is_never_seen(cloud: OpenStackCloud, new_cluster: Names) -> None:
    ours, theirs = new_cluster(), new_cluster()
    requests = Requests(cloud, theirs)
    # someone else's: another cluster, one whose name begins with ours, and things that only look like ours
    longer = f"{ours}x"
    made = [
        cloud.create_server_group(server_group_name(longer, "zk"), "anti-affinity").id,
        cloud.create_server_group(f"{ours}-zk", "anti-affinity").id,
    ]
    look_alike = cloud.create_security_group(security_group_name(ours), "made by hand")
    try:
        cloud.create_servers(replace(requests.agents("b1", 1), name=f"{ours}-agents-b1-1"))
        cloud.create_servers(
            replace(requests.agents("b1", 1), name=f"{ours}-agents-b1-2", metadata={KEY_CLUSTER: ours})
        )  # our metadata without our tag
        cloud.create_ports([PortRequest(f"{ours}-zk-1", requests.network_id, (look_alike.id,), owner_mark(theirs))])
        assert not any(cloud.observe(ours).counts.values())
        assert len(cloud.observe(theirs).servers) == 1
        assert ours not in cloud.clusters()
    finally:
        # two marks in conflict: only the test that made it may remove this server
        for raw in cloud._clients.nova.servers.list(search_opts={"name": f"{ours}-agents-b1-2"}):
            cloud.delete_server(raw.id)
        for group_id in made:
            cloud.delete_server_group(group_id)
        for port in cloud.ports(theirs):
            cloud.delete_port(port.id)
        cloud.delete_security_group(look_alike.id)


def test_an_administrator_sees_nothing_of_other_projects(cloud: OpenStackCloud, cluster: str) -> None:
    cloud.create_security_group(security_group_name(cluster), owner_mark(cluster))
    assert len(cloud.security_groups(cluster)) == 1
    assert not any(open_cloud("lab-admin").observe(cluster).counts.values())


def test_security_groups_of_tiers(cloud: OpenStackCloud, cluster: str) -> None:
    mark, requests = owner_mark(cluster), Requests(cloud, cluster)
    base, control, builders = (
        cloud.create_security_group(security_group_name(cluster, tier), mark) for tier in ("", "control", "builders")
    )
    ids = {group.name: group.id for group in (base, control, builders)}
    wanted = {Rule(5050, 5050), Rule(5050, 5050, group=builders.name), Rule(2181, 2181, group=builders.name)}
    cloud.create_rules(control.id, wanted, mark, ids)
    cloud.create_rules(base.id, [Rule(22, 22, group=control.name)], mark, ids)
    found = {group.name: group for group in cloud.security_groups(cluster)}
    assert found[control.name].rules == wanted
    assert found[base.name].rules == {Rule(22, 22, group=control.name)}
    assert all(each.ours for group in found.values() for each in group.stored)

    [port] = cloud.create_ports([PortRequest(f"{cluster}-control-1", requests.network_id, (base.id,), mark)])
    cloud.set_security_groups(port.id, [base.id, control.id])
    assert [set(each.security_groups) for each in cloud.ports(cluster)] == [{base.id, control.id}]

    # of agents it is Nova that tells, by names
    cloud.create_servers(replace(requests.agents("b1", 1), security_groups=(base.id,)))
    [agent] = built(cloud, cluster, 1)
    assert agent.security_groups == (base.name,)
    [made_by_nova] = [each for each in cloud.users_of_group(base.id) if each.device_id == agent.id]
    assert cloud.used_addresses([port.address, made_by_nova.address, "198.51.100.9"]) == {
        port.address,
        made_by_nova.address,
    }
    cloud.set_security_groups(made_by_nova.id, [*made_by_nova.security_groups, builders.id])
    assert set(cloud.servers(cluster)[0].security_groups) == {base.name, builders.name}

    # a group that others' rules name can be deleted once nobody is in it: those rules go with it
    cloud.set_security_groups(made_by_nova.id, [base.id])
    cloud.delete_security_group(builders.id)
    left = {group.name: group.rules for group in cloud.security_groups(cluster)}
    assert left == {base.name: {Rule(22, 22, group=control.name)}, control.name: {Rule(5050, 5050)}}


def test_refusals_are_the_clouds_own_words(cloud: OpenStackCloud, cluster: str) -> None:
    requests = Requests(cloud, cluster)
    # which of its limits Nova names depends on what is left of each
    with pytest.raises(CloudError, match="exceeded") as caught:
        cloud.create_servers(requests.agents("b1", 1000))
    assert (caught.value.status, "quota" in (caught.value.hint or "")) == (403, True)
    with pytest.raises(CloudError, match=r"no-such-key|key_name"):
        cloud.create_servers(replace(requests.agents("b1", 1), keypair="no-such-key"))
    with pytest.raises(CloudError, match="availability zone is not available"):
        cloud.create_servers(replace(requests.agents("b1", 1), zone="no-such-zone"))
    group = cloud.create_security_group(security_group_name(cluster), owner_mark(cluster))
    free = cloud.limits().security_group_rules
    assert free is not None
    with pytest.raises(CloudError, match="Quota exceeded") as caught:
        cloud.create_rules(group.id, [Rule(number, number) for number in range(1, free + 2)])
    assert (caught.value.status, "quota" in (caught.value.hint or "")) == (409, True)
    assert cloud.security_groups(cluster) == [group]
    assert cloud.servers(cluster) == []


def test_a_revoked_token_is_renewed(cloud: OpenStackCloud) -> None:
    session = cloud._clients.session
    token = session.get_token()
    revoked = session.delete(
        "/auth/tokens",
        endpoint_filter={"service_type": "identity", "interface": "public", "version": (3, 0)},
        headers={"X-Subject-Token": token},
    )
    assert revoked.status_code == 204
    assert cloud.flavors()
    assert session.get_token() != token


def test_a_snapshot_is_started_and_found(cloud: OpenStackCloud, cluster: str) -> None:
    """The fake driver uploads nothing; a whole snapshot is part of the image build's test."""
    requests = Requests(cloud, cluster)
    cloud.create_servers(requests.agents("b1", 1))
    [server] = built(cloud, cluster, 1)
    image_id = cloud.create_snapshot(server.id, f"{cluster}-image", {"clusterctl_family": cluster})
    try:
        image = cloud.image(image_id)
        assert image is not None
        assert (image.name, image.properties["clusterctl_family"]) == (f"{cluster}-image", cluster)
        assert image.status != "active"
        assert cloud.images(family=cluster) == []
    finally:
        cloud.delete_image(image_id)
    wait_for("image gone", lambda: cloud.image(image_id) is None)


def test_a_volume_is_made_and_found(cloud: OpenStackCloud, cluster: str) -> None:
    meta = {KEY_CLUSTER: cluster, KEY_GROUP: "jenkins", KEY_NODE: f"{cluster}-jenkins-1"}
    made = cloud.create_volume(name=f"{cluster}-jenkins-1", size_gib=1, metadata=meta, zone=None)
    wait_for("volume available", lambda: [v.status for v in cloud.volumes(cluster)] == ["available"])
    [found] = cloud.volumes(cluster)
    assert (found.id, found.name, found.size_gib, found.group) == (made.id, made.name, 1, "jenkins")
    cloud.delete_volume(made.id)
    wait_for("volume gone", lambda: not cloud.volumes(cluster))
    cloud.delete_volume(made.id)


@pytest.mark.vm
def test_a_volume_is_attached_by_the_create_call_and_outlives_the_server(cloud: OpenStackCloud, cluster: str) -> None:
    requests, name = Requests(cloud, cluster), f"{cluster}-jenkins-1"
    meta = {KEY_CLUSTER: cluster, KEY_GROUP: "jenkins", KEY_NODE: name}
    group = cloud.create_security_group(security_group_name(cluster), owner_mark(cluster))
    [port] = cloud.create_ports([PortRequest(name, requests.network_id, (group.id,), owner_mark(cluster))])
    volume = cloud.create_volume(name=name, size_gib=1, metadata=meta, zone=None)
    wait_for("volume available", lambda: [v.status for v in cloud.volumes(cluster)] == ["available"])
    cloud.create_servers(
        replace(
            requests.named(name, port.id, b"#cloud-config\n"),
            zone="vm",
            image_id=cloud.images(name_or_id="debian-12")[0].id,
            flavor_id=next(flavor.id for flavor in cloud.flavors() if flavor.name == "m1.tiny"),
            volume_id=volume.id,
        )
    )
    [server] = built(cloud, cluster, 1)
    assert (server.status, server.fault) == ("ACTIVE", None)
    [attached] = cloud.volumes(cluster)
    assert (attached.status, attached.attached_to) == ("in-use", server.id)
    cloud.delete_server(server.id)
    wait_for(
        "volume free", lambda: [(v.status, v.attached_to) for v in cloud.volumes(cluster)] == [("available", None)]
    )
