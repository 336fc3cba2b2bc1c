"""What operations need of a cloud. ``openstack.py`` (with ``nova.py``) is the real one; tests have one in memory.

Reads list, filtered by the cluster's mark and paged: never a call per server. Every method raises
``clusterctl.errors.CloudError`` for a call that failed for good; nothing of an SDK leaves the adapter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from clusterctl.resources import (
    ApiCalls,
    Flavor,
    Image,
    Limits,
    Lock,
    Network,
    Observed,
    Port,
    PortRequest,
    Rule,
    SecurityGroup,
    Server,
    ServerGroup,
    ServerRequest,
    Volume,
    VolumeSnapshot,
)
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.stored import StoredKey


class Cloud(Protocol):
    """A project of an OpenStack cloud."""

    calls: ApiCalls

    # --- look-ups -----------------------------------------------------------------------------------------------
    def images(
        self, *, family: str | None = None, name_or_id: str | None = None, owner: str | None = None
    ) -> list[Image]:
        """Active images, newest first: those of a family (property ``clusterctl_family``), or by exact name or id.

        Args:
            owner: id of the project whose images are taken; None for the own one. By name, public images are, too; by
                id, whosever it is.
        """

    def flavors(self) -> list[Flavor]:
        """All flavors that the project may use."""

    def network(self, name_or_id: str, *, with_free_addresses: bool = False) -> Network | None:
        """The network of that name or id; more than one of that name is a CloudError.

        ``with_free_addresses``: looks at its subnets, too; without, ``ipv4`` is taken for granted and
        ``cidrs`` are empty.
        """

    def has_keypair(self, name: str) -> bool:
        """Whether the user has that keypair."""

    def availability_zones(self) -> set[str]:
        """Names of the available compute zones."""

    def volume_zones(self) -> set[str]:
        """Names of the available zones of block storage, which need not be those of compute."""

    def limits(self) -> Limits:
        """What is left of the project's quotas."""

    # --- observation --------------------------------------------------------------------------------------------
    def servers(self, cluster: str) -> list[Server]:
        """Servers of the cluster: one filtered, paged list call."""

    def ports(self, cluster: str) -> list[Port]:
        """Ports of the cluster's named nodes: one filtered list call."""

    def volumes(self, cluster: str) -> list[Volume]:
        """Volumes of the cluster: one filtered list call."""

    def volume_snapshots(self, cluster: str) -> list[VolumeSnapshot]:
        """Snapshots of the cluster's volumes: one paged list call."""

    def observe(self, cluster: str) -> Observed:
        """All resources of the cluster, one list call a kind."""

    def locks(self, cluster: str) -> list[Lock]:
        """Locks of the cluster: one filtered list call."""

    def users_of_group(self, group_id: str) -> list[Port]:
        """All ports of the project that are in a security group: one filtered list call."""

    def used_addresses(self, addresses: Collection[str]) -> set[str]:
        """Those of the fixed IP addresses that a port has, of all that the project can see: one list call a fifty."""

    def clusters(self) -> dict[str, list[Server]]:
        """The servers of every cluster of the project, by its name: one paged list call."""

    def console(self, server_id: str, lines: int | None = None) -> str:
        """The server's console log."""

    def fault(self, server_id: str) -> str | None:
        """Why the server is in ERROR, where its list doesn't tell: Nova's doesn't of those that found no host."""

    def rebuilt(self, server_id: str) -> datetime | None:
        """When Nova last began to give the server a new disk; None for never, or if it doesn't tell."""

    def cluster_keys(self, cluster: str) -> list[StoredKey]:
        """What the cloud's key manager has by the name of the cluster's key; CloudError in a cloud without."""

    # --- writes -------------------------------------------------------------------------------------------------
    def create_security_group(self, name: str, description: str) -> SecurityGroup:
        """An empty security group."""

    def create_rules(
        self,
        security_group_id: str,
        rules: Iterable[Rule],
        description: str = "",
        ids: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Ingress TCP rules in one bulk call; one that exists already is no error.

        Args:
            ids: of the security groups that the rules name.
        """

    def set_security_groups(self, port_id: str, group_ids: Sequence[str]) -> None:
        """Puts a port into these security groups and no others."""

    def create_server_group(self, name: str, policy: str) -> ServerGroup:
        """A server group; ``policy`` is Nova's (``soft-anti-affinity``, ``anti-affinity``)."""

    def create_ports(self, requests: Sequence[PortRequest]) -> list[Port]:
        """Ports in one bulk call, in the order of the requests."""

    def create_volume(
        self,
        *,
        name: str,
        size_gib: int,
        metadata: Mapping[str, str],
        zone: str | None,
        snapshot_id: str | None = None,
    ) -> Volume:
        """A blank volume, or one with the data of a snapshot."""

    def create_volume_snapshot(self, volume_id: str, name: str, metadata: Mapping[str, str]) -> VolumeSnapshot:
        """Starts a snapshot of a volume, also of one in use; ``name`` is unique in the cluster of ``metadata``."""

    def attach_volume(self, server_id: str, volume_id: str) -> None:
        """Gives a running server a volume as a further disk."""

    def detach_volume(self, server_id: str, volume_id: str) -> None:
        """Starts to take it away; one that is not attached there is not an error."""

    def create_servers(self, request: ServerRequest) -> None:
        """One server, or ``request.count`` by one multi-create (``min_count = max_count``: all or none)."""

    def create_lock(self, cluster: str, text: str) -> Lock:
        """A lock, also where no quota of security groups is left but the cluster has one.

        ``text`` begins with ``resources.lock_mark``, has 255 characters at most, and must be unique, so that a lost
        answer can be made up for.
        """

    def create_cluster_key(self, cluster: str, key: Secret) -> StoredKey:
        """Puts a cluster's key into the key manager."""

    def delete_server(self, server_id: str) -> None:
        """Starts the deletion; a server that is gone already is not an error (the same for all deletes)."""

    def delete_port(self, port_id: str) -> None: ...

    def delete_cluster_key(self, key_id: str) -> None: ...

    def delete_volume(self, volume_id: str) -> None: ...

    def delete_volume_snapshot(self, snapshot_id: str) -> None: ...

    def delete_server_group(self, group_id: str) -> None: ...

    def delete_security_group(self, group_id: str) -> None: ...

    def delete_rule(self, rule_id: str) -> None: ...

    def delete_lock(self, identity: str) -> None: ...

    def start_server(self, server_id: str) -> None:
        """Power-on of a server that is SHUTOFF."""

    def stop_server(self, server_id: str) -> None:
        """Orderly power-off."""

    def set_metadata(self, server_id: str, metadata: Mapping[str, str]) -> None:
        """Adds to a server's metadata; keys that are there get the new values, others stay."""

    def create_snapshot(self, server_id: str, name: str, properties: Mapping[str, str]) -> str:
        """Starts a snapshot of the server into an image; returns the image's id."""

    def image(self, image_id: str) -> Image | None:
        """The image in whatever status, or None."""

    def delete_image(self, image_id: str) -> None: ...
