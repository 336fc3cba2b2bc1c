"""The inventory of a running cluster: complete, or an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.ops.day2.inventory import build_inventory, cluster_inventory
from clusterctl.ops.kit.access import Access, open_access
from clusterctl.ops.lifecycle import apply
from clusterctl.render.userdata import user_data
from clusterctl.resources import KEY_CONSOLE, Observed
from clusterctl.ssh.console import HostKey
from tests.unit.ops.clouds import create_in, demo_cloud
from tests.unit.specs import demo, demo_spec
from tests.unit.ssh.keys import NONCE, PROOF, key_line

# A setting of each type, for each role
EVERY_KIND = {
    "mesos_agent_launcher": "posix",
    "mesos_agent_isolation": "posix/cpu,posix/mem",
    "mesos_agent_recovery_timeout_min": 20,
    "marathon_mesos_native_library": "/opt/mesos/lib/libmesos.so",
    "marathon_jvm_options": "-Xss1m -Dsome.option=50%",
    "zookeeper_tcp_keep_alive": False,
    "zookeeper_purge_interval_h": 12,
}
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJ1cLxzsPvgWZ7Cg8wgdNgqwFyEC2/p8LqbEqEdgLmqf"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)[:50]}


def test_variables_are_those_that_nodes_boot_with(environment: dict[str, str]) -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    for server in cloud.servers("demo"):
        cloud.set_metadata(server.id, {KEY_CONSOLE: PROOF})
        cloud.consoles[server.name] = key_line(HostKey("ssh-ed25519", KEY))
    access = open_access(demo_spec(), cloud, environment)
    found = cluster_inventory(demo_spec(), cloud, access)
    assert len(found["_meta"]["hostvars"]) == 5
    assert found["zookeeper"]["hosts"] == ["demo-control-1", "demo-control-2", "demo-control-3"]
    assert found["_meta"]["hostvars"]["demo-control-2"]["zookeeper_myid"] == 2
    assert found["group_jenkins"]["vars"]["mesos_agent_default_role"] == "marathon"
    assert found["all"]["vars"]["mesos_master_quorum"] == 2
    assert "StrictHostKeyChecking=yes" in found["_meta"]["hostvars"]["demo-control-1"]["ansible_ssh_common_args"]


def test_the_first_configure_changes_nothing(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each server's user-data is that of the inventory's variables, with a setting of every kind."""
    nonce = "0" * 32
    monkeypatch.setattr(apply, "user_data", lambda services, of, mode, _: user_data(services, of, mode, nonce))
    groups = demo()["groups"]
    groups["builders"] |= {
        "settings": {"mesos_agent_launcher": "linux"},
        "mesos": {"agent_flags": {"switch_user": False}, "agent_reserve": {"mem_mib": 256}},
    }
    groups["control"] |= {"settings": {"zookeeper_jvm_options": "-Xlog:gc"}}
    spec = demo_spec(
        groups=groups,
        settings=EVERY_KIND,
        mesos={"master_flags": {"modules": {"limits": []}}, "agent_flags": {"quiet": True}},
        marathon={"flags": {"metrics_prometheus": True, "max_apps": 9}, "zk_session_timeout_s": 12},
    )
    cloud = demo_cloud()
    create_in(cloud, spec)
    access = open_access(spec, cloud, environment)
    observed = Observed(tuple(cloud.servers("demo")), tuple(cloud.ports("demo")), ())
    found = build_inventory(spec, observed, cloud.flavors(), access)
    for record in cloud.server_records.values():
        server = record.shown
        variables = {
            **found["all"]["vars"],
            **found[f"group_{server.group}"].get("vars", {}),
            **found["_meta"]["hostvars"][server.name],
        }
        services = spec.groups[server.group].services
        assert record.request.user_data == user_data(services, variables, "embedded", nonce), server.name


def access_with_pins(cloud_servers: list[str], environment: dict[str, str]) -> Access:
    cloud = demo_cloud()
    access = open_access(demo_spec(), cloud, environment)
    for server_id in cloud_servers:
        access.host_keys.known_hosts.pin(server_id, (HostKey("ssh-ed25519", KEY),))
    return access


def test_an_unpinned_node_is_an_error(environment: dict[str, str]) -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    with pytest.raises(ClusterctlError, match="its console shows no ssh host key"):
        cluster_inventory(demo_spec(), cloud, open_access(demo_spec(), cloud, environment))


def test_one_broken_node_leaves_the_others_to_ansible(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another operator's machine, on which no key is cached yet."""
    monkeypatch.setattr("clusterctl.ops.lifecycle.apply.new_nonce", lambda: NONCE)
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    cloud.consoles = {server.name: f"{key_line(HostKey('ssh-ed25519', KEY))}\n" for server in cloud.servers("demo")}
    off, bare, silent = (f"demo-control-{number}" for number in (1, 2, 3))
    for record in cloud.server_records.values():
        if record.shown.name == off:
            record.shown = replace(record.shown, status="SHUTOFF")
        if record.shown.name == bare:
            record.shown = replace(record.shown, status="ERROR", fault="no host", address=None)
    cloud.consoles[silent] = ""
    told: list[str] = []
    access = open_access(demo_spec(), cloud, environment)
    found = cluster_inventory(demo_spec(), cloud, access, told.append)
    assert sorted(found["_meta"]["hostvars"]) == sorted(server.name for server in cloud.servers("demo"))
    assert told[:2] == [
        f"{off}: its server is SHUTOFF; Ansible can't reach it. `clusterctl repair FILE --apply` repairs it.",
        f"{bare}: its server is ERROR (no host); Ansible can't reach it. `clusterctl repair FILE --apply` repairs it.",
    ]
    assert told[2].startswith(f"{silent}: its console shows no ssh host key")
    assert len(told) == 3
    assert found["_meta"]["hostvars"][bare]["ansible_host"] == f"{bare}.invalid"
    assert len(access.host_keys.known_hosts.aliases()) == 2  # nobody is trusted unseen


def test_a_missing_port_is_an_error_never_a_partial_inventory(environment: dict[str, str]) -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    observed = cloud.observe("demo")
    access = access_with_pins([server.id for server in observed.servers], environment)
    with pytest.raises(ClusterctlError, match="no port for demo-control-1"):
        build_inventory(demo_spec(), replace(observed, ports=observed.ports[1:]), cloud.flavors(), access)


def test_a_cluster_that_does_not_exist(environment: dict[str, str]) -> None:
    cloud = demo_cloud()
    with pytest.raises(ClusterctlError, match="cluster demo has no server in cloud lab"):
        cluster_inventory(demo_spec(), cloud, open_access(demo_spec(), cloud, environment))


def test_list_calls_do_not_grow_with_the_number_of_nodes(environment: dict[str, str]) -> None:
    counts = []
    for agents in (1, 200):
        groups = demo()["groups"]
        groups["builders"] |= {"count": agents, "anti_affinity": "off"}
        cloud = demo_cloud()
        create_in(cloud, demo_spec(groups=groups))
        access = access_with_pins([server.id for server in cloud.servers("demo")], environment)
        cloud.reset_calls()
        cluster_inventory(demo_spec(groups=groups), cloud, access)
        counts.append(cloud.calls.read)
    assert counts[0] == counts[1]
