"""create: plan, preflight, apply; again; and again after being killed at any call."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.errors import CloudError, ClusterctlError, InputError
from clusterctl.ops.lifecycle.create import create
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.resources import Flavor, Limits, Observed
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.memory.faults import Fault
from tests.unit.ops.clouds import create_in, demo_cloud, kill, revive, run_of
from tests.unit.specs import demo, demo_spec, only_closed


def with_volume(**changes: Any) -> ClusterSpec:
    groups = demo()["groups"]
    groups["jenkins"] |= {"count": 2, "volume": {"size": 5, "mount": "/srv/jenkins"}}
    return demo_spec(groups=groups, **changes)


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


def test_a_tier_opens_libprocess_ports_to_the_mesos_masters_that_were_just_made() -> None:
    cloud, spec = demo_cloud(), demo_spec(jenkins={"allow_ephemeral_homes": True})
    create_in(cloud, spec)
    observed = cloud.observe("demo")
    (group,) = observed.security_groups
    opened = {rule.source for rule in group.rules if rule.port_max == 32000}
    assert opened == {f"{port.address}/32" for port in observed.ports}
    assert len(opened) == 3
    cloud.reset_calls()
    assert create_in(cloud, spec).created == 0
    assert cloud.calls.write == 0


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


def test_an_image_of_another_project_is_taken_only_if_its_owner_is_named() -> None:
    cloud = demo_cloud()
    cloud.image_owners = {image.id: "p1" for image in cloud.image_list}
    with pytest.raises(InputError, match="image: found 'clusterctl-base', and your project has no image"):
        create_in(cloud, demo_spec())
    assert cloud.calls.write == 0
    create_in(cloud, demo_spec(image_owner="p1"))
    assert len(cloud.servers("demo")) == 5


def rules_of(cloud: MemoryCloud) -> set[str]:
    return {str(rule) for group in cloud.observe("demo").security_groups for rule in group.rules}


def test_a_narrowed_access_is_narrowed() -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    assert "tcp/22 from 198.51.100.0/24" in rules_of(cloud)
    narrow = demo_spec(access={"ssh_from": ["10.0.0.0/8"]})
    cloud.keypairs.clear()  # nothing is made that needs one
    create_in(cloud, narrow)
    assert {rule for rule in rules_of(cloud) if "/22 from " in rule} == {
        "tcp/22 from 10.0.0.0/8",
        "tcp/22 from members",
    }
    cloud.reset_calls()
    create_in(cloud, narrow)
    assert cloud.calls.write == 0


def test_ports_between_members_close_when_the_services_are_as_in_the_file() -> None:
    cloud, spec = demo_cloud(), demo_spec(mesos={"task_ports": "20000-21000"})
    create_in(cloud, demo_spec())
    seen: list[set[str]] = []

    def wait_healthy(_spec: ClusterSpec, _fresh: bool) -> VerifyReport:
        seen.append({rule for rule in rules_of(cloud) if "-" in rule})
        return VerifyReport(checks=())

    create(run_of(cloud, spec), wait_healthy=wait_healthy)
    old, new = "tcp/31000-32000 from members", "tcp/20000-21000 from members"
    assert seen == [{old, new}, {new}]  # and asked again, since Neutron cuts connections when a rule goes


def test_a_second_operator_looks_after_a_whole_cluster() -> None:
    """Whose key pair has another name."""
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    cloud.keypairs = {"bob"}
    assert create_in(cloud, demo_spec()).created == 0
    cloud.image_list.clear()
    assert create_in(cloud, demo_spec()).problems == ()


def test_what_can_not_be_changed_in_place_is_named() -> None:
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    cloud.flavor_list.append(Flavor("f2", "m1.large", 4, 4096, 20))
    groups = demo()["groups"]
    groups["control"]["flavor"] = "f2"
    report = create_in(cloud, demo_spec(groups=groups))
    assert report.created == 0
    assert [problem.split(": has ")[0] for problem in report.problems] == [
        "demo-control-1, demo-control-2, demo-control-3"
    ]


@pytest.mark.parametrize(
    ("block_zones", "zone", "expected"),
    [({"a", "b"}, None, ["a", "b"]), ({"nova"}, None, ["", ""]), ({"a", "b", "ceph"}, "ceph", ["ceph", "ceph"])],
)
def test_volumes_are_in_the_zones_of_their_servers(
    block_zones: set[str], zone: str | None, expected: list[str]
) -> None:
    cloud = demo_cloud()
    cloud.zones, cloud.block_zones = {"a", "b"}, block_zones
    groups = demo()["groups"]
    volume = {"size": 5, "mount": "/srv/jenkins"} | ({"availability_zone": zone} if zone else {})
    groups["jenkins"] |= {"count": 2, "volume": volume, "availability_zones": ["a", "b"]}
    create_in(cloud, demo_spec(groups=groups))
    assert [v.zone for v in sorted(cloud.volumes("demo"), key=lambda v: v.name)] == expected


def test_a_zone_of_volumes_that_block_storage_has_not() -> None:
    cloud, groups = demo_cloud(), demo()["groups"]
    groups["jenkins"]["volume"] = {"size": 5, "mount": "/srv/jenkins", "availability_zone": "z"}
    with pytest.raises(InputError, match=r"groups.jenkins.volume.availability_zone: found 'z'; allowed: nova"):
        create_in(cloud, demo_spec(groups=groups))


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


KILLED = [
    (spec, call)
    for spec in (with_volume(), with_volume(security=only_closed("network")))
    for call in range(1, calls_of_an_undisturbed_run(spec) + 1)
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("spec", "call"), KILLED)
def test_killed_at_any_call_the_next_run_finishes(spec: ClusterSpec, call: int, when: Any) -> None:
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
