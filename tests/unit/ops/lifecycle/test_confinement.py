"""Agents with launcher linux don't come up without cgroup v1: an image that has it not is refused before any write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.unit.ops.clouds import IMAGE, create_in, demo_cloud
from tests.unit.specs import demo

BUILT = {**IMAGE.properties, "clusterctl_version_mesos": "1.11.0", "clusterctl_sha256_mesos": "0" * 64}
LINUX = {"mesos_agent_launcher": "linux"}


def cloud_with(properties: dict[str, str]) -> MemoryCloud:
    cloud = demo_cloud()
    cloud.image_list[:] = [replace(IMAGE, properties=properties)]
    return cloud


def confined(*, cluster: bool = False) -> ClusterSpec:
    data = demo()
    (data if cluster else data["groups"]["builders"])["settings"] = dict(LINUX)
    return ClusterSpec.model_validate(data)


def test_an_image_without_cgroup_v1_is_refused() -> None:
    cloud = cloud_with(BUILT)
    with pytest.raises(ClusterctlError) as caught:
        create_in(cloud, confined())
    assert (
        "group builders: mesos_agent_launcher is linux, which needs cgroup v1, and image base-1" in caught.value.message
    )
    assert "group jenkins" not in caught.value.message
    assert cloud.servers("demo") == []


def test_settings_of_the_cluster_are_those_of_its_agents() -> None:
    with pytest.raises(ClusterctlError) as caught:
        create_in(cloud_with(BUILT), confined(cluster=True))
    assert caught.value.message.count("mesos_agent_launcher is linux") == 2, "not the control nodes"


@pytest.mark.parametrize("properties", [{**BUILT, "clusterctl_cgroups": "v1"}, dict(IMAGE.properties)])
def test_an_image_that_has_it_or_of_which_nothing_is_known_is_taken(properties: dict[str, str]) -> None:
    cloud = cloud_with(properties)
    create_in(cloud, confined())
    assert len(cloud.servers("demo")) == 5


def test_other_launchers_need_nothing() -> None:
    create_in(cloud_with(BUILT), ClusterSpec.model_validate(demo()))
