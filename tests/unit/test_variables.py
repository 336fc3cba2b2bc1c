"""The one variable source of boot and day 2."""

from __future__ import annotations

from clusterctl.resources import Flavor, Volume
from clusterctl.spec.settings import AgentReserve
from clusterctl.topology import Addresses, topology
from clusterctl.variables import (
    AgentResources,
    agent_variables,
    cluster_variables,
    node_variables,
    pool_variables,
    variables_of,
)
from tests.unit.specs import demo, demo_spec

AT = Addresses(
    zookeeper=((1, "192.0.2.1"), (2, "192.0.2.2"), (3, "192.0.2.3")),
    mesos_master=("192.0.2.1", "192.0.2.2", "192.0.2.3"),
    marathon=("192.0.2.1",),
)


def test_quorum_and_zookeeper_urls_are_derived() -> None:
    values = cluster_variables(demo_spec(), AT)
    assert values["mesos_master_quorum"] == 2
    assert values["mesos_zk_url"] == "zk://192.0.2.1:2181,192.0.2.2:2181,192.0.2.3:2181/mesos"
    assert values["marathon_zk_url"].endswith("/marathon")
    assert values["zookeeper_servers"][2] == {"id": 3, "address": "192.0.2.3"}


def test_an_agent_offers_its_flavor_minus_the_reserve() -> None:
    resources = AgentResources(
        vcpus=2, ram_mib=1024, disk_gib=10, reserve=AgentReserve(cpus=0.5, mem_mib=256, disk_mib=1024)
    )
    assert resources.text("31000-32000") == "cpus:1.5;mem:768;disk:9216;ports:[31000-32000]"


def test_a_flavor_smaller_than_the_reserve_offers_nothing_rather_than_less() -> None:
    resources = AgentResources(vcpus=1, ram_mib=64, disk_gib=0, reserve=AgentReserve(cpus=2))
    assert resources.text("1-2") == "cpus:0;mem:0;disk:0;ports:[1-2]"


FLAVORS = {"m1.small": Flavor("f1", "m1.small", vcpus=1, ram_mib=1024, disk_gib=10)}


def test_agents_of_a_group_share_all_variables() -> None:
    jenkins, builders = (agent_variables(demo_spec(), name, FLAVORS) for name in ("jenkins", "builders"))
    assert (jenkins["mesos_agent_default_role"], builders["mesos_agent_default_role"]) == ("marathon", "*")
    assert jenkins["mesos_agent_attributes"] == "pool:jenkins-master"


def test_a_groups_settings_go_above_the_clusters_and_below_nothing_computed() -> None:
    groups = demo()["groups"]
    groups["builders"]["settings"] = {"mesos_agent_launcher": "linux"}
    groups["control"]["settings"] = {"marathon_jvm_options": "-Xss1m"}
    everywhere = {"mesos_agent_launcher": "posix", "mesos_agent_logging_level": "WARNING", "marathon_jvm_options": ""}
    spec = demo_spec(groups=groups, settings=everywhere)
    top = topology(spec)
    pools = {pool.group: pool_variables(spec, pool, FLAVORS, AT) for pool in top.pools}
    assert {name: values["mesos_agent_launcher"] for name, values in pools.items()} == {
        "jenkins": "posix",
        "builders": "linux",
    }
    assert all(values["mesos_agent_logging_level"] == "WARNING" for values in pools.values())
    control = variables_of(spec, top.nodes[0], FLAVORS, AT, "192.0.2.1", None)
    assert control["marathon_jvm_options"] == "-Xss1m"


def test_only_zookeeper_nodes_have_a_myid_and_only_nodes_with_a_volume_a_serial() -> None:
    spec = demo_spec()
    node = topology(spec).nodes[1]
    volume = Volume("0123456789abcdef0123456789", node.name, "available", 10, "control", None)
    plain = {"clusterctl_node": "demo-control-2", "clusterctl_address": "192.0.2.2", "zookeeper_myid": 2}
    assert node_variables(spec, node, "192.0.2.2", None) == plain
    assert node_variables(spec, node, "192.0.2.2", volume) == plain, "the file wants no volume"
    groups = demo()["groups"]
    groups["control"] |= {"volume": {"size": 10, "mount": "/srv"}}
    found = node_variables(demo_spec(groups=groups), node, "192.0.2.2", volume)
    assert found == plain | {"common_volume_serial": "0123456789abcdef0123", "common_volume_mount": "/srv"}


def test_a_node_has_those_of_its_cluster_its_group_and_its_own() -> None:
    spec = demo_spec()
    top = topology(spec)
    node = top.nodes[0]
    assert variables_of(spec, node, FLAVORS, AT, "192.0.2.1", None) == {
        **cluster_variables(spec, AT),
        **node_variables(spec, node, "192.0.2.1", None),
    }
    pool = next(pool for pool in top.pools if pool.group == "builders")
    assert pool_variables(spec, pool, FLAVORS, AT) == {
        **cluster_variables(spec, AT),
        **agent_variables(spec, "builders", FLAVORS),
    }
