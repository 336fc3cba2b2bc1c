"""Pure: what Nova's API returns -> our records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from clusterctl.cloud.marks import services_of
from clusterctl.resources import KEY_GROUP, KEY_NODE, Server, ServerGroup

# Names of instance actions (nova/compute/instance_actions.py); an evacuated server is built anew on another host
NEW_DISK = frozenset({"rebuild", "evacuate"})
GOING = frozenset({"DELETED", "SOFT_DELETED"})


def server_of(raw: Mapping[str, Any]) -> Server:
    """A server of a detailed list at microversion 2.47 or later (flavor embedded)."""
    metadata = dict(raw["metadata"])
    network, address = _fixed_address(raw.get("addresses") or {})
    image = raw.get("image") or {}  # an empty string for servers booted from a volume
    return Server(
        id=raw["id"],
        name=raw["name"],
        status=raw["status"],
        group=metadata.get(KEY_GROUP, ""),
        node=metadata.get(KEY_NODE),
        address=address,
        image_id=image.get("id"),
        flavor=raw["flavor"]["original_name"],
        services=services_of(metadata),
        created=raw["created"],
        task_state=raw.get("OS-EXT-STS:task_state"),
        fault=(raw.get("fault") or {}).get("message"),
        metadata=metadata,
        launched=raw.get("OS-SRV-USG:launched_at") is not None,
        zone=raw.get("OS-EXT-AZ:availability_zone") or "",
        network=network,
        keypair=raw.get("key_name") or "",
        # one name for each port: Nova names a group as often as it has ports there
        security_groups=tuple(dict.fromkeys(each["name"] for each in raw.get("security_groups") or ())),
    )


def _fixed_address(addresses: Mapping[str, Any]) -> tuple[str, str | None]:
    """The first fixed address with its network, IPv4 before IPv6; floating ones are not the node's own."""
    listed = [(name, each) for name, network in addresses.items() for each in network]
    fixed = [(name, each) for name, each in listed if each.get("OS-EXT-IPS:type", "fixed") == "fixed"]
    if not fixed:
        return "", None
    name, first = min(fixed, key=lambda item: int(item[1]["version"]))
    return name, str(first["addr"])


def server_group_of(raw: Mapping[str, Any]) -> ServerGroup:
    """A server group; before microversion 2.64 its policy was a list."""
    policy = raw.get("policy") or next(iter(raw.get("policies") or ()), "")
    return ServerGroup(raw["id"], raw["name"], policy, tuple(raw.get("members") or ()))


def action_time(text: str) -> datetime:
    """The time of an instance action, which Nova writes without a zone and means as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def is_leaving(server: Server) -> bool:
    """Whether the server is being deleted."""
    return server.status in GOING or server.task_state == "deleting"
