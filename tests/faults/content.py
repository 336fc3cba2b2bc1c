"""What a project holds, told without ids, and so comparable between two runs. Nothing is filtered by marks: what
clusterctl would not recognise as its own is seen as well.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from openstack.connection import Connection

from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.resources import KEY_GROUP, KEY_NODE, lock_name

Content = Counter[str]


def content_of(cloud: OpenStackCloud, cluster: str) -> Content:
    """Everything in the cloud's project but its default security group; one line a thing, with its state.

    Servers of a group that have no identity of their own are told alike, and so are their ports.
    """
    clients = cloud._clients
    sdk, project = Connection(config=clients.region), clients.project_id
    network = sdk.network
    found: Content = Counter()
    servers: dict[str, str] = {}
    for server in clients.nova.servers.list():
        node, group = server.metadata.get(KEY_NODE), server.metadata.get(KEY_GROUP, "unknown")
        servers[server.id] = node or f"a server of {group}"
        found[f"server {node}" if node else servers[server.id]] += 1
        if server.status != "ACTIVE":
            found[f"{servers[server.id]}: {server.status}"] += 1
    for port in network.ports(project_id=project):
        at = servers.get(port.device_id, f"no server ({port.device_id})") if port.device_id else "nothing"
        found[f"port {port.name or '(made by Nova)'} at {at}"] += 1
    if clients.block_storage is not None:
        for volume in sdk.block_storage.volumes():
            at = ", ".join(servers.get(each["server_id"], "no server") for each in volume.attachments)
            found[f"volume {volume.name}, {volume.status}, at {at or 'nothing'}"] += 1
    for group in clients.nova.server_groups.list():
        members = Counter(servers.get(member, "no server") for member in group.members)
        found[f"server group {group.name} of {dict(sorted(members.items()))}"] += 1
    for group in network.security_groups(project_id=project):
        if group.name == lock_name(cluster):
            found["a lock"] += 1
        elif group.name != "default":
            found[f"security group {group.name} with {len(group.security_group_rules)} rules"] += 1
    return found


@dataclass(frozen=True)
class Difference:
    """What a project has other than it should: all empty where a run converged."""

    missing: tuple[str, ...]
    orphans: tuple[str, ...]  # what should not be there at all
    duplicates: tuple[str, ...]  # what is there more often than it should

    def __bool__(self) -> bool:
        return bool(self.missing or self.orphans or self.duplicates)


def difference(found: Content, wanted: Content) -> Difference:
    """From the content of an undisturbed run."""
    surplus = found - wanted
    return Difference(
        missing=tuple(sorted((wanted - found).elements())),
        orphans=tuple(sorted(thing for thing in surplus.elements() if thing not in wanted)),
        duplicates=tuple(sorted(thing for thing in surplus.elements() if thing in wanted)),
    )
