"""Variables of every kind of node, from the same functions that ``create`` uses."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.resources import Flavor, Volume
from clusterctl.services import Service
from clusterctl.spec.load import parse_model
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import addresses, topology
from clusterctl.variables import agent_variables, cluster_variables, node_variables

SPEC = """
cluster: ci
cloud: lab
network: private
keypair: ops
access: {ssh_from: network}
groups:
  control: {count: 3, flavor: m1.medium, services: [zookeeper, mesos_master, marathon]}
  jenkins:
    count: 1
    flavor: m1.large
    services: [mesos_agent]
    attributes: {pool: jenkins-master}
    reserve_for: marathon
    volume: {size: 50, mount: /srv/jenkins}
  builders: {count: 2, flavor: m1.large, services: [mesos_agent]}
"""
TIER = (
    SPEC.replace("[mesos_agent]}", "[mesos_agent], attributes: {pool: builder, os: debian}}")
    + """
jenkins:
  plugin: %s
  registration: always
  checkpoint: %s
  framework_name: ci.{name}
  public_url: "https://ci.example.com/{name}/"
  master: {java_options: [-Xss1m, "-Dhello=a b"]}
  builds:
    - {label: small, attributes: {pool: builder, os: debian}, jvm_args: "-Da=<&>"}
    - {label: big, default: false, cpus: 2, executor_cpus: 0.5, uris: [{value: "http://x/y?a=1&b=2", executable: true}]}
"""
)

CLOSED = ("zookeeper_secured", "mesos_master_zk_credentials", "marathon_zk_credentials", "marathon_secured")

Node = tuple[tuple[Service, ...], dict[str, Any]]


@pytest.fixture(scope="session")
def nodes() -> dict[str, Node]:
    """Services and variables of a control node, of one whose ZooKeeper and Marathon are closed, of an agent with a
    volume and one without, by group; and agents for Jenkins masters, by generation of the plugin."""
    spec = parse_model(SPEC, ClusterSpec, "ci.yml")
    tiers = {
        f"masters-{plugin}": parse_model(TIER % (plugin, checkpoint), ClusterSpec, "ci.yml")
        for plugin, checkpoint in (("0.x", "true"), ("1.x", "true"), ("2.x", "false"))
    }
    top = topology(spec)
    address_of = {node.name: f"192.0.2.{10 + number}" for number, node in enumerate(top.nodes)}
    at = addresses(top, address_of)
    common = cluster_variables(spec, at)
    closed = parse_model(f"{SPEC}security: {{require: [mesos]}}\n", ClusterSpec, "ci.yml")
    flavors = {
        group.flavor: Flavor(group.flavor, group.flavor, vcpus=2, ram_mib=4096, disk_gib=20)
        for group in spec.groups.values()
    }
    named = {(node.group, node.ordinal): node for node in top.nodes}
    control, jenkins = named["control", 1], named["jenkins", 1]
    volume = Volume("0a1b2c3d-0000-4000-8000-000000000001", jenkins.name, "available", 50, "jenkins", None)
    of_control = common | node_variables(spec, control, address_of[control.name], None)
    return {
        "control": (control.services, of_control),
        "closed": (control.services, of_control | dict.fromkeys(CLOSED, True)),
        "jenkins": (
            jenkins.services,
            common
            | agent_variables(spec, "jenkins", flavors)
            | node_variables(spec, jenkins, address_of[jenkins.name], volume),
        ),
        "builders": (
            (Service.MESOS_AGENT,),
            common | agent_variables(spec, "builders", flavors),
        ),
        "closed-control": (
            control.services,
            cluster_variables(closed, at) | node_variables(closed, control, address_of[control.name], None),
        ),
        "closed-builders": (
            (Service.MESOS_AGENT,),
            cluster_variables(closed, at) | agent_variables(closed, "builders", flavors),
        ),
    } | {
        name: (
            jenkins.services,
            common
            | agent_variables(tier, "jenkins", flavors)
            | node_variables(tier, jenkins, address_of[jenkins.name], volume),
        )
        for name, tier in tiers.items()
    }
