from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import requests

from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.errors import CloudError
from clusterctl.resources import (
    KEY_BATCH,
    KEY_CLUSTER,
    KEY_GROUP,
    KEY_NODE,
    KEY_SERVICES,
    Server,
    ServerGroup,
    ServerRequest,
    owner_mark,
)
from tests.unit.cloud.fake_api import FakeApi, Fault, server

MARK = owner_mark("ci")
TIMEOUT = requests.ReadTimeout("timed out")

AGENTS = ServerRequest(
    name="ci-builders-x1",
    image_id="i1",
    flavor_id="f1",
    user_data=b"\x1f\x8b binary is fine",
    metadata={KEY_CLUSTER: "ci", KEY_GROUP: "builders", KEY_BATCH: "x1"},
    tags=(MARK,),
    keypair="ops",
    zone="nova",
    server_group_id="g1",
    network_id="n1",
    security_groups=("sg1",),
    count=3,
)
NAMED = ServerRequest(
    name="ci-control-1",
    image_id="i1",
    flavor_id="f1",
    user_data=b"#cloud-config\n",
    metadata={KEY_CLUSTER: "ci", KEY_GROUP: "control", KEY_NODE: "ci-control-1"},
    tags=(MARK,),
    keypair="ops",
    zone=None,
    server_group_id=None,
    port_id="p1",
    volume_id="v1",
)


def ours(name: str, **metadata: str) -> dict[str, object]:
    return server(name, tags=[MARK], metadata={KEY_CLUSTER: "ci", **metadata})


# --- reading ----------------------------------------------------------------------------------------------------------
def test_a_server(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.servers = [
        {
            **ours("ci-control-1"),
            "id": "s1",
            "status": "ERROR",
            "addresses": {
                "lab": [
                    {"addr": "fd00::1", "version": 6, "OS-EXT-IPS:type": "fixed"},
                    {"addr": "203.0.113.9", "version": 4, "OS-EXT-IPS:type": "floating"},
                    {"addr": "10.0.0.5", "version": 4, "OS-EXT-IPS:type": "fixed"},
                ]
            },
            "metadata": {
                KEY_CLUSTER: "ci",
                KEY_GROUP: "control",
                KEY_NODE: "ci-control-1",
                KEY_SERVICES: "zookeeper,mesos_master",
            },
            "fault": {"message": "No valid host was found.", "code": 500},
            "OS-EXT-STS:task_state": "spawning",
            "OS-SRV-USG:launched_at": None,
        }
    ]
    assert cloud.servers("ci") == [
        Server(
            id="s1",
            name="ci-control-1",
            status="ERROR",
            group="control",
            node="ci-control-1",
            address="10.0.0.5",
            image_id="i1",
            flavor="m1.small",
            services=("zookeeper", "mesos_master"),
            created="2026-01-01T00:00:00Z",
            task_state="spawning",
            fault="No valid host was found.",
            metadata=api.servers[0]["metadata"],
            launched=False,
            network="lab",
        )
    ]


def test_a_server_without_address_image_or_host(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.servers = [{**ours("ci-a"), "addresses": {}, "image": "", "hostId": ""}]
    [found] = cloud.servers("ci")
    assert (found.address, found.image_id, found.node, found.group) == (None, None, None, "")


@pytest.mark.parametrize(
    "foreign",
    [
        server("someone-elses"),
        server("tag-only", tags=[MARK]),
        server("metadata-only", metadata={KEY_CLUSTER: "ci"}),
        server("another-cluster", tags=[owner_mark("ci2")], metadata={KEY_CLUSTER: "ci2"}),
    ],
    ids=lambda raw: str(raw["name"]),
)
def test_what_lacks_our_marks_is_not_ours_even_if_the_filter_is_ignored(
    cloud: OpenStackCloud, api: FakeApi, foreign: dict[str, object]
) -> None:
    api.servers = [foreign, ours("ci-a")]
    assert [found.name for found in cloud.servers("ci")] == ["ci-a"]
    assert "tags=clusterctl.cluster%3Dci" in api.log[-1][1]


@pytest.mark.parametrize(("total", "max_limit", "lists"), [(0, 1000, 1), (7, 1000, 1), (2500, 1000, 3), (25, 10, 3)])
def test_pages(cloud: OpenStackCloud, api: FakeApi, total: int, max_limit: int, lists: int) -> None:
    api.max_limit = max_limit
    api.servers = [ours(f"ci-{number}") for number in range(total)]
    assert len({found.id for found in cloud.servers("ci")}) == total
    assert cloud.calls.by_kind["GET /servers/detail"] == lists


def test_a_list_that_breaks_off_is_an_error_and_not_a_part(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.max_limit = 10
    api.servers = [ours(f"ci-{number}") for number in range(25)]
    api.faults.append(Fault("/servers/detail", status=403, skip=1))
    with pytest.raises(CloudError, match="cannot list servers"):
        cloud.servers("ci")


def test_clusters(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.servers = [
        ours("a"),
        ours("b"),
        server("c", tags=[owner_mark("x")], metadata={KEY_CLUSTER: "x"}),
        server("no-tag", metadata={KEY_CLUSTER: "fraud"}),
        server("none"),
    ]
    found = cloud.clusters()
    assert {name: [server.name for server in servers] for name, servers in found.items()} == {
        "ci": ["a", "b"],
        "x": ["c"],
    }
    assert cloud.calls.by_kind["GET /servers/detail"] == 1


def test_server_groups_are_found_by_exact_cluster(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.server_groups = [
        {"id": "g1", "name": "clusterctl.ci.zk", "policy": "anti-affinity", "members": ["s1"]},
        {"id": "g2", "name": "clusterctl.ci2.zk", "policy": "anti-affinity", "members": []},
        {"id": "g3", "name": "zk", "policies": ["affinity"], "members": []},
        {"id": "g4", "name": "clusterctl.ci.old", "policies": ["soft-anti-affinity"], "members": []},
    ]
    assert cloud.server_groups("ci") == [
        ServerGroup("g1", "clusterctl.ci.zk", "anti-affinity", ("s1",)),
        ServerGroup("g4", "clusterctl.ci.old", "soft-anti-affinity"),
    ]


def test_look_ups(cloud: OpenStackCloud) -> None:
    assert cloud.has_keypair("ops")
    assert not cloud.has_keypair("none")
    assert cloud.availability_zones() == {"nova"}
    assert cloud.flavors()[0].ram_mib == 2048


def test_console(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.servers = [ours("ci-a")]
    assert cloud.console(api.servers[0]["id"], 10) == "login:"
    assert api.log[-1][2] == {"os-getConsoleOutput": {"length": 10}}
    assert cloud.calls.write == 0
    with pytest.raises(CloudError) as caught:
        cloud.console("none")
    assert caught.value.status == 404


def test_when_a_server_was_rebuilt(cloud: OpenStackCloud, api: FakeApi) -> None:
    def action(name: str, start: str) -> dict[str, object]:
        return {"action": name, "start_time": start, "request_id": "req-1", "message": None}

    assert cloud.rebuilt("built-anew") is None
    api.actions = [action("reboot", "2026-03-01T00:00:00.000000"), action("create", "2026-01-01T00:00:00.000000")]
    assert cloud.rebuilt("built-anew") is None
    api.actions += [action("rebuild", "2026-02-01T10:20:30.000000"), action("evacuate", "2026-01-15T00:00:00.000000")]
    assert cloud.rebuilt("built-anew") == datetime(2026, 2, 1, 10, 20, 30, tzinfo=UTC)
    assert cloud.rebuilt("gone") is None


def test_a_cloud_that_does_not_tell_of_actions(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.faults.append(Fault("GET .*/os-instance-actions", status=403))
    assert cloud.rebuilt("built-anew") is None


def test_the_fault_of_a_server_whose_list_does_not_tell_it(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.servers = [{**ours("ci-a"), "status": "ERROR", "fault": {"message": "No valid host was found.", "code": 500}}]
    assert cloud.fault(str(api.servers[0]["id"])) == "No valid host was found."
    assert cloud.fault("none") is None


# --- writing ----------------------------------------------------------------------------------------------------------
def test_body_of_a_batch(cloud: OpenStackCloud, api: FakeApi) -> None:
    cloud.create_servers(AGENTS)
    assert api.sent("POST", "/servers") == [
        {
            "server": {
                "name": "ci-builders-x1",
                "imageRef": "i1",
                "flavorRef": "f1",
                "user_data": base64.b64encode(AGENTS.user_data).decode(),
                "metadata": dict(AGENTS.metadata),
                "tags": [MARK],
                "key_name": "ops",
                "availability_zone": "nova",
                "config_drive": True,
                "networks": [{"uuid": "n1"}],
                "security_groups": [{"name": "sg1"}],
                "min_count": 3,
                "max_count": 3,
            },
            "os:scheduler_hints": {"group": "g1"},
        }
    ]
    assert [found.name for found in cloud.servers("ci")] == [f"ci-builders-x1-{n}" for n in (1, 2, 3)]


def test_body_of_a_named_node(cloud: OpenStackCloud, api: FakeApi) -> None:
    cloud.create_servers(NAMED)
    [body] = api.sent("POST", "/servers")
    assert body == {
        "server": {
            "name": "ci-control-1",
            "imageRef": "i1",
            "flavorRef": "f1",
            "user_data": base64.b64encode(NAMED.user_data).decode(),
            "metadata": dict(NAMED.metadata),
            "tags": [MARK],
            "key_name": "ops",
            "config_drive": True,
            "networks": [{"port": "p1"}],
            "block_device_mapping_v2": [
                {
                    "uuid": "i1",
                    "source_type": "image",
                    "destination_type": "local",
                    "boot_index": 0,
                    "delete_on_termination": True,
                },
                {
                    "uuid": "v1",
                    "source_type": "volume",
                    "destination_type": "volume",
                    "boot_index": -1,
                    "delete_on_termination": False,
                },
            ],
            "min_count": 1,
            "max_count": 1,
        }
    }


def test_a_batch_of_which_part_was_made_is_completed_one_by_one(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.servers = [
        server("ci-builders-x1-2", tags=[MARK], metadata=dict(AGENTS.metadata)),
        server("ci-builders-x0-1", tags=[MARK], metadata={**AGENTS.metadata, KEY_BATCH: "x0"}),
    ]
    api.faults.append(Fault("POST .*/servers$", error=TIMEOUT))
    cloud.create_servers(AGENTS)
    names = sorted(found.name for found in cloud.servers("ci") if found.metadata[KEY_BATCH] == "x1")
    assert names == ["ci-builders-x1-1", "ci-builders-x1-2", "ci-builders-x1-3"]
    assert [body["server"]["max_count"] for body in api.sent("POST", "/servers") if body] == [3, 1, 1]


def test_a_predecessor_that_is_being_deleted_is_not_taken_for_the_new_server(
    cloud: OpenStackCloud, api: FakeApi
) -> None:
    old = server("ci-control-1", tags=[MARK], metadata=dict(NAMED.metadata))
    api.servers = [{**old, "OS-EXT-STS:task_state": "deleting"}]
    api.faults.append(Fault("POST .*/servers$", status=503))
    cloud.create_servers(NAMED)
    assert len(api.servers) == 2


def test_over_quota_is_refused_at_once(cloud: OpenStackCloud, api: FakeApi, pauses: list[float]) -> None:
    api.faults.append(Fault("POST .*/servers$", status=403))
    with pytest.raises(CloudError, match="3 servers ci-builders-x1-1 to -3") as caught:
        cloud.create_servers(AGENTS)
    assert caught.value.status == 403
    assert pauses == []


@pytest.mark.parametrize(
    ("newest", "body"),
    [
        ("2.63", {"name": "clusterctl.ci.zk", "policies": ["anti-affinity"]}),
        ("2.64", {"name": "clusterctl.ci.zk", "policy": "anti-affinity"}),
    ],
)
def test_server_group(cloud: OpenStackCloud, api: FakeApi, newest: str, body: dict[str, object]) -> None:
    api.microversion = newest
    assert cloud.create_server_group("clusterctl.ci.zk", "anti-affinity").policy == "anti-affinity"
    assert api.sent("POST", "/os-server-groups") == [{"server_group": body}]


def test_deleting_what_is_gone_is_no_error(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.servers = [ours("ci-a")]
    gone = api.servers[0]["id"]
    for _ in range(2):
        cloud.delete_server(gone)
        cloud.delete_server_group("none")
    assert api.servers == []


def test_stop_and_start_are_idempotent(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.servers = [ours("ci-a")]
    api.faults.append(Fault("POST .*/action", error=TIMEOUT, after=True))
    cloud.stop_server(api.servers[0]["id"])
    assert api.servers[0]["status"] == "SHUTOFF"
    api.faults.append(Fault("POST .*/action", error=TIMEOUT, after=True))
    cloud.start_server(api.servers[0]["id"])
    assert api.servers[0]["status"] == "ACTIVE"
    with pytest.raises(CloudError) as caught:
        cloud.stop_server("none")
    assert caught.value.status == 404


def test_metadata_is_added_to(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.servers = [ours("ci-a")]
    before = dict(api.servers[0]["metadata"])
    api.faults.append(Fault("POST .*/metadata", error=TIMEOUT))
    cloud.set_metadata(api.servers[0]["id"], {"clusterctl.artifact.mesos": "2 b"})
    assert cloud.servers("ci")[0].metadata == before | {"clusterctl.artifact.mesos": "2 b"}
    with pytest.raises(CloudError) as caught:
        cloud.set_metadata("none", {"a": "b"})
    assert caught.value.status == 404


def test_single_server_keeps_its_name(cloud: OpenStackCloud, api: FakeApi) -> None:
    cloud.create_servers(replace(AGENTS, count=1, name="ci-builders-x2-1"))
    assert [found["name"] for found in api.servers] == ["ci-builders-x2-1"]
