"""Compute, through python-novaclient: servers, server groups, keypairs, flavors, zones, limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from clusterctl.cloud.nova_json import NEW_DISK, action_time, is_leaving, server_group_of, server_of
from clusterctl.cloud.sdk_errors import calling
from clusterctl.cloud.service import OpenStackService, absence_allowed, pages
from clusterctl.errors import CloudError
from clusterctl.resources import (
    KEY_CLUSTER,
    Flavor,
    Server,
    ServerGroup,
    ServerRequest,
    owner_mark,
    server_group_name,
)


class Compute(OpenStackService):
    """The methods of ``base.Cloud`` that Nova serves."""

    # Nova's own default of [api]max_limit; a cloud with a smaller one gives smaller pages and a link to the next
    page_size = 1000

    # --- look-ups -----------------------------------------------------------------------------------------------
    def flavors(self) -> list[Flavor]:
        """See ``base.Cloud``."""

        def get(query: Mapping[str, Any]) -> Mapping[str, Any]:
            return dict(self._clients.compute.get("/flavors/detail", params=query).json())

        found = pages("list flavors", get, "flavors", {})
        return [Flavor(f["id"], f["name"], int(f["vcpus"]), int(f["ram"]), int(f["disk"])) for f in found]

    def has_keypair(self, name: str) -> bool:
        """See ``base.Cloud``."""
        with absence_allowed(), calling(f"look for keypair {name}"):
            self._clients.nova.keypairs.get(name)
            return True
        return False

    def availability_zones(self) -> set[str]:
        """See ``base.Cloud``."""
        with calling("list availability zones"):
            zones = self._clients.nova.availability_zones.list(detailed=False)
        return {zone.zoneName for zone in zones if zone.zoneState["available"]}

    def compute_limits(self) -> Mapping[str, int]:
        """Nova's absolute limits (``maxTotalInstances``, ``totalInstancesUsed``, ...; -1 is unlimited)."""
        with calling("read the compute quota"):
            return {limit.name: limit.value for limit in self._clients.nova.limits.get().absolute}

    # --- observation --------------------------------------------------------------------------------------------
    def servers(self, cluster: str) -> list[Server]:
        """See ``base.Cloud``. Nova ignores a filter it doesn't know without a word: the mark is checked here too."""
        mark = owner_mark(cluster)
        return [
            server_of(raw)
            for raw in self._all_servers({"tags": mark})
            if mark in raw.get("tags", ()) and raw["metadata"].get(KEY_CLUSTER) == cluster
        ]

    def clusters(self) -> dict[str, list[Server]]:
        """See ``base.Cloud``."""
        found: dict[str, list[Server]] = {}
        for raw in self._all_servers({}):
            name = raw["metadata"].get(KEY_CLUSTER)
            if name and owner_mark(name) in raw.get("tags", ()):
                found.setdefault(name, []).append(server_of(raw))
        return dict(sorted(found.items()))

    def _all_servers(self, filters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """In detail, page by page. novaclient's own ``list`` hides the link to the next page: a call more a list."""

        def get(query: Mapping[str, Any]) -> Mapping[str, Any]:
            return dict(self._clients.compute.get("/servers/detail", params=query).json())

        return pages("list servers", get, "servers", {**filters, "limit": self.page_size})

    def server_groups(self, cluster: str) -> list[ServerGroup]:
        """Server groups of the cluster, by their name: Nova takes no other mark and has no filter."""
        with calling("list server groups"):
            found = self._clients.nova.server_groups.list()
        groups = [server_group_of(group.to_dict()) for group in found]
        return [group for group in groups if group.name.startswith(server_group_name(cluster, ""))]

    def console(self, server_id: str, lines: int | None = None) -> str:
        """See ``base.Cloud``."""
        with calling(f"read the console of server {server_id}"):
            return str(self._clients.nova.servers.get_console_output(server_id, length=lines) or "")

    def fault(self, server_id: str) -> str | None:
        """See ``base.Cloud``."""
        with absence_allowed(), calling(f"read the fault of server {server_id}"):
            return server_of(self._clients.nova.servers.get(server_id).to_dict()).fault
        return None

    def rebuilt(self, server_id: str) -> datetime | None:
        """See ``base.Cloud``. Nova's policy lets owners list the actions of their servers; a cloud's may differ."""
        try:
            with calling(f"list the actions of server {server_id}"):
                actions = self._clients.nova.instance_action.list(server_id)
        except CloudError as error:
            if error.status in (403, 404):
                return None
            raise
        times = [action_time(action.start_time) for action in actions if action.action in NEW_DISK]
        return max(times, default=None)

    # --- writes -------------------------------------------------------------------------------------------------
    def create_server_group(self, name: str, policy: str) -> ServerGroup:
        """See ``base.Cloud``."""

        def create(_missing: Sequence[str]) -> dict[str, ServerGroup]:
            with calling(f"create server group {name}"):
                nova = self._clients.nova
                # microversion 2.64 made a word of the list of one
                as_word = (nova.api_version.ver_major, nova.api_version.ver_minor) >= (2, 64)
                made = nova.server_groups.create(name, policy if as_word else [policy])
            return {name: server_group_of(made.to_dict())}

        def find() -> dict[str, ServerGroup]:
            with calling(f"look for server group {name}"):
                found = self._clients.nova.server_groups.list()
            return {group.name: server_group_of(group.to_dict()) for group in found if group.name == name}

        return self._recovery.create([name], create, find)[name]

    def create_servers(self, request: ServerRequest) -> None:
        """See ``base.Cloud``. Of a batch that was made in part, the missing servers are made one by one."""
        names = server_names(request)

        def create(missing: Sequence[str]) -> dict[str, None]:
            whole = len(missing) == request.count
            for name, count in [(request.name, request.count)] if whole else [(name, 1) for name in missing]:
                what = f"{count} servers {name}-1 to -{count}" if count > 1 else f"server {name}"
                with calling(f"create {what}"):
                    self._clients.nova.servers.create(name, **_create_arguments(request, count))
            return dict.fromkeys(missing)

        def find() -> dict[str, None]:
            wanted = request.metadata.items()
            found = self.servers(request.metadata[KEY_CLUSTER])
            return {s.name: None for s in found if wanted <= s.metadata.items() and not is_leaving(s)}

        self._recovery.create(names, create, find)

    def delete_server(self, server_id: str) -> None:
        """See ``base.Cloud``."""
        with absence_allowed(), calling(f"delete server {server_id}"):
            self._clients.nova.servers.delete(server_id)

    def delete_server_group(self, group_id: str) -> None:
        """See ``base.Cloud``."""
        with absence_allowed(), calling(f"delete server group {group_id}"):
            self._clients.nova.server_groups.delete(group_id)

    def stop_server(self, server_id: str) -> None:
        """See ``base.Cloud``. A stopped or stopping server is not an error, so an uncertain answer is tried again."""
        self._power("stop", server_id, ("vm_state stopped", "powering-off"))

    def start_server(self, server_id: str) -> None:
        """See ``base.Cloud``. One that runs or starts is not an error, so an uncertain answer is tried again."""
        self._power("start", server_id, ("vm_state active", "powering-on"))

    def attach_volume(self, server_id: str, volume_id: str) -> None:
        """See ``base.Cloud``. After an uncertain answer the second try is refused with what was done by the first."""

        def act() -> None:
            try:
                with calling(f"attach volume {volume_id} to server {server_id}"):
                    self._clients.nova.volumes.create_server_volume(server_id, volume_id)
            except CloudError as error:
                if not (error.status in (400, 409) and self._has_volume(server_id, volume_id)):
                    raise

        self._recovery.repeat(act)

    def _has_volume(self, server_id: str, volume_id: str) -> bool:
        with calling(f"list the volumes of server {server_id}"):
            attached = self._clients.nova.volumes.get_server_volumes(server_id)
        return any(each.volumeId == volume_id for each in attached)

    def detach_volume(self, server_id: str, volume_id: str) -> None:
        """See ``base.Cloud``."""
        with absence_allowed(), calling(f"detach volume {volume_id} from server {server_id}"):
            self._clients.nova.volumes.delete_server_volume(server_id, volume_id)

    def set_metadata(self, server_id: str, metadata: Mapping[str, str]) -> None:
        """See ``base.Cloud``. Twice is as good as once, so an uncertain answer is tried again."""

        def act() -> None:
            with calling(f"write metadata of server {server_id}"):
                self._clients.nova.servers.set_meta(server_id, dict(metadata))

        self._recovery.repeat(act)

    def _power(self, action: str, server_id: str, done: Sequence[str]) -> None:
        """``done``: what Nova's refusal (409) says of a server to which it was done already."""

        def act() -> None:
            try:
                with calling(f"{action} server {server_id}"):
                    getattr(self._clients.nova.servers, action)(server_id)
            except CloudError as error:
                if not (error.status == 409 and any(state in error.message for state in done)):
                    raise

        self._recovery.repeat(act)


def server_names(request: ServerRequest) -> list[str]:
    """The names that Nova will give: those of a multi-create are numbered from 1, that of a single server is not."""
    if request.count == 1:
        return [request.name]
    return [f"{request.name}-{number}" for number in range(1, request.count + 1)]


def _create_arguments(request: ServerRequest, count: int) -> dict[str, Any]:
    """Of novaclient's ``servers.create``. It encodes the user-data and adds the image to the block devices itself."""
    nic = {"port-id": request.port_id} if request.port_id else {"net-id": request.network_id}
    volume = {
        "uuid": request.volume_id,
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": -1,  # never booted from
        "delete_on_termination": False,
    }
    return {
        "image": request.image_id,
        "flavor": request.flavor_id,
        "userdata": request.user_data,
        "meta": dict(request.metadata),
        "tags": list(request.tags),
        "key_name": request.keypair,
        "availability_zone": request.zone,
        "config_drive": True,
        "nics": [nic],
        # of a port made beforehand the groups are the port's own
        "security_groups": list(request.security_groups) if not request.port_id else None,
        "scheduler_hints": {"group": request.server_group_id} if request.server_group_id else None,
        "block_device_mapping_v2": [volume] if request.volume_id else None,
        "min_count": count,
        "max_count": count,
    }
