"""Variables of every kind of node, from the same functions that ``create`` uses."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.resources import Flavor, Volume
from clusterctl.services import Service
from clusterctl.spec.load import parse_model
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import addresses, topology
from clusterctl.variables import pool_variables, variables_of

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

SETTINGS = (
    SPEC.replace(
        "services: [mesos_agent]}",
        "services: [mesos_agent], mesos: {agent_flags: {cgroups_root: mesos, switch_user: false}}, "
        "settings: {mesos_agent_isolation: 'posix/cpu, posix/mem'}}",
    )
    + """
settings:
  marathon_java_home: /opt/marathon-java/current
  marathon_jvm_options: -Xlog:gc*:file=/tmp/gc-%p.log -Da=#b;c
  zookeeper_data_log_dir: /srv/zookeeper
  zookeeper_tcp_keep_alive: false
  zookeeper_classpath: /a b/%i:/etc/zookeeper
  mesos_master_agent_removal_rate_limit: ""
mesos: {master_flags: {modules: {limits: [{principal: 'a "b" $c', qps: 1.5}]}}, agent_flags: {switch_user: true}}
marathon: {flags: {metrics_prometheus: true, http_compression: false, max_apps: 9}}
tls: {key: /etc/ssl/private/mesos.key, certificate: /etc/ssl/mesos.pem, ca: /etc/ssl/ca.pem}
"""
)

MESOS_CLOSED = f"{SPEC}security: {{insecure: [zookeeper, marathon, network]}}\n"
CLOSED = ("zookeeper_secured", "mesos_master_zk_credentials", "marathon_zk_credentials", "marathon_secured")

Node = tuple[tuple[Service, ...], dict[str, Any]]


@pytest.fixture(scope="session")
def nodes() -> dict[str, Node]:
    """Services and variables of a control node, of one whose ZooKeeper and Marathon are closed, of an agent with a
    volume and one without, by group; of agents for Jenkins masters, by generation of the plugin; and of nodes with
    settings of all kinds."""
    plain = of_file(SPEC, ("control", "jenkins", "builders"))
    services, of_control = plain["control"]
    return {
        **plain,
        "closed": (services, of_control | dict.fromkeys(CLOSED, True)),
        **of_file(MESOS_CLOSED, ("control",), "closed-control"),
        **of_file(MESOS_CLOSED, ("builders",), "closed-builders"),
        **of_file(
            f"{TIER % ('0.x', 'true')}security: {{insecure: [zookeeper, marathon, network]}}\n",
            ("jenkins",),
            "closed-masters",
        ),
        **of_file(TIER % ("0.x", "true"), ("jenkins",), "masters-0.x"),
        **of_file(TIER % ("1.x", "true"), ("jenkins",), "masters-1.x"),
        **of_file(TIER % ("2.x", "false"), ("jenkins",), "masters-2.x"),
        **of_file(SETTINGS, ("control",), "settings-control"),
        **of_file(SETTINGS, ("builders",), "settings-builders"),
    }


def of_file(text: str, groups: tuple[str, ...], called: str = "") -> dict[str, Node]:
    text = text if "security:" in text else f"{text}security: {{insecure: all}}\n"
    return _of_file(text, groups, called)


def _of_file(text: str, groups: tuple[str, ...], called: str) -> dict[str, Node]:
    """The first node of each group, by the group or as ``called``; those that the file wants one for have a volume."""
    spec = parse_model(text, ClusterSpec, "ci.yml")
    top = topology(spec)
    address_of = {node.name: f"192.0.2.{10 + number}" for number, node in enumerate(top.nodes)}
    at = addresses(top, address_of)
    flavors = {
        group.flavor: Flavor(group.flavor, group.flavor, vcpus=2, ram_mib=4096, disk_gib=20)
        for group in spec.groups.values()
    }
    found: dict[str, Node] = {}
    for node in reversed(top.nodes):
        volume = Volume("0a1b2c3d-0000-4000-8000-000000000001", node.name, "available", 50, node.group, None)
        values = variables_of(spec, node, flavors, at, address_of[node.name], volume)
        found[node.group] = (node.services, values)
    for pool in top.pools:
        found[pool.group] = ((Service.MESOS_AGENT,), pool_variables(spec, pool, flavors, at))
    return {called or name: found[name] for name in groups}
