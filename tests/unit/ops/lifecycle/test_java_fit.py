"""A closed ZooKeeper doesn't come up on Java 8: an image that may have it is refused before any write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.unit.ops.clouds import IMAGE, create_in, demo_cloud
from tests.unit.specs import demo, only_closed

OPEN = {"clusterctl_zookeeper_open": "true"}


def cloud_with(properties: dict[str, str]) -> MemoryCloud:
    cloud = demo_cloud()
    cloud.image_list[:] = [replace(IMAGE, properties={**IMAGE.properties, **properties})]
    return cloud


def spec_with(security: dict[str, list[str]]) -> ClusterSpec:
    return ClusterSpec.model_validate({**demo(), "security": security})


def test_an_image_for_open_zookeepers_is_refused_where_it_is_closed() -> None:
    cloud = cloud_with(OPEN)
    with pytest.raises(ClusterctlError) as caught:
        create_in(cloud, spec_with(only_closed("zookeeper")))
    assert "group control: ZooKeeper is closed (security), which needs Java 9 or newer" in caught.value.message
    assert "zookeeper_open" in caught.value.message
    assert caught.value.message.count("ZooKeeper is closed") == 1, "only where it runs"
    assert cloud.servers("demo") == []


def test_it_is_taken_where_zookeeper_is_open() -> None:
    cloud = cloud_with(OPEN)
    create_in(cloud, spec_with({"insecure": ["all"]}))
    assert len(cloud.servers("demo")) == 5
