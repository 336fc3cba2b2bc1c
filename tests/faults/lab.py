"""A project of the lab for oneself, a fault proxy before it, and the demo's topology in zone ``fake``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clusterctl.cloud.openstack import OpenStackCloud, open_cloud
from lab.faultproxy.__main__ import clouds_through
from lab.faultproxy.proxy import FaultProxy
from tests.contract.cloud.lab import wipe
from tests.faults.content import content_of

CLOUD = "lab-scale"
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
    """Removes what the cluster left when it ends, whatever happened.

    Args:
        api_timeout_s: the clients' patience with one request; None: their own.
        volume: whether the group ``jenkins`` has volumes.

    Raises:
        AssertionError: the project isn't empty, so that nothing could be told of orphans.
    """
    directory.mkdir(parents=True, exist_ok=True)
    clouds = json.loads(Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_text())
    cloud = open_cloud(CLOUD)
    others = content_of(cloud, cluster)
    assert not others, f"project {CLOUD} isn't empty: {', '.join(others)}"
    file, path, log = directory / f"{cluster}.yml", directory / "clouds.yaml", directory / "clients.log"
    file.write_text(json.dumps(demo(cluster, volume=volume)))
    file.with_suffix(".gone").unlink(missing_ok=True)
    with FaultProxy(clouds["clouds"][CLOUD]["auth"]["auth_url"]) as proxy:
        path.write_text(clouds_through(clouds, CLOUD, proxy.auth_url, api_timeout_s))
        try:
            yield Place(proxy, cloud, cluster, file, path, log)
        finally:
            wipe(cloud, cluster)
            for lock in cloud.locks(cluster):
                cloud.delete_lock(lock.id)


def demo(cluster: str, *, volume: bool) -> Mapping[str, Any]:
    """``examples/demo.yml`` for zone ``fake``, as plain data."""
    spec = yaml.safe_load((ROOT / "examples" / "demo.yml").read_text())
    spec |= {
        "cluster": cluster,
        "cloud": CLOUD,
        "network": "scale",
        "image": "debian-12-fake",
        "availability_zone": "fake",
    }
    if volume:
        spec["groups"]["jenkins"]["volume"] = VOLUME
    return dict(spec)
