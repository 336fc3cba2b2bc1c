"""create: plan, preflight, apply; again; and again after being killed at any call."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.cloud.faults import Fault
from clusterctl.cloud.memory import MemoryCloud
from clusterctl.errors import CloudError, ClusterctlError, InputError
from clusterctl.resources import Limits, Observed
from clusterctl.spec.model import ClusterSpec
from tests.unit.ops.clouds import create_in, demo_cloud, kill, revive
from tests.unit.specs import demo, demo_spec


def with_volume() -> ClusterSpec:
    groups = demo()["groups"]
    groups["jenkins"] |= {"count": 2, "volume": {"size": 5, "mount": "/srv/jenkins"}}
    return demo_spec(groups=groups)


def shape(observed: Observed) -> dict[str, Any]:
    """What a cluster consists of, without ids, addresses and batch names."""
    return {
        **observed.counts,
        "nodes": sorted(server.node or server.group for server in observed.servers),
        "ports": sorted(port.name for port in observed.ports),
        "volumes": sorted(volume.name for volume in observed.volumes),
        "rules": sorted(sorted(map(str, group.rules)) for group in observed.security_groups),
    }


def test_from_nothing() -> None:
    cloud = demo_cloud()
    report = create_in(cloud, demo_spec())
    assert (report.nodes, report.created, report.healthy) == (5, 5, True)
    assert cloud.observe("demo").counts == {
        "servers": 5,
        "ports": 3,
        "volumes": 0,
        "server_groups": 1,
        "security_groups": 1,
    }
    # lock, group, rules, server group, ports, three named nodes, two pools, unlock
    assert cloud.calls.write == 11
    assert not cloud.lock_records


@pytest.mark.parametrize(
    ("setting", "message"), [("ipv4", "has no IPv4 subnet"), ("port_security", "port security is switched off")]
)
def test_a_network_on_which_nodes_can_not_be(setting: str, message: str) -> None:
    cloud = demo_cloud()
    setattr(cloud, setting, False)
    with pytest.raises(InputError, match=message):
        create_in(cloud, demo_spec())
    assert cloud.calls.write == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"mesos": {"agent_reserve": {"mem_mib": 4096}}},
            "groups.builders.flavor: m1.small is all mesos.agent_reserve",
        ),
        ({"mesos": {"agent_reserve": {"cpus": 2}}}, "would offer no cpus"),
        ({"marathon": {"heap_mib": 2000}}, "has 2048 MiB of memory, and the heaps of its services are 2256"),
    ],
)
def test_a_flavor_in_which_the_services_can_not_work(settings: dict[str, Any], message: str) -> None:
    cloud = demo_cloud()
    with pytest.raises(ClusterctlError, match=message):
        create_in(cloud, demo_spec(**settings))
    assert cloud.calls.write == 0


def test_again_writes_nothing() -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    cloud.reset_calls()
    report = create_in(cloud, demo_spec())
    assert (report.created, cloud.calls.write, report.api_calls["write"]) == (0, 0, 0)


@pytest.mark.parametrize("agents", [1, 50, 500])
def test_writes_do_not_grow_with_the_number_of_agents(agents: int) -> None:
    groups = demo()["groups"]
    groups["builders"] |= {"count": agents, "anti_affinity": "off"}
    cloud = demo_cloud()
    create_in(cloud, demo_spec(groups=groups))
    assert cloud.calls.write == 11


def test_named_nodes_get_their_port_their_volume_and_their_marks() -> None:
    cloud = demo_cloud()
    create_in(cloud, with_volume())
    observed = cloud.observe("demo")
    servers = {server.node: server for server in observed.servers if server.node}
    assert {port.device_id for port in observed.ports} == {server.id for server in servers.values()}
    assert {volume.attached_to for volume in observed.volumes} == {
        servers["demo-jenkins-1"].id,
        servers["demo-jenkins-2"].id,
    }
    assert servers["demo-control-2"].metadata["clusterctl.myid"] == "2"


def calls_of_an_undisturbed_run(spec: ClusterSpec) -> int:
    cloud = demo_cloud()
    create_in(cloud, spec)
    return cloud.calls.read + cloud.calls.write


CALLS = calls_of_an_undisturbed_run(with_volume())


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_killed_at_any_call_the_next_run_finishes(call: int, when: Any) -> None:
    spec = with_volume()
    undisturbed = demo_cloud()
    create_in(undisturbed, spec)
    cloud = demo_cloud()
    kill(cloud, call, when)
    with pytest.raises(SystemExit):
        create_in(cloud, spec)
    revive(cloud)
    create_in(cloud, spec)
    assert shape(cloud.observe("demo")) == shape(undisturbed.observe("demo"))
    assert not cloud.lock_records
    assert len(cloud.server_records) == 6, "a server without an owner was left"


def test_a_failed_call_says_what_exists_and_how_to_go_on() -> None:
    cloud = demo_cloud()
    cloud.faults.append(Fault(CloudError("no valid host", hint="Ask."), kind="POST /servers", times=None))
    with pytest.raises(CloudError) as caught:
        create_in(cloud, demo_spec())
    assert caught.value.exit_code == 1
    assert caught.value.hint is not None
    assert "Existing now: 0 servers, 3 ports" in caught.value.hint
    assert "`clusterctl create demo.yml` goes on from here" in caught.value.hint


def test_every_unknown_name_is_told_before_anything_is_written() -> None:
    cloud = demo_cloud()
    spec = demo_spec(image="none", network="nowhere", keypair="nobody", availability_zone="mars")
    with pytest.raises(InputError) as caught:
        create_in(cloud, spec)
    for expected in ("image: found 'none'", "network: found 'nowhere'", "keypair: found 'nobody'", "found 'mars'"):
        assert expected in caught.value.message
    assert cloud.calls.write == 0


def test_every_shortfall_is_told_before_anything_is_written() -> None:
    cloud = demo_cloud()
    cloud.quota = Limits(
        instances=4,
        cores=5,
        ram_mib=100,
        server_group_members=2,
        server_groups=0,
        ports=1,
        security_groups=0,
        security_group_rules=1,
        volumes=0,
        gigabytes=1,
    )
    with pytest.raises(ClusterctlError) as caught:
        create_in(cloud, with_volume())
    for expected in (
        "instances: 6 needed, 4 left",
        "cores: 12 needed, 5 left",
        "memory: 12288 MiB needed, 100 MiB left",
        "server groups: 2 needed, 0 left",
        "ports: 6 needed, 1 left",
        "volumes: 2 needed, 0 left",
        "volume space: 10 GiB needed, 1 GiB left",
        "server group members: group control needs 3, the quota is 2",
    ):
        assert expected in caught.value.message
    assert cloud.calls.write == 0


def test_a_failed_build_is_made_again_by_the_next_run() -> None:
    cloud = demo_cloud()
    cloud.fail_build = lambda name: "no valid host" if name == "demo-control-2" else None
    with pytest.raises(ClusterctlError):
        create_in(cloud, demo_spec())
    cloud.fail_build = lambda _name: None
    create_in(cloud, demo_spec())
    assert {server.status for server in cloud.servers("demo")} == {"ACTIVE"}
    assert len(cloud.servers("demo")) == 5


def test_a_flavor_too_small_for_the_image() -> None:
    cloud = demo_cloud()
    cloud.flavor_list = [type(cloud.flavor_list[0])("f1", "m1.small", 2, 2048, 3)]
    with pytest.raises(ClusterctlError, match=r"m1.small has 3 GiB of disk, image base-1 needs 4"):
        create_in(cloud, demo_spec())


def test_nothing_foreign_is_taken_for_ours(cloud: MemoryCloud | None = None) -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec(cluster="other"))
    report = create_in(cloud, demo_spec())
    assert report.created == 5
    assert len(cloud.servers("other")) == 5
