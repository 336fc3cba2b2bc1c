"""What is missing of a cluster, and nothing else, is planned."""

from __future__ import annotations

from dataclasses import replace

from clusterctl.plan import make_plan
from clusterctl.resources import Observed, Port, SecurityGroup, Server, ServerGroup, Volume
from clusterctl.tiers import wanted_groups
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
        security_groups=(SecurityGroup("sg", "clusterctl.demo", wanted_groups(demo_spec())["clusterctl.demo"]),),
    )


def test_from_nothing_everything_is_planned() -> None:
    plan = make_plan(demo_spec(), Observed())
    assert plan.network.make == ("clusterctl.demo",)
    assert {rule for _, rule in plan.network.add_rules} == wanted_groups(demo_spec())["clusterctl.demo"]
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


def test_volumes_are_planned_for_nodes_that_have_none() -> None:
    groups = demo()["groups"]
    groups["jenkins"] |= {"count": 2, "volume": {"size": 5, "mount": "/srv/jenkins"}}
    spec = demo_spec(groups=groups)
    there = replace(whole(), volumes=(Volume("v", "demo-jenkins-1", "available", 5, "jenkins", None),))
    plan = make_plan(spec, there)
    assert [node.name for node in plan.volumes] == ["demo-jenkins-2"]
    assert [node.name for node in plan.boot] == ["demo-jenkins-1", "demo-jenkins-2"]
