"""A project of one's own in the lab, a fault proxy before it, and the demo's topology in zone ``fake``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clusterctl.cloud.openstack import OpenStackCloud
from lab.faultproxy.__main__ import clouds_through
from lab.faultproxy.proxy import FaultProxy
from tests.faults.content import content_of
from tests.faults.project import MEMBER, project

ROOT = Path(__file__).resolve().parents[2]
VOLUME = {"size": 1, "mount": "/srv/jenkins"}


@dataclass(frozen=True)
class Place:
    """Where clients run.

    Attributes:
        cloud: the project, without the proxy.
        file: the cluster file.
        clouds: the clients' clouds.yaml, through the proxy.
        log: what they print.
    """

    proxy: FaultProxy
    cloud: OpenStackCloud
    cluster: str
    file: Path
    clouds: Path
    log: Path


@contextmanager
def place(directory: Path, cluster: str, *, api_timeout_s: float | None = None, volume: bool = True) -> Iterator[Place]:
    """A project of the cluster's name, which is removed with all that is in it when the place is left.

    Args:
        api_timeout_s: the clients' patience with one request; None: their own.
        volume: whether the group ``jenkins`` has a volume.

    Raises:
        AssertionError: the project isn't empty, so that nothing could be told of orphans.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file, path, log = directory / f"{cluster}.yml", directory / f"{cluster}-clouds.yaml", directory / f"{cluster}.log"
    file.with_suffix(".gone").unlink(missing_ok=True)
    name = f"clusterctl-{cluster}"
    file.write_text(json.dumps(demo(cluster, name, volume=volume)))
    with project(name, cluster) as (cloud, clouds):
        others = content_of(cloud, cluster)
        assert not others, f"project {name} isn't empty: {', '.join(others)}"
        with FaultProxy(auth_url()) as proxy:
            path.write_text(clouds_through(clouds, name, proxy.auth_url, api_timeout_s))
            yield Place(proxy, cloud, cluster, file, path, log)


def auth_url() -> str:
    """Of the lab's Keystone."""
    clouds = json.loads(Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_text())
    return str(clouds["clouds"][MEMBER]["auth"]["auth_url"])


def demo(cluster: str, cloud: str, *, volume: bool) -> Mapping[str, Any]:
    """``examples/demo.yml`` for zone ``fake``, as plain data."""
    spec = yaml.safe_load((ROOT / "examples" / "demo.yml").read_text())
    spec |= {
        "cluster": cluster,
        "cloud": cloud,
        "image": "debian-12-fake",
        "availability_zone": "fake",
        # nobody could bring secrets to servers that don't run
        "security": {"insecure": ["mesos", "zookeeper", "marathon"]},
    }
    if volume:
        spec["groups"]["jenkins"]["volume"] = VOLUME
    return dict(spec)
