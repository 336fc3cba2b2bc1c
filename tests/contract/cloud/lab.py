"""Requests that the lab's zone ``fake`` serves, waiting, and removal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.errors import CloudError
from clusterctl.resources import (
    KEY_BATCH,
    KEY_CLUSTER,
    KEY_GROUP,
    KEY_NODE,
    KEY_SERVICES,
    Server,
    ServerRequest,
    owner_mark,
)

NETWORK = "lab"
ZONE = "fake"
IMAGE = "debian-12-fake"
FLAVOR = "ct.small"
TIMEOUT_S = 300

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], timeout_s: float = TIMEOUT_S) -> T:
    """Polls until ``look`` gives something true; AssertionError after the time-out."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(1)
    raise AssertionError(f"{what}: not within {timeout_s} s")


class Requests:
    """Makes requests for the lab's image, flavor and network, which are looked up once."""

    def __init__(self, cloud: OpenStackCloud, cluster: str) -> None:
        network = cloud.network(NETWORK)
        assert network is not None, f"the lab has no network {NETWORK}"
        self.cluster, self.network_id = cluster, network.id
        self._image_id = cloud.images(name_or_id=IMAGE)[0].id
        self._flavor_id = next(flavor.id for flavor in cloud.flavors() if flavor.name == FLAVOR)

    def agents(self, batch: str, count: int, *, server_group_id: str | None = None) -> ServerRequest:
        """A batch of agents; Nova makes their ports."""
        return ServerRequest(
            name=f"{self.cluster}-agents-{batch}" + ("-1" if count == 1 else ""),
            image_id=self._image_id,
            flavor_id=self._flavor_id,
            user_data=b"#cloud-config\n",
            metadata={
                KEY_CLUSTER: self.cluster,
                KEY_GROUP: "agents",
                KEY_BATCH: batch,
                KEY_SERVICES: "mesos_agent",
            },
            tags=(owner_mark(self.cluster),),
            keypair="ops",
            zone=ZONE,
            server_group_id=server_group_id,
            network_id=self.network_id,
            count=count,
        )

    def named(self, name: str, port_id: str, user_data: bytes) -> ServerRequest:
        """A control node with its port."""
        return ServerRequest(
            name=name,
            image_id=self._image_id,
            flavor_id=self._flavor_id,
            user_data=user_data,
            metadata={
                KEY_CLUSTER: self.cluster,
                KEY_GROUP: "control",
                KEY_NODE: name,
                KEY_SERVICES: "zookeeper,mesos_master",
            },
            tags=(owner_mark(self.cluster),),
            keypair="ops",
            zone=ZONE,
            server_group_id=None,
            port_id=port_id,
        )


def built(cloud: OpenStackCloud, cluster: str, count: int) -> list[Server]:
    """The cluster's servers once so many have left BUILD."""

    def look() -> list[Server] | None:
        servers = cloud.servers(cluster)
        done = len(servers) == count and all(server.status != "BUILD" for server in servers)
        return servers if done else None

    return wait_for(f"{count} servers of {cluster} built", look)


def wipe(cloud: OpenStackCloud, cluster: str) -> None:
    """Removes everything that carries the cluster's mark; AssertionError if something stays."""
    for server in cloud.servers(cluster):
        cloud.delete_server(server.id)
    wait_for("servers gone", lambda: not cloud.servers(cluster))

    def rest_gone() -> bool:
        left = cloud.observe(cluster)
        for delete, items in (
            (cloud.delete_port, left.ports),
            (cloud.delete_volume, left.volumes),
            (cloud.delete_server_group, left.server_groups),
            (cloud.delete_security_group, left.security_groups),
        ):
            for item in items:
                try:
                    delete(item.id)
                except CloudError as error:  # a port or an attachment is still on its way out: looked at again
                    if error.status not in (400, 409):
                        raise
        return not any(cloud.observe(cluster).counts.values())

    wait_for(f"all of {cluster} gone", rest_gone)
