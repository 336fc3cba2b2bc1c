from __future__ import annotations

from typing import Any

import pytest
import requests

from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.errors import CloudError
from clusterctl.resources import Network, Port, PortRequest, Rule, SecurityGroup, owner_mark
from tests.unit.cloud.fake_api import PROJECT, FakeApi, Fault, new_id

MARK = owner_mark("ci")


def lab_network(**more: object) -> dict[str, object]:
    return {"id": new_id(), "name": "lab", "project_id": PROJECT, "subnets": ["s1"], **more}


def test_network(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.networks = [lab_network(id="n1"), lab_network(name="other")]
    assert cloud.network("lab") == Network("n1", "lab", ("s1",))
    assert cloud.network("none") is None


def test_network_by_id(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.networks = [lab_network()]
    found = cloud.network(str(api.networks[0]["id"]))
    assert found is not None
    assert found.name == "lab"


def test_two_networks_of_a_name(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.networks = [lab_network(), lab_network()]
    with pytest.raises(CloudError, match="2 networks are called lab") as caught:
        cloud.network("lab")
    assert "id" in (caught.value.hint or "")


def test_free_addresses_as_an_administrator(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.networks = [lab_network(id="n1")]
    api.availability = {
        "network_id": "n1",
        "subnet_ip_availability": [
            {"ip_version": 4, "total_ips": 253, "used_ips": 3},
            {"ip_version": 6, "total_ips": 2**64, "used_ips": 1},
        ],
    }
    assert cloud.network("lab", with_free_addresses=True) == Network("n1", "lab", ("s1",), 250)


def test_free_addresses_as_the_owner(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.networks = [lab_network(id="n1")]
    pools = [{"start": "10.0.0.10", "end": "10.0.0.19"}, {"start": "10.0.0.30", "end": "10.0.0.30"}]
    api.subnets = [{"id": "s1", "network_id": "n1", "cidr": "10.0.0.0/24", "allocation_pools": pools}]
    ips = ["10.0.0.1", "10.0.0.10", "10.0.0.30", "fd00::1"]
    api.ports = [{"id": ip, "network_id": "n1", "fixed_ips": [{"ip_address": ip}]} for ip in ips]
    assert cloud.network("lab", with_free_addresses=True) == Network("n1", "lab", ("s1",), 9, cidrs=("10.0.0.0/24",))


@pytest.mark.parametrize(
    ("subnets", "versions", "expected"),
    [(["s1"], [6], False), (["s1", "s2"], [6, 4], True), (["s1"], [], True), ([], [], False)],
)
def test_whether_a_network_has_ipv4(
    cloud: OpenStackCloud, api: FakeApi, subnets: list[str], versions: list[int], expected: bool
) -> None:
    api.networks = [lab_network(id="n1", subnets=subnets, project_id="another")]
    cidr = {4: "10.0.0.0/24", 6: "fd00::/64"}
    api.subnets = [
        {"id": f"s{n}", "network_id": "n1", "ip_version": n, "cidr": cidr[n], "allocation_pools": []} for n in versions
    ]
    found = cloud.network("lab", with_free_addresses=True)
    assert found is not None
    assert found.ipv4 is expected
    assert found.cidrs == tuple(sorted(cidr[n] for n in versions))


@pytest.mark.parametrize(("said", "expected"), [({}, True), ({"port_security_enabled": False}, False)])
def test_whether_ports_are_secured(cloud: OpenStackCloud, api: FakeApi, said: dict[str, bool], expected: bool) -> None:
    api.networks = [lab_network(**said)]
    found = cloud.network("lab")
    assert found is not None
    assert found.port_security is expected


def test_free_addresses_of_a_shared_network_are_not_told(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.networks = [lab_network(id="n1", project_id="another")]
    assert cloud.network("lab", with_free_addresses=True) == Network("n1", "lab", ("s1",), None)


def test_only_ports_and_groups_with_our_mark_in_our_project(cloud: OpenStackCloud, api: FakeApi) -> None:
    """An administrator's lists span projects, and a filter may be ignored."""
    ours = {"id": "p1", "name": "ci-zk-1", "description": MARK, "project_id": PROJECT, "device_id": "s1"}
    api.ports = [
        {**ours, "fixed_ips": [{"ip_address": "fd00::1"}, {"ip_address": "10.0.0.5"}]},
        {**ours, "id": "p2", "description": ""},
        {**ours, "id": "p3", "description": owner_mark("ci2")},
        {**ours, "id": "p4", "project_id": "another"},
    ]
    api.security_groups = [
        {"id": "g1", "name": "clusterctl.ci", "description": MARK, "project_id": PROJECT, "security_group_rules": []},
        {"id": "g2", "name": "clusterctl.ci", "description": MARK, "project_id": "another", "security_group_rules": []},
    ]
    assert cloud.ports("ci") == [Port("p1", "ci-zk-1", "10.0.0.5", "s1")]
    assert cloud.security_groups("ci") == [SecurityGroup("g1", "clusterctl.ci", frozenset())]


@pytest.mark.parametrize(
    ("port", "used"),
    [
        ({"device_id": "", "revision_number": 1}, False),
        ({"device_id": "s1", "revision_number": 1}, True),
        ({"device_id": "", "revision_number": 5}, True),
        ({"device_id": ""}, True),
    ],
)
def test_a_port_that_was_bound_once_is_told_from_one_that_was_only_made(
    cloud: OpenStackCloud, api: FakeApi, port: dict[str, Any], used: bool
) -> None:
    api.ports = [{"id": "p1", "name": "ci-zk-1", "description": MARK, "project_id": PROJECT, **port}]
    assert [each.used for each in cloud.ports("ci")] == [used]


def test_rules_are_read_back_as_they_were_asked_for(cloud: OpenStackCloud, api: FakeApi) -> None:
    rules = {Rule(22, 22, "10.0.0.0/8"), Rule(2181, 2181), Rule(31000, 32000), Rule(22, 22, "fd00::/8")}
    group = cloud.create_security_group("clusterctl.ci", MARK)
    cloud.create_rules(group.id, rules, MARK)
    found = cloud.security_groups("ci")[0]
    assert found.rules == rules
    assert {each.rule for each in found.stored if each.ours} == rules
    gone = next(each for each in found.stored if each.text == "tcp/22 from 10.0.0.0/8")
    cloud.delete_rule(gone.id)
    cloud.delete_rule(gone.id)
    assert cloud.security_groups("ci")[0].rules == rules - {gone.rule}
    assert len(api.sent("POST", "/security-group-rules")) == 1
    v6 = [rule for rule in api.security_groups[0]["security_group_rules"] if rule["ethertype"] == "IPv6"]
    assert [rule["remote_ip_prefix"] for rule in v6] == ["fd00::/8"]


@pytest.mark.parametrize(
    "other",
    [
        {"direction": "egress"},
        {"protocol": "udp"},
        {"protocol": None, "port_range_min": None, "port_range_max": None},
        {"remote_group_id": "another"},
        {"remote_group_id": "g1", "ethertype": "IPv6"},
    ],
)
def test_rules_of_other_kinds_are_left_out(cloud: OpenStackCloud, api: FakeApi, other: dict[str, object]) -> None:
    base = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 1, "port_range_max": 2}
    group = {"id": "g1", "name": "n", "description": MARK, "project_id": PROJECT}
    api.security_groups = [{**group, "security_group_rules": [{**base, **other}, {**base, "protocol": "6"}]}]
    found = cloud.security_groups("ci")[0]
    assert found.rules == {Rule(1, 2, "0.0.0.0/0")}
    # what comes in is told, whatever it is
    assert len(found.stored) == (1 if other.get("direction") == "egress" else 2)
    assert not any(each.ours for each in found.stored)


def test_rules_of_other_kinds_in_words(cloud: OpenStackCloud, api: FakeApi) -> None:
    rules: list[dict[str, object]] = [
        {"protocol": "udp", "port_range_min": 53, "port_range_max": 53, "remote_ip_prefix": "10.0.0.0/8"},
        {"protocol": None, "port_range_min": None, "port_range_max": None, "remote_group_id": "g7"},
        {"protocol": "icmp", "port_range_min": None, "port_range_max": None},
    ]
    base: dict[str, object] = {"direction": "ingress", "ethertype": "IPv4"}
    group = {"id": "g1", "name": "n", "description": MARK, "project_id": PROJECT}
    api.security_groups = [{**group, "security_group_rules": [base | rule for rule in rules]}]
    assert [each.text for each in cloud.security_groups("ci")[0].stored] == [
        "udp/53 from 10.0.0.0/8",
        "any protocol from the members of g7",
        "icmp from 0.0.0.0/0",
    ]


def test_where_a_rule_exists_the_others_are_made_one_by_one(cloud: OpenStackCloud, api: FakeApi) -> None:
    group = cloud.create_security_group("clusterctl.ci", MARK)
    cloud.create_rules(group.id, [Rule(1, 1)])
    cloud.create_rules(group.id, [Rule(1, 1), Rule(2, 2)])
    assert cloud.security_groups("ci")[0].rules == {Rule(1, 1), Rule(2, 2)}
    cloud.create_rules(group.id, [])
    assert len(api.sent("POST", "/security-group-rules")) == 4


def test_a_rule_is_compared_in_the_form_of_the_cluster_file(cloud: OpenStackCloud, api: FakeApi) -> None:
    base = {"direction": "ingress", "ethertype": "IPv6", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    group = {"id": "g1", "name": "n", "description": MARK, "project_id": PROJECT}
    api.security_groups = [{**group, "security_group_rules": [{**base, "remote_ip_prefix": "2001:DB8::7"}]}]
    assert cloud.security_groups("ci")[0].rules == {Rule(22, 22, "2001:db8::7/128")}


def test_rules_over_quota_are_an_error(cloud: OpenStackCloud, api: FakeApi) -> None:
    group = cloud.create_security_group("clusterctl.ci", MARK)
    api.faults.append(Fault("POST .*rules", status=409))
    with pytest.raises(CloudError) as caught:
        cloud.create_rules(group.id, [Rule(1, 1)])
    assert caught.value.status == 409


def test_ports_in_one_call_and_in_order(cloud: OpenStackCloud, api: FakeApi) -> None:
    made = cloud.create_ports([PortRequest(f"ci-zk-{n}", "n1", ("g1",), MARK) for n in (3, 1, 2)])
    assert [port.name for port in made] == ["ci-zk-3", "ci-zk-1", "ci-zk-2"]
    [body] = api.sent("POST", "/ports")
    assert body is not None
    assert body["ports"][0] == {
        "name": "ci-zk-3",
        "network_id": "n1",
        "description": MARK,
        "security_groups": ["g1"],
    }
    assert cloud.create_ports([]) == []


def test_ports_of_a_lost_answer_are_found(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.faults.append(Fault("POST .*/ports", error=requests.ConnectionError("reset"), after=True))
    made = cloud.create_ports([PortRequest(f"ci-zk-{n}", "n1", ("g1",), MARK) for n in (1, 2)])
    assert [port.id for port in made] == [port["id"] for port in api.ports]
    assert len(api.ports) == 2


def test_a_group_in_use(cloud: OpenStackCloud, api: FakeApi) -> None:
    group = cloud.create_security_group("clusterctl.ci", MARK)
    api.faults.append(Fault("DELETE", status=409))
    with pytest.raises(CloudError) as caught:
        cloud.delete_security_group(group.id)
    assert "delete the servers and ports first" in (caught.value.hint or "")
    cloud.delete_security_group(group.id)
    cloud.delete_security_group(group.id)
    cloud.delete_port("none")


def test_a_lock_is_made_listed_and_deleted(cloud: OpenStackCloud, api: FakeApi) -> None:
    lock = cloud.create_lock("ci", "clusterctl.lock=ci owner=ann token=1")
    assert (lock.text, lock.created) == ("clusterctl.lock=ci owner=ann token=1", "2026-01-01T00:00:00Z")
    cloud.create_lock("other", "clusterctl.lock=other owner=ann token=2")
    assert cloud.locks("ci") == [lock]
    assert cloud.security_groups("ci") == []
    api.security_groups[0]["project_id"] = "another"
    assert cloud.locks("ci") == []
    cloud.delete_lock(lock.id)
    cloud.delete_lock(lock.id)


def test_a_security_group_that_only_has_the_name_is_no_lock(cloud: OpenStackCloud, api: FakeApi) -> None:
    group = {"id": "g1", "name": "clusterctl.ci.lock", "project_id": PROJECT, "security_group_rules": []}
    api.security_groups = [
        {**group, "description": ""},
        {**group, "id": "g2", "description": "clusterctl.lock=ci2 owner=ann"},
    ]
    assert cloud.locks("ci") == []


def test_without_quota_the_lock_is_tags_of_the_clusters_group(cloud: OpenStackCloud, api: FakeApi) -> None:
    group = cloud.create_security_group("clusterctl.ci", MARK)
    text = "clusterctl.lock=ci owner=ann@ops1 pid=7 machine=a/pid:[4026531836] command=scale token=1"
    full = Fault("POST .*/security-groups", status=409, times=9)
    api.faults.append(full)
    lock = cloud.create_lock("ci", text)
    assert cloud.locks("ci") == [lock]
    assert lock.text == text
    other = cloud.create_lock("ci", text.replace("ann", "bob"))
    assert {each.id for each in cloud.locks("ci")} == {lock.id, other.id}
    api.faults.clear()
    plain = cloud.create_lock("ci", text.replace("ann", "eve"))  # one kind sees the other
    assert {each.id for each in cloud.locks("ci")} == {lock.id, other.id, plain.id}
    for each in (lock, lock, other, plain):
        cloud.delete_lock(each.id)
    assert cloud.locks("ci") == []
    assert [each["tags"] for each in api.security_groups] == [[]]
    assert group.id == api.security_groups[0]["id"]


def test_without_quota_and_without_a_group_there_is_no_lock(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.faults.append(Fault("POST .*/security-groups", status=409))
    with pytest.raises(CloudError):
        cloud.create_lock("ci", "clusterctl.lock=ci owner=ann token=1")


def test_who_uses_a_group(cloud: OpenStackCloud, api: FakeApi) -> None:
    port = {"name": "x", "project_id": PROJECT, "device_id": "s9", "fixed_ips": [{"ip_address": "10.0.0.9"}]}
    api.ports = [{**port, "id": "p1", "security_groups": ["g1", "g2"]}, {**port, "id": "p2", "security_groups": []}]
    assert cloud.users_of_group("g1") == [Port("p1", "x", "10.0.0.9", "s9", ("g1", "g2"))]


def test_which_addresses_have_ports(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.ports = [{"id": ip, "fixed_ips": [{"ip_address": ip}]} for ip in ("10.0.0.7", "10.0.0.9")]
    assert cloud.used_addresses(["10.0.0.8", "10.0.0.9"]) == {"10.0.0.9"}
    assert api.log[-1][1].endswith("fixed_ips=ip_address%3D10.0.0.8&fixed_ips=ip_address%3D10.0.0.9")
    many = [f"10.0.0.{number}" for number in range(1, 255)]
    assert cloud.used_addresses(many) == {"10.0.0.7", "10.0.0.9"}
    assert max(len(path) for _, path, _ in api.log) < 2048


def test_a_lock_whose_answer_was_lost_is_found_by_its_text(cloud: OpenStackCloud, api: FakeApi) -> None:
    bob, ann = "clusterctl.lock=ci owner=bob token=1", "clusterctl.lock=ci owner=ann token=2"
    cloud.create_lock("ci", bob)
    api.faults.append(Fault("POST .*/security-groups", error=requests.ConnectionError("reset"), after=True))
    lock = cloud.create_lock("ci", ann)
    assert [found.text for found in cloud.locks("ci")] == [bob, ann]
    assert cloud.locks("ci")[1] == lock


def test_rules_that_let_in_the_members_of_another_group(cloud: OpenStackCloud, api: FakeApi) -> None:
    base, builders = (cloud.create_security_group(f"clusterctl.ci{tier}", MARK) for tier in ("", ".builders"))
    rules = {Rule(5050, 5050, group="clusterctl.ci.builders"), Rule(5050, 5050)}
    cloud.create_rules(base.id, rules, MARK, {"clusterctl.ci.builders": builders.id})
    found = {group.name: group for group in cloud.security_groups("ci")}
    assert found["clusterctl.ci"].rules == rules
    assert {each.text for each in found["clusterctl.ci"].stored} == {
        "tcp/5050 from members of clusterctl.ci.builders",
        "tcp/5050 from members",
    }
    sent = {rule["remote_group_id"] for rule in api.security_groups[0]["security_group_rules"]}
    assert sent == {base.id, builders.id}


def test_a_port_changes_its_groups(cloud: OpenStackCloud, api: FakeApi) -> None:
    [port] = cloud.create_ports([PortRequest("ci-zk-1", "n1", ("g1",), MARK)])
    cloud.set_security_groups(port.id, ["g1", "g2"])
    assert cloud.ports("ci")[0].security_groups == ("g1", "g2")
