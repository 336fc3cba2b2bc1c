"""Cluster files for tests."""

from __future__ import annotations

from typing import Any

from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part

DEMO = """\
cluster: demo
cloud: lab
network: lab
keypair: ops
groups:
  control:
    count: 3
    flavor: m1.small
    services: [zookeeper, mesos_master, marathon]
  jenkins:
    count: 1
    flavor: m1.small
    services: [mesos_agent]
    attributes: {pool: jenkins-master}
    reserve_for: marathon
  builders:
    count: 1
    flavor: m1.small
    services: [mesos_agent]
    attributes: {pool: jenkins-builder}
access: {ssh_from: [198.51.100.0/24]}
"""
# All of it open
OPEN_DEMO = f"{DEMO}security: {{insecure: all}}\n"


def demo(**changes: Any) -> dict[str, Any]:
    """The demo as plain data, top-level keys replaced by ``changes``."""
    control = {"count": 3, "flavor": "m1.small", "services": ["zookeeper", "mesos_master", "marathon"]}
    jenkins = {
        "count": 1,
        "flavor": "m1.small",
        "services": ["mesos_agent"],
        "attributes": {"pool": "jenkins-master"},
        "reserve_for": "marathon",
    }
    builders = {
        "count": 1,
        "flavor": "m1.small",
        "services": ["mesos_agent"],
        "attributes": {"pool": "jenkins-builder"},
    }
    groups = {"control": control, "jenkins": jenkins, "builders": builders}
    names = {"cluster": "demo", "cloud": "lab", "network": "lab", "keypair": "ops", "security": {"insecure": "all"}}
    return {**names, "access": {"ssh_from": ["198.51.100.0/24"]}, "groups": groups, **changes}


def only_closed(*parts: str) -> dict[str, list[str]]:
    """Section ``security`` of a cluster in which nothing but these parts is closed."""
    return {"insecure": [part.value for part in Part if part not in parts]}


def demo_spec(**changes: Any) -> ClusterSpec:
    """The demo as a model, top-level keys replaced by ``changes``."""
    return ClusterSpec.model_validate(demo(**changes))
