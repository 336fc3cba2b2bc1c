"""A cloud in memory, for tests of operations: behaves as Nova, Neutron, Cinder and Glance do where operations can tell.

Servers are BUILD when made and become ACTIVE (or ERROR) by the list calls that follow; deleted ones vanish the same
way. No clock and no randomness. State stays when a call is made to fail, so a test can kill a command at any call and
run it again on the same object. Over quota, each service answers as the real one: Nova 403, Neutron 409, Cinder 413.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_network
from types import MappingProxyType

from clusterctl.errors import CloudError
from clusterctl.resources import (
    KEY_CLUSTER,
    KEY_GROUP,
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
    StoredRule,
    Volume,
    VolumeSnapshot,
    owner_mark,
)
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.stored import StoredKey, key_name
from tests.memory.compute import MemoryCompute
from tests.memory.state import MemoryServer


class MemoryCloud(MemoryCompute):
    """Implements ``clusterctl.cloud.base.Cloud``; see ``memory_state.MemoryState`` for what can be set."""

    # --- look-ups -----------------------------------------------------------------------------------------------
    def images(
        self, *, family: str | None = None, name_or_id: str | None = None, owner: str | None = None
    ) -> list[Image]:
        with self.call("GET", "/images"):
            found = [
                image
                for image in self.image_list
                if image.status == "active"
                and (owner or self.project) == self.image_owners.get(image.id, self.project)
                and (family is None or image.properties.get("clusterctl_family") == family)
                and (name_or_id is None or name_or_id in (image.id, image.name))
            ]
            return sorted(found, key=lambda image: image.created, reverse=True)

    def flavors(self) -> list[Flavor]:
        with self.call("GET", "/flavors/detail"):
            return list(self.flavor_list)

    def network(self, name_or_id: str, *, with_free_addresses: bool = False) -> Network | None:
        with self.call("GET", "/networks"):
            if name_or_id not in ("network-1", self.network_name):
                return None
        free = None
        cidrs: tuple[str, ...] = ()
        if with_free_addresses:
            cidrs = (self.cidr,)
            with self.call("GET", "/subnets"):
                pass
            with self.call("GET", "/network-ip-availabilities/{id}"):
                free = ip_network(self.cidr).num_addresses - 2 - 10 - len(self.port_records)
        return Network("network-1", self.network_name, ("subnet-1",), free, self.ipv4, self.port_security, cidrs)

    def has_keypair(self, name: str) -> bool:
        with self.call("GET", "/os-keypairs/{id}"):
            return name in self.keypairs

    def availability_zones(self) -> set[str]:
        with self.call("GET", "/os-availability-zone"):
            return set(self.zones)

    def volume_zones(self) -> set[str]:
        with self.call("GET", "/os-availability-zone"):
            return set(self.block_zones)

    def limits(self) -> Limits:
        for path in ("/limits", "/quotas/{id}/details", "/limits"):
            with self.call("GET", path):
                used = self.used()
        free = {name: None if (total := getattr(self.quota, name)) is None else total - n for name, n in used.items()}
        return Limits(**free, server_group_members=self.quota.server_group_members)

    # --- observation --------------------------------------------------------------------------------------------
    def _all_servers(self) -> list[MemoryServer]:
        self.tick()
        records = list(self.server_records.values())
        for _ in range(max(1, -(-len(records) // self.page_size))):
            with self.call("GET", "/servers/detail"):
                pass
        return records

    def servers(self, cluster: str) -> list[Server]:
        return [
            replace(record.shown, security_groups=self.group_names(record.shown.id))
            for record in self._all_servers()
            if owner_mark(cluster) in record.request.tags and record.shown.metadata.get(KEY_CLUSTER) == cluster
        ]

    def ports(self, cluster: str) -> list[Port]:
        with self.call("GET", "/ports"):
            return [port.shown for port in self.port_records.values() if port.description == owner_mark(cluster)]

    def volumes(self, cluster: str) -> list[Volume]:
        with self.call("GET", "/volumes/detail"):
            return [volume for volume, meta in self.volume_records.values() if meta.get(KEY_CLUSTER) == cluster]

    def observe(self, cluster: str) -> Observed:
        servers, ports, volumes = self.servers(cluster), self.ports(cluster), self.volumes(cluster)
        with self.call("GET", "/os-server-groups"):
            prefix = f"clusterctl.{cluster}."
            server_groups = [group for group in self.server_group_records.values() if group.name.startswith(prefix)]
        with self.call("GET", "/security-groups"):
            of_groups = self.security_group_records.values()
            groups = [group for group, description in of_groups if description == owner_mark(cluster)]
        return Observed(tuple(servers), tuple(ports), tuple(volumes), tuple(server_groups), tuple(groups))

    def locks(self, cluster: str) -> list[Lock]:
        with self.call("GET", "/security-groups"):
            return [lock for owner, lock in self.lock_records.values() if owner == cluster]

    def users_of_group(self, group_id: str) -> list[Port]:
        with self.call("GET", "/ports"):
            return [port.shown for port in self.port_records.values() if group_id in port.shown.security_groups]

    def used_addresses(self, addresses: Collection[str]) -> set[str]:
        with self.call("GET", "/ports"):
            servers = {record.shown.address for record in self.server_records.values()}
            return set(addresses) & (servers | {port.shown.address for port in self.port_records.values()})

    def clusters(self) -> dict[str, list[Server]]:
        found: dict[str, list[Server]] = {}
        for record in self._all_servers():
            if name := record.shown.metadata.get(KEY_CLUSTER):
                found.setdefault(name, []).append(record.shown)
        return dict(sorted(found.items()))

    def console(self, server_id: str, lines: int | None = None) -> str:
        with self.call("POST", "/servers/{id}/action", reads=True):
            text = self.consoles.get(self.server(server_id).shown.name, "")
            return text if lines is None else "".join(text.splitlines(keepends=True)[-lines:])

    def fault(self, server_id: str) -> str | None:
        with self.call("GET", "/servers/{id}"):
            return self.server_records[server_id].failure if server_id in self.server_records else None

    def rebuilt(self, server_id: str) -> datetime | None:
        with self.call("GET", "/servers/{id}/os-instance-actions"):
            return self.rebuilds.get(server_id)

    def cluster_keys(self, cluster: str) -> list[StoredKey]:
        with self.call("GET", "/secrets"):
            return [each for each in self.key_records.values() if each.name == key_name(cluster)]

    # --- writes -------------------------------------------------------------------------------------------------
    def create_security_group(self, name: str, description: str) -> SecurityGroup:
        with self.call("POST", "/security-groups"):
            self.claim(409, security_groups=1, security_group_rules=2)
            group = SecurityGroup(self.new_id("sg"), name, frozenset())
            self.security_group_records[group.id] = (group, description)
            return group

    def create_rules(
        self,
        security_group_id: str,
        rules: Iterable[Rule],
        description: str = "",
        ids: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        with self.call("POST", "/security-group-rules"):
            rules = tuple(rules)
            remote = {ids[rule.group] for rule in rules if rule.group}
            for each in (security_group_id, *sorted(remote)):
                if each not in self.security_group_records:
                    raise CloudError(f"Security group {each} does not exist", status=404)
            group, mark = self.security_group_records[security_group_id]
            added = frozenset(rules) - group.rules
            self.claim(409, security_group_rules=len(added))
            ours = mark == description
            stored = tuple(StoredRule(self.new_id("rule"), rule, str(rule), ours) for rule in sorted(added, key=str))
            changed = replace(group, rules=group.rules | added, stored=group.stored + stored)
            self.security_group_records[group.id] = (changed, mark)

    def set_security_groups(self, port_id: str, group_ids: Sequence[str]) -> None:
        with self.call("PUT", "/ports/{id}"):
            if port_id not in self.port_records or not set(group_ids) <= self.security_group_records.keys():
                raise CloudError(f"Port {port_id} or a security group could not be found.", status=404)
            record = self.port_records[port_id]
            record.shown = replace(record.shown, security_groups=tuple(group_ids))

    def create_server_group(self, name: str, policy: str) -> ServerGroup:
        with self.call("POST", "/os-server-groups"):
            self.claim(403, server_groups=1)
            group = ServerGroup(self.new_id("servergroup"), name, policy)
            self.server_group_records[group.id] = group
            return group

    def create_ports(self, requests: Sequence[PortRequest]) -> list[Port]:
        with self.call("POST", "/ports"):
            self.claim(409, ports=len(requests))
            return [self.new_port(r.name, r.description, r.security_group_ids) for r in requests]

    def volume_snapshots(self, cluster: str) -> list[VolumeSnapshot]:
        with self.call("GET", "/snapshots/detail"):
            found = [each for each in self.volume_snapshot_records.values() if each.metadata[KEY_CLUSTER] == cluster]
            for each in found:  # those that are made now are there at the next look
                self.volume_snapshot_records[each.id] = replace(each, status="available")
            return found

    def create_volume_snapshot(self, volume_id: str, name: str, metadata: Mapping[str, str]) -> VolumeSnapshot:
        with self.call("POST", "/snapshots"):
            size = self.volume_records[volume_id][0].size_gib
            made = VolumeSnapshot(self.new_id("snapshot"), name, "creating", volume_id, size, dict(metadata))
            self.volume_snapshot_records[made.id] = made
            return made

    def delete_volume_snapshot(self, snapshot_id: str) -> None:
        with self.call("DELETE", "/snapshots/{id}"):
            self.volume_snapshot_records.pop(snapshot_id, None)

    def attach_volume(self, server_id: str, volume_id: str) -> None:
        with self.call("POST", "/servers/{id}/os-volume_attachments"):
            volume, metadata = self.volume_records[volume_id]
            if volume.status != "available":
                raise CloudError(f"Invalid volume: status must be available, not {volume.status}", status=400)
            self.volume_records[volume_id] = (replace(volume, status="in-use", attached_to=server_id), metadata)

    def detach_volume(self, server_id: str, volume_id: str) -> None:
        with self.call("DELETE", "/servers/{id}/os-volume_attachments/{id}"):
            volume, metadata = self.volume_records[volume_id]
            if volume.attached_to == server_id:
                self.volume_records[volume_id] = (replace(volume, status="available", attached_to=None), metadata)

    def create_volume(
        self,
        *,
        name: str,
        size_gib: int,
        metadata: Mapping[str, str],
        zone: str | None,
        snapshot_id: str | None = None,
    ) -> Volume:
        with self.call("POST", "/volumes"):
            if snapshot_id is not None and snapshot_id not in self.volume_snapshot_records:
                raise CloudError(f"Snapshot {snapshot_id} could not be found.", status=404)
            if zone and zone not in self.block_zones:
                raise CloudError(f"Availability zone '{zone}' is invalid.", status=400)
            self.claim(413, volumes=1, gigabytes=size_gib)
            volume = Volume(
                self.new_id("volume"), name, "available", size_gib, metadata.get(KEY_GROUP, ""), None, zone or ""
            )
            self.volume_records[volume.id] = (volume, dict(metadata))
            return volume

    def create_servers(self, request: ServerRequest) -> None:
        with self.call("POST", "/servers"):
            flavor = self.flavor_for(request)
            # Nova numbers the servers of a multi-create from 1, and leaves the name of a single one as it is
            many = request.count > 1
            for number in range(1, request.count + 1):
                self.add_server(request, f"{request.name}-{number}" if many else request.name, flavor)

    def create_lock(self, cluster: str, text: str) -> Lock:
        with self.call("POST", "/security-groups"):
            if not any(mark == owner_mark(cluster) for _, mark in self.security_group_records.values()):
                self.claim(409, security_groups=1, security_group_rules=2)  # else it may be tags of the cluster's own
            lock = Lock(self.new_id("lock"), text, self.now())
            self.lock_records[lock.id] = (cluster, lock)
            return lock

    def create_cluster_key(self, cluster: str, key: Secret) -> StoredKey:
        with self.call("POST", "/secrets"):
            made = StoredKey(self.new_id("key"), key_name(cluster), key)
            self.key_records[made.id] = made
            return made

    def delete_cluster_key(self, key_id: str) -> None:
        with self.call("DELETE", "/secrets/{id}"):
            self.key_records.pop(key_id, None)

    def delete_server(self, server_id: str) -> None:
        with self.call("DELETE", "/servers/{id}"):
            if (record := self.server_records.get(server_id)) and record.deleted_for is None:
                record.deleted_for = 0
                record.shown = replace(record.shown, task_state="deleting")

    def delete_port(self, port_id: str) -> None:
        with self.call("DELETE", "/ports/{id}"):
            self.port_records.pop(port_id, None)

    def delete_volume(self, volume_id: str) -> None:
        with self.call("DELETE", "/volumes/{id}"):
            if volume_id in self.volume_records and self.volume_records[volume_id][0].attached_to:
                raise CloudError("Volume status must be available or error, not in-use.", status=400)
            if any(each.volume_id == volume_id for each in self.volume_snapshot_records.values()):
                raise CloudError("Invalid volume: Volume still has 1 dependent snapshots.", status=400)
            self.volume_records.pop(volume_id, None)

    def delete_server_group(self, group_id: str) -> None:
        with self.call("DELETE", "/os-server-groups/{id}"):
            self.server_group_records.pop(group_id, None)

    def delete_security_group(self, group_id: str) -> None:
        with self.call("DELETE", "/security-groups/{id}"):
            if any(group_id in port.shown.security_groups for port in self.port_records.values()):
                raise CloudError(f"Security Group {group_id} in use.", status=409)
            found = self.security_group_records.pop(group_id, None)
            if found:
                self._forget(found[0].name)

    def _forget(self, name: str) -> None:
        """Neutron deletes the rules that let in a deleted group's members."""
        for group, mark in list(self.security_group_records.values()):
            stored = tuple(each for each in group.stored if not (each.rule and each.rule.group == name))
            rules = frozenset(rule for rule in group.rules if rule.group != name)
            self.security_group_records[group.id] = (replace(group, rules=rules, stored=stored), mark)

    def delete_rule(self, rule_id: str) -> None:
        with self.call("DELETE", "/security-group-rules/{id}"):
            for group, mark in list(self.security_group_records.values()):
                stored = tuple(each for each in group.stored if each.id != rule_id)
                rules = frozenset(each.rule for each in stored if each.rule)
                self.security_group_records[group.id] = (replace(group, rules=rules, stored=stored), mark)

    def delete_lock(self, identity: str) -> None:
        with self.call("DELETE", "/security-groups/{id}"):
            self.lock_records.pop(identity, None)

    def start_server(self, server_id: str) -> None:
        with self.call("POST", "/servers/{id}/action"):
            record = self.server(server_id)
            if record.shown.status == "SHUTOFF":
                record.shown = replace(record.shown, status="ACTIVE")

    def stop_server(self, server_id: str) -> None:
        with self.call("POST", "/servers/{id}/action"):
            record = self.server(server_id)
            if record.shown.status != "ACTIVE":
                raise CloudError(f"Cannot 'stop' instance {server_id} while it is {record.shown.status}", status=409)
            record.shown = replace(record.shown, status="SHUTOFF")

    def set_metadata(self, server_id: str, metadata: Mapping[str, str]) -> None:
        with self.call("POST", "/servers/{id}/metadata"):
            record = self.server(server_id)
            record.shown = replace(record.shown, metadata={**record.shown.metadata, **metadata})

    def create_snapshot(self, server_id: str, name: str, properties: Mapping[str, str]) -> str:
        with self.call("POST", "/servers/{id}/action"):
            disk = self.server(server_id).flavor.disk_gib
            image = Image(self.new_id("image"), name, "queued", self.now(), disk, 0, dict(properties))
            self.image_list.append(image)
            self.snapshots[image.id] = self.snapshot_ticks
            return image.id

    def image(self, image_id: str) -> Image | None:
        with self.call("GET", "/images/{id}"):
            found = next((image for image in self.image_list if image.id == image_id), None)
            if found and found.status == "queued":
                self.snapshots[image_id] -= 1
                if self.snapshots[image_id] < 0:
                    self.image_list.remove(found)
                    found = replace(found, status="active")
                    self.image_list.append(found)
            return found

    def delete_image(self, image_id: str) -> None:
        with self.call("DELETE", "/images/{id}"):
            self.image_list = [image for image in self.image_list if image.id != image_id]
