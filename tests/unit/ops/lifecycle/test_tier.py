"""Nodes of a Jenkins tier: what their image must hold, and what must fit on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clusterctl.ops.lifecycle.tier import tier_fit
from clusterctl.resources import Flavor
from clusterctl.spec.model import ClusterSpec
from tests.unit.jenkins.specs import tier
from tests.unit.ops.clouds import FLAVOR, IMAGE
from tests.unit.specs import demo_spec

BUILT = {"clusterctl_version_mesos": "1.11.0", "clusterctl_sha256_mesos": "0" * 64}


def found(
    spec: ClusterSpec, properties: dict[str, str] | None = None, *, flavor: Flavor = FLAVOR, any_image: bool = False
) -> list[str]:
    images = {"jenkins": replace(IMAGE, properties=properties or {})}
    return list(tier_fit(spec, {"m1.small": flavor}, images, any_image=any_image))


def test_an_image_with_the_plugin_of_the_file() -> None:
    assert found(tier(), {**BUILT, "clusterctl_jenkins_plugin": "0.16"}) == []
    assert found(tier()) == []  # somebody else's image: nothing is known of it
    assert found(demo_spec(), BUILT) == []


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, "group jenkins: image base-1 holds no Jenkins"),
        ({"clusterctl_jenkins_plugin": "1.0.0"}, "jenkins.plugin is 0.x, and the mesos plugin is 1.0.0"),
    ],
)
def test_an_image_without_it(properties: dict[str, str], expected: str) -> None:
    (message,) = found(tier(), BUILT | properties)
    assert expected in message
    assert found(tier(), BUILT | properties, any_image=True) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"master": {"mem_mib": 4096}},
            "groups.jenkins.flavor: m1.small offers 2 cpus and 1856 MiB, and a Jenkins master takes 0.5 and 4096",
        ),
        ({"builds": [{"cpus": 3}]}, "a build with label 'mesos' takes 3 cpus and 844.8 MiB; its agents offer 2 cpus"),
    ],
)
def test_what_fits_on_no_node(settings: dict[str, Any], expected: str) -> None:
    (message,) = found(tier(settings))
    assert expected in message
