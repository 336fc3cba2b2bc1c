"""Security groups come to what the file says, also while the cluster serves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from clusterctl.resources import Observed, Port, Rule, SecurityGroup, StoredRule
from clusterctl.spec.model import ClusterSpec
from clusterctl.tierchanges import Membership, network_changes
from clusterctl.tiers import wanted_groups
from tests.unit.specs import demo, demo_spec, only_closed
from tests.unit.test_plan import server, whole

BASE = "clusterctl.demo"


def wanted_rules(spec: ClusterSpec, own: Iterable[str] = (), ports: Iterable[Port] = ()) -> frozenset[Rule]:
    """Of an open cluster, which has one security group."""
    groups = wanted_groups(spec, own, ports)
    assert list(groups) == [BASE]
    return groups[BASE]


def stored(rule: Rule | None, *, ours: bool, text: str = "") -> StoredRule:
    return StoredRule(f"id-{rule or text}", rule, str(rule or text), ours)


def with_rules(*rules: StoredRule) -> Observed:
    every = (*(stored(rule, ours=True) for rule in wanted_rules(demo_spec())), *rules)
    group = SecurityGroup("sg", "clusterctl.demo", frozenset(each.rule for each in every if each.rule), every)
    return replace(whole(), security_groups=(group,))


def test_a_rule_of_ours_that_the_file_has_no_more_is_dropped() -> None:
    old, ports = stored(Rule(22, 22, "192.0.2.0/24"), ours=True), stored(Rule(8000, 8100), ours=True)
    changes = network_changes(demo_spec(), with_rules(old, ports))
    assert changes.drop_rules == (old, ports)
    assert (changes.early_rules, changes.late_rules) == ((old,), (ports,))
    assert not changes.empty
    assert changes.lines() == ["- 2 security group rules: tcp/22 from 192.0.2.0/24, tcp/8000-8100 from members"]
    assert changes.problems == ()


def test_without_the_own_networks_addresses_no_rule_for_ssh_is_called_surplus() -> None:
    spec = demo_spec(access={"ssh_from": "network"})
    own = stored(Rule(22, 22, "10.50.0.0/22"), ours=True)
    there = with_rules(own)
    assert network_changes(spec, there).drop_rules == ()
    assert [each.text for each in network_changes(spec, there, ("10.50.0.0/22",)).drop_rules] == [
        "tcp/22 from 198.51.100.0/24"
    ]


def test_a_rule_of_others_is_a_problem_and_stays() -> None:
    rules = (
        stored(Rule(8080, 8080, "0.0.0.0/0"), ours=False),
        stored(None, ours=False, text="udp/53 from 0.0.0.0/0"),
        stored(Rule(22, 22, "198.51.100.0/24"), ours=False),  # what the file wants, whoever made it
    )
    changes = network_changes(demo_spec(), with_rules(*rules))
    assert changes.empty
    assert changes.problems == (
        "security group rule id-tcp/8080 from 0.0.0.0/0 (tcp/8080 from 0.0.0.0/0): is not in the file and was not made "
        "by clusterctl; `openstack security group rule delete id-tcp/8080 from 0.0.0.0/0` removes it",
        "security group rule id-udp/53 from 0.0.0.0/0 (udp/53 from 0.0.0.0/0): is not in the file and was not made "
        "by clusterctl; `openstack security group rule delete id-udp/53 from 0.0.0.0/0` removes it",
    )


def test_a_missing_rule_is_added_and_an_own_rule_is_left_alone() -> None:
    there = whole()
    rules = wanted_rules(demo_spec()) - {Rule(2181, 2181)} | {Rule(9999, 9999, "198.51.100.0/24")}
    changes = network_changes(
        demo_spec(), replace(there, security_groups=(SecurityGroup("sg", "clusterctl.demo", rules),))
    )
    assert changes.add_rules == ((BASE, Rule(2181, 2181)),)
    assert changes.make == ()


def test_nothing_but_ssh_is_open_to_the_outside() -> None:
    rules = wanted_rules(demo_spec())
    assert {rule for rule in rules if rule.source} == {Rule(22, 22, "198.51.100.0/24")}


def test_the_nodes_own_network_stands_for_its_subnets() -> None:
    spec = demo_spec(access={"ssh_from": ["network", "192.0.2.7"]})
    rules = wanted_rules(spec, ("10.0.0.0/24", "fd00::/64"))
    assert {rule.source for rule in rules if rule.source} == {"10.0.0.0/24", "fd00::/64", "192.0.2.7/32"}
    assert {rule.source for _, rule in network_changes(spec, Observed(), ["10.0.0.0/24"]).add_rules if rule.source} == {
        "10.0.0.0/24",
        "192.0.2.7/32",
    }


TIER = {"jenkins": {"allow_ephemeral_homes": True, "max_masters": 100}}
# Of the tasks' ports, the upper hundred are for Mesos masters alone
LIBPROCESS = [Rule(31901, 32000, f"192.0.2.{number}/32") for number in range(3)]


def test_only_mesos_masters_reach_the_frameworks_of_jenkins_masters() -> None:
    spec = demo_spec(**TIER)
    rules = wanted_rules(spec, ports=whole().ports)
    inside = [rule for rule in rules if rule.port_min >= 31000]
    assert sorted(inside, key=str) == sorted([Rule(31000, 31900), *LIBPROCESS], key=str)
    without = {rule for rule in wanted_rules(demo_spec()) if rule.port_min >= 31000}
    assert without == {Rule(31000, 32000)}


def test_with_plugin_2_nobody_calls_back() -> None:
    settings = {"plugin": "2.x", "registration": "always", "checkpoint": False}
    rules = wanted_rules(demo_spec(jenkins={**TIER["jenkins"], **settings}), ports=whole().ports)
    assert [rule for rule in rules if rule.port_min >= 31000] == [Rule(31000, 31900)]


def test_a_cluster_that_gets_a_tier_closes_what_was_open_to_all_members() -> None:
    there = whole()
    stored = tuple(
        StoredRule(f"rule-{number}", rule, str(rule), True)
        for number, rule in enumerate(sorted(wanted_rules(demo_spec()), key=str))
    )
    there = replace(there, security_groups=(replace(there.security_groups[0], stored=stored),))
    changes = network_changes(demo_spec(**TIER), there)
    assert [rule for _, rule in changes.add_rules] == [Rule(31000, 31900), *LIBPROCESS]
    assert [each.rule for each in changes.drop_rules] == [Rule(31000, 32000)]


def test_the_rule_of_a_mesos_master_that_left_is_dropped() -> None:
    spec, there = demo_spec(**TIER), whole()
    rules = wanted_rules(spec, ports=there.ports) | {Rule(31901, 32000, "192.0.2.77/32")}
    stored = tuple(StoredRule(str(rule), rule, str(rule), True) for rule in rules)
    changes = network_changes(
        spec, replace(there, security_groups=(SecurityGroup("sg", "clusterctl.demo", frozenset(rules), stored),))
    )
    assert [each.rule for each in changes.drop_rules] == [Rule(31901, 32000, "192.0.2.77/32")]
    assert changes.early_rules == changes.drop_rules


@pytest.fixture
def closed() -> Callable[..., ClusterSpec]:
    """Makes cluster files with security groups by tier."""

    def make(**changes: Any) -> ClusterSpec:
        return demo_spec(security=only_closed("network"), **changes)

    return make


def flows(spec: ClusterSpec) -> dict[str, set[str]]:
    """What each security group lets in, names without what they have in common."""
    return {
        name.removeprefix(BASE).removeprefix("."): {str(rule).replace(f"members of {BASE}.", "") for rule in rules}
        for name, rules in wanted_groups(spec).items()
    }


Closed = Callable[..., ClusterSpec]


def test_each_tier_lets_in_only_what_it_is_asked_for(closed: Closed) -> None:
    assert flows(closed(**TIER)) == {
        "": {"tcp/22 from 198.51.100.0/24", "tcp/22 from control"},
        "control": {
            *(f"tcp/{port} from {who}" for port in (2181, 5050) for who in ("members", "masters", "builders")),
            *(f"tcp/{port} from members" for port in (2888, 3888, 8080, 9090)),
        },
        "masters": {
            "tcp/5051 from control",
            "tcp/31000-31900 from control",
            "tcp/31901-32000 from control",
            "tcp/31000-31199 from builders",
        },
        "builders": {"tcp/5051 from control", "tcp/31000-31900 from control"},
    }


def test_services_of_groups_of_their_own_have_a_tier_each(closed: Closed) -> None:
    """Then not even Marathon's nodes reach what is between ZooKeeper's members."""
    groups = demo()["groups"]
    del groups["control"]
    alike = {"count": 3, "flavor": "m1.small"}
    groups |= {"zk": {**alike, "services": ["zookeeper"]}, "mm": {**alike, "services": ["mesos_master", "marathon"]}}
    found = flows(closed(groups=groups, **TIER))
    assert list(found) == ["", "masters", "builders", "zookeeper", "mesos-master-marathon"]
    assert {rule for rule in found["zookeeper"] if "888 " in rule} == {"tcp/2888 from members", "tcp/3888 from members"}
    assert "tcp/2181 from mesos-master-marathon" in found["zookeeper"]
    assert {rule for rule in found["mesos-master-marathon"] if "8080" in rule or "9090" in rule} == {
        "tcp/8080 from members",
        "tcp/8080 from zookeeper",
        "tcp/9090 from members",
    }
    assert {rule for rule in found["masters"] if "31901" in rule} == {"tcp/31901-32000 from mesos-master-marathon"}


def test_without_a_tier_of_jenkins_builds_reach_the_tasks_ports(closed: Closed) -> None:
    assert flows(closed())["masters"] == {
        "tcp/5051 from control",
        "tcp/31000-32000 from control",
        "tcp/31000-32000 from builders",
    }


def older() -> Observed:
    """A cluster with one security group, as the cloud tells of it."""
    there = whole()
    rules = wanted_rules(demo_spec(**TIER), ports=there.ports)
    group = SecurityGroup("sg", BASE, rules, tuple(stored(rule, ours=True) for rule in rules))
    return replace(
        there,
        security_groups=(group,),
        ports=tuple(replace(port, security_groups=("sg",)) for port in there.ports),
        servers=tuple(replace(each, security_groups=(BASE,)) for each in there.servers),
    )


def test_an_older_cluster_comes_into_its_tiers_before_anything_is_shut(closed: Closed) -> None:
    changes = network_changes(closed(**TIER), older())
    assert changes.make == (f"{BASE}.control", f"{BASE}.masters", f"{BASE}.builders")
    assert {name for name, _ in changes.add_rules} == {BASE, *changes.make}
    assert changes.join == (
        *(Membership(f"demo-control-{n}", "", f"port-demo-control-{n}", (f"{BASE}.control",)) for n in (1, 2, 3)),
        Membership("demo-jenkins-a-1", "id-demo-jenkins-a-1", "", (f"{BASE}.masters",)),
        Membership("demo-builders-a-1", "id-demo-builders-a-1", "", (f"{BASE}.builders",)),
    )
    # also those of libprocess that name addresses: masters speak by them
    assert changes.early_rules == ()
    assert {each.rule for each in changes.late_rules} == {
        rule for rule in older().security_groups[0].rules if rule.source != "198.51.100.0/24"
    }
    assert "+ demo-jenkins-a-1: into security group clusterctl.demo.masters" in changes.lines()


def test_a_closed_cluster_can_be_opened_again(closed: Closed) -> None:
    spec, there = closed(**TIER), older()
    names = wanted_groups(spec)
    groups = tuple(
        SecurityGroup(name, name, rules, tuple(stored(rule, ours=True) for rule in rules))
        for name, rules in names.items()
    )
    tiers = {"demo-control": "control", "demo-jenkins": "masters", "demo-builders": "builders"}

    def member(name: str) -> tuple[str, ...]:
        return (BASE, f"{BASE}.{next(tiers[each] for each in tiers if name.startswith(each))}")

    there = replace(
        there,
        security_groups=groups,
        ports=tuple(replace(port, security_groups=member(port.name)) for port in there.ports),
        servers=tuple(replace(each, security_groups=member(each.name)) for each in there.servers),
    )
    assert network_changes(spec, there).empty
    back = network_changes(demo_spec(**TIER), there)
    assert (back.make, back.join, back.early_rules) == ((), (), ())
    assert {name for name, _ in back.add_rules} == {BASE}
    assert {each.node: each.groups for each in back.leave} == {
        name: member(name)[1:] for name in (*(p.name for p in there.ports), "demo-jenkins-a-1", "demo-builders-a-1")
    }
    assert {group.name for group in back.late_groups} == set(names) - {BASE}


def test_agents_of_which_nova_tells_no_groups_are_left_alone(closed: Closed) -> None:
    there = older()
    untold = replace(there, servers=tuple(replace(each, security_groups=()) for each in there.servers))
    building = replace(there, servers=(server("demo-builders-b-1", "builders", status="BUILD"),))
    for each in (untold, building):
        joining = {member.node for member in network_changes(closed(**TIER), each).join}
        assert joining == {f"demo-control-{n}" for n in (1, 2, 3)}
