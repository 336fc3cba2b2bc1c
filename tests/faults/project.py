"""A project of one's own in the lab: everything in it is ours, so nothing is overlooked, and nobody is in the way."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openstack
from openstack.connection import Connection

from clusterctl.cloud.openstack import OpenStackCloud, open_cloud
from tests.contract.cloud.lab import wipe

ADMIN, MEMBER = "lab-admin", "lab-scale"


def admin() -> Connection:
    """The lab's administrator."""
    return openstack.connect(cloud=ADMIN)


@contextmanager
def project(name: str, cluster: str) -> Iterator[tuple[OpenStackCloud, dict[str, Any]]]:
    """The project, empty, with the lab's default quotas; and a clouds.yaml with an entry of its name, as plain data.

    The project is removed at the end with everything that carries the cluster's mark. One that an earlier run left
    behind is emptied first.
    """
    clouds = json.loads(Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_text())
    entry = json.loads(json.dumps(clouds["clouds"][MEMBER]))
    entry["auth"]["project_name"] = name
    mine = {"clouds": {name: entry}}
    keystone = admin().identity
    made = keystone.find_project(name) or keystone.create_project(name=name, domain_id="default")
    user, role = keystone.find_user(entry["auth"]["username"]), keystone.find_role("member")
    keystone.assign_project_role_to_user(made, user, role)
    cloud = _open(mine, name)
    try:
        _empty(cloud, cluster)
        yield cloud, mine
    finally:
        _empty(cloud, cluster)
        network = admin().network
        for group in network.security_groups(project_id=made.id):
            network.delete_security_group(group)
        keystone.delete_project(made)


def _open(clouds: dict[str, Any], name: str) -> OpenStackCloud:
    """Logs in by that clouds.yaml; the environment's stays what it was."""
    before = os.environ["OS_CLIENT_CONFIG_FILE"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(clouds, file)
        file.flush()
        os.environ["OS_CLIENT_CONFIG_FILE"] = file.name
        try:
            return open_cloud(name)
        finally:
            os.environ["OS_CLIENT_CONFIG_FILE"] = before


def _empty(cloud: OpenStackCloud, cluster: str) -> None:
    wipe(cloud, cluster)
    for lock in cloud.locks(cluster):
        cloud.delete_lock(lock.id)
