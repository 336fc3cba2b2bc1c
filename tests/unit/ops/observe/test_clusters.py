"""The clusters of a project: their servers, zones and locks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from clusterctl.ops.observe.clusters import list_clusters
from clusterctl.resources import Server
from tests.memory.cloud import MemoryCloud
from tests.unit.ops.clouds import create_in, demo_cloud, guard
from tests.unit.specs import demo_spec


@pytest.fixture
def cloud() -> MemoryCloud:
    """With the demo, and another cluster of the same kind."""
    made = demo_cloud()
    create_in(made, demo_spec(cluster="other"))
    create_in(made, demo_spec())
    return made


def change(cloud: MemoryCloud, name: str, how: Callable[[Server], Server]) -> None:
    record = next(each for each in cloud.server_records.values() if each.shown.name == name)
    record.shown = how(record.shown)


def test_every_cluster_with_its_servers(cloud: MemoryCloud) -> None:
    change(cloud, "demo-control-2", lambda server: replace(server, status="ERROR", zone="az2"))
    change(cloud, "demo-control-3", lambda server: replace(server, created="2025-12-31T00:00:00Z"))
    cloud.reset_calls()
    demo, other = list_clusters(cloud)
    assert (demo.name, demo.nodes, dict(demo.states)) == ("demo", 5, {"ACTIVE": 4, "ERROR": 1})
    assert (demo.created, demo.zones, demo.locks) == ("2025-12-31T00:00:00Z", ("az2", "nova"), ())
    assert (other.name, dict(other.states)) == ("other", {"ACTIVE": 5})
    assert cloud.calls.by_kind == {"GET /servers/detail": 1, "GET /security-groups": 2}
    assert cloud.calls.write == 0


def test_who_holds_the_lock(cloud: MemoryCloud) -> None:
    with guard(pid=99).hold("demo", cloud):
        demo, other = list_clusters(cloud)
    assert other.to_json()["locks"] == []
    [lock] = demo.to_json()["locks"]
    assert (lock["owner"], lock["pid"], lock["command"]) == ("ann@ops1", 99, "test")
    assert lock["created"]


def test_a_builder_of_images_is_not_a_cluster(cloud: MemoryCloud) -> None:
    for record in cloud.server_records.values():
        if record.shown.metadata["clusterctl.cluster"] == "other":
            metadata = {**record.shown.metadata, "clusterctl.cluster": "clusterctl-base.build"}
            record.shown = replace(record.shown, metadata=metadata)
    assert [each.name for each in list_clusters(cloud)] == ["demo"]
