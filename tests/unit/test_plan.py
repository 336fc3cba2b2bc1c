"""What is missing of a cluster, and nothing else, is planned."""

from __future__ import annotations

from dataclasses import replace

from clusterctl.plan import make_plan, wanted_rules
from clusterctl.resources import Observed, Port, Rule, SecurityGroup, Server, ServerGroup, StoredRule, Volume
from tests.unit.specs import demo, demo_spec


def server(name: str, group: str, *, node: str | None = None, status: str = "ACTIVE", launched: bool = True) -> Server:
    return Server(
        id=f"id-{name}",
        name=name,
        status=status,
        group=group,
        node=node,
        address="192.0.2.9",
        image_id="image",
        flavor="m1.small",
        services=(),
        created="2026-01-01T00:00:00Z",
        launched=launched,
    )


def whole() -> Observed:
    """All that the demo needs."""
    names = [f"demo-control-{ordinal}" for ordinal in (1, 2, 3)]
    return Observed(
        servers=(
            *(server(name, "control", node=name) for name in names),
            server("demo-jenkins-a-1", "jenkins"),
            server("demo-builders-a-1", "builders"),
        ),
        ports=tuple(Port(f"port-{name}", name, f"192.0.2.{index}", "") for index, name in enumerate(names)),
        server_groups=(ServerGroup("g", "clusterctl.demo.control", "soft-anti-affinity"),),
        security_groups=(SecurityGroup("sg", "clusterctl.demo", wanted_rules(demo_spec())),),
    )


def test_from_nothing_everything_is_planned() -> None:
    plan = make_plan(demo_spec(), Observed())
    assert plan.create_security_group == "clusterctl.demo"
    assert set(plan.add_rules) == wanted_rules(demo_spec())
    assert [node.name for node in plan.boot] == [node.name for node in plan.ports]
    assert [(pool.group, pool.count) for pool in plan.pools] == [("jenkins", 1), ("builders", 1)]
    assert [action.name for action in plan.server_groups] == ["clusterctl.demo.control"]
    assert plan.new_servers == 5
    assert "+ 1 agents of group builders (one call)" in plan.lines()


def test_for_a_whole_cluster_nothing_is_planned() -> None:
    plan = make_plan(demo_spec(), whole())
    assert plan.empty
    assert plan.problems == ()
    assert plan.lines() == []


def test_only_what_is_missing_is_planned() -> None:
    there = whole()
    plan = make_plan(demo_spec(), replace(there, servers=there.servers[:1] + there.servers[3:4]))
    assert [node.name for node in plan.boot] == ["demo-control-2", "demo-control-3"]
    assert [pool.group for pool in plan.pools] == ["builders"]
    assert plan.ports == ()


def test_a_failed_build_is_discarded_and_made_again_but_a_broken_server_is_kept() -> None:
    there = whole()
    failed = server("demo-control-1", "control", node="demo-control-1", status="ERROR", launched=False)
    plan = make_plan(demo_spec(), replace(there, servers=(failed, *there.servers[1:])))
    assert plan.discard == (failed,)
    assert [node.name for node in plan.boot] == ["demo-control-1"]
    broken = replace(failed, launched=True)
    plan = make_plan(demo_spec(), replace(there, servers=(broken, *there.servers[1:])))
    assert plan.empty
    assert plan.problems == ("demo-control-1: is ERROR; run `clusterctl repair FILE`",)


def test_surplus_and_duplicates_are_named_and_never_deleted() -> None:
    there = whole()
    extra = (
        server("demo-control-4", "control", node="demo-control-4"),
        server("demo-control-1", "control", node="demo-control-1"),
        server("demo-builders-b-1", "builders"),
    )
    plan = make_plan(demo_spec(), replace(there, servers=there.servers + extra))
    assert plan.empty
    text = "\n".join(plan.problems)
    assert "demo-control-1: 2 servers have this identity" in text
    assert "demo-control-4: is not in the file any more" in text
    assert "group builders: 1 agents more than the file's 1" in text


def stored(rule: Rule | None, *, ours: bool, text: str = "") -> StoredRule:
    return StoredRule(f"id-{rule or text}", rule, str(rule or text), ours)


def with_rules(*rules: StoredRule) -> Observed:
    every = (*(stored(rule, ours=True) for rule in wanted_rules(demo_spec())), *rules)
    group = SecurityGroup("sg", "clusterctl.demo", frozenset(each.rule for each in every if each.rule), every)
    return replace(whole(), security_groups=(group,))


def test_a_rule_of_ours_that_the_file_has_no_more_is_dropped() -> None:
    old, ports = stored(Rule(22, 22, "192.0.2.0/24"), ours=True), stored(Rule(8000, 8100), ours=True)
    plan = make_plan(demo_spec(), with_rules(old, ports))
    assert plan.drop_rules == (old, ports)
    assert (plan.early_rules, plan.late_rules) == ((old,), (ports,))
    assert not plan.empty
    assert not plan.makes_nodes
    assert plan.lines() == ["- 2 security group rules: tcp/22 from 192.0.2.0/24, tcp/8000-8100 from members"]
    assert plan.problems == ()


def test_without_the_own_networks_addresses_no_rule_for_ssh_is_called_surplus() -> None:
    spec = demo_spec(access={"ssh_from": "network"})
    own = stored(Rule(22, 22, "10.50.0.0/22"), ours=True)
    there = with_rules(own)
    assert make_plan(spec, there).drop_rules == ()
    assert [each.text for each in make_plan(spec, there, ("10.50.0.0/22",)).drop_rules] == [
        "tcp/22 from 198.51.100.0/24"
    ]


def test_a_rule_of_others_is_a_problem_and_stays() -> None:
    rules = (
        stored(Rule(8080, 8080, "0.0.0.0/0"), ours=False),
        stored(None, ours=False, text="udp/53 from 0.0.0.0/0"),
        stored(Rule(22, 22, "198.51.100.0/24"), ours=False),  # what the file wants, whoever made it
    )
    plan = make_plan(demo_spec(), with_rules(*rules))
    assert plan.empty
    assert plan.problems == (
        "security group rule id-tcp/8080 from 0.0.0.0/0 (tcp/8080 from 0.0.0.0/0): is not in the file and was not made "
        "by clusterctl; `openstack security group rule delete id-tcp/8080 from 0.0.0.0/0` removes it",
        "security group rule id-udp/53 from 0.0.0.0/0 (udp/53 from 0.0.0.0/0): is not in the file and was not made "
        "by clusterctl; `openstack security group rule delete id-udp/53 from 0.0.0.0/0` removes it",
    )


def test_a_missing_rule_is_added_and_an_own_rule_is_left_alone() -> None:
    there = whole()
    rules = wanted_rules(demo_spec()) - {Rule(2181, 2181)} | {Rule(9999, 9999, "198.51.100.0/24")}
    plan = make_plan(demo_spec(), replace(there, security_groups=(SecurityGroup("sg", "clusterctl.demo", rules),)))
    assert plan.add_rules == (Rule(2181, 2181),)
    assert plan.create_security_group is None


def test_nothing_but_ssh_is_open_to_the_outside() -> None:
    rules = wanted_rules(demo_spec())
    assert {rule for rule in rules if rule.source} == {Rule(22, 22, "198.51.100.0/24")}


def test_the_nodes_own_network_stands_for_its_subnets() -> None:
    spec = demo_spec(access={"ssh_from": ["network", "192.0.2.7"]})
    rules = wanted_rules(spec, ("10.0.0.0/24", "fd00::/64"))
    assert {rule.source for rule in rules if rule.source} == {"10.0.0.0/24", "fd00::/64", "192.0.2.7/32"}
    assert {rule.source for rule in make_plan(spec, Observed(), ["10.0.0.0/24"]).add_rules if rule.source} == {
        "10.0.0.0/24",
        "192.0.2.7/32",
    }


def test_volumes_are_planned_for_nodes_that_have_none() -> None:
    groups = demo()["groups"]
    groups["jenkins"] |= {"count": 2, "volume": {"size": 5, "mount": "/srv/jenkins"}}
    spec = demo_spec(groups=groups)
    there = replace(whole(), volumes=(Volume("v", "demo-jenkins-1", "available", 5, "jenkins", None),))
    plan = make_plan(spec, there)
    assert [node.name for node in plan.volumes] == ["demo-jenkins-2"]
    assert [node.name for node in plan.boot] == ["demo-jenkins-1", "demo-jenkins-2"]


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
    plan = make_plan(demo_spec(**TIER), there)
    assert plan.add_rules == (Rule(31000, 31900), *LIBPROCESS)
    assert [each.rule for each in plan.drop_rules] == [Rule(31000, 32000)]


def test_the_rule_of_a_mesos_master_that_left_is_dropped() -> None:
    spec, there = demo_spec(**TIER), whole()
    rules = wanted_rules(spec, ports=there.ports) | {Rule(31901, 32000, "192.0.2.77/32")}
    stored = tuple(StoredRule(str(rule), rule, str(rule), True) for rule in rules)
    plan = make_plan(
        spec, replace(there, security_groups=(SecurityGroup("sg", "clusterctl.demo", frozenset(rules), stored),))
    )
    assert [each.rule for each in plan.drop_rules] == [Rule(31901, 32000, "192.0.2.77/32")]
    assert plan.early_rules == plan.drop_rules
