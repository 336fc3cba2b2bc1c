"""The compute half of the cloud in memory: what a create call is refused for, builds, anti-affinity, deletion."""

from __future__ import annotations

from dataclasses import replace

from clusterctl.cloud.marks import services_of
from clusterctl.errors import CloudError
from clusterctl.resources import KEY_GROUP, KEY_NODE, Flavor, Server, ServerRequest
from tests.memory.state import MemoryServer, MemoryState


class MemoryCompute(MemoryState):
    """Life of the servers."""

    def server(self, server_id: str) -> MemoryServer:
        """The record of a server; CloudError 404 if there is none."""
        if server_id not in self.server_records:
            raise CloudError(f"Instance {server_id} could not be found.", status=404)
        return self.server_records[server_id]

    def flavor_for(self, request: ServerRequest) -> Flavor:
        """The flavor of a request that Nova would accept; CloudError 400, 403 or 409 for others."""
        flavor = next((flavor for flavor in self.flavor_list if flavor.id == request.flavor_id), None)
        group = self.server_group_records.get(request.server_group_id or "")
        wrong = {
            "Can not find requested image": not any(image.id == request.image_id for image in self.image_list),
            "Invalid key_name provided.": request.keypair not in self.keypairs,
            "The requested availability zone is not available": bool(request.zone) and request.zone not in self.zones,
            "Instance group could not be found.": bool(request.server_group_id) and group is None,
            f"Port {request.port_id} could not be found.": bool(request.port_id)
            and request.port_id not in self.port_records,
            f"Volume {request.volume_id} could not be found.": bool(request.volume_id)
            and request.volume_id not in self.volume_records,
            "A port or volume serves one server only": request.count > 1 and bool(request.port_id or request.volume_id),
        }
        for message, is_wrong in wrong.items():
            if is_wrong:
                raise CloudError(message, status=400)
        if flavor is None:
            raise CloudError(f"Flavor {request.flavor_id} could not be found.", status=400)
        if request.port_id and self.port_records[request.port_id].shown.device_id:
            raise CloudError(f"Port {request.port_id} is still in use.", status=409)
        if request.volume_id and self.volume_records[request.volume_id][0].status != "available":
            raise CloudError(f"Block Device Mapping is Invalid: volume {request.volume_id} is in use.", status=400)
        n = request.count
        self.claim(
            403,
            instances=n,
            cores=n * flavor.vcpus,
            ram_mib=n * flavor.ram_mib,
            ports=0 if request.port_id else n,
        )
        members = self.quota.server_group_members
        if group and members is not None and len(group.members) + n > members:
            raise CloudError("Quota exceeded, too many servers in group", status=403)
        return flavor

    def add_server(self, request: ServerRequest, name: str, flavor: Flavor) -> None:
        """One new server in BUILD with its port, volume and membership."""
        server = Server(
            id=self.new_id("server"),
            name=name,
            status="BUILD",
            group=request.metadata.get(KEY_GROUP, ""),
            node=request.metadata.get(KEY_NODE),
            address=None,
            image_id=request.image_id,
            flavor=flavor.name,
            services=services_of(request.metadata),
            created=self.now(),
            task_state="spawning",
            metadata=dict(request.metadata),
            launched=False,
            zone=request.zone or "nova",
            keypair=request.keypair,
        )
        if request.port_id:
            record = self.port_records[request.port_id]
            record.shown = replace(record.shown, device_id=server.id, used=True)
        else:
            self.new_port("", "", request.security_groups, server=server.id)
        if request.volume_id:
            volume, metadata = self.volume_records[request.volume_id]
            self.volume_records[volume.id] = (
                replace(volume, status="in-use", attached_to=server.id),
                metadata,
            )
        if request.server_group_id:
            group = self.server_group_records[request.server_group_id]
            self.server_group_records[group.id] = replace(group, members=(*group.members, server.id))
        self.server_records[server.id] = MemoryServer(server, request, flavor, self.fail_build(name))

    def tick(self) -> None:
        """Time passes: called by every list of servers."""
        for record in list(self.server_records.values()):
            if record.deleted_for is not None:
                record.deleted_for += 1
                if record.deleted_for > self.delete_ticks:
                    self.remove(record.shown.id)
                continue
            record.age += 1
            if record.shown.status == "BUILD" and record.age > self.build_ticks:
                self._finish_build(record)

    def _finish_build(self, record: MemoryServer) -> None:
        server_id = record.shown.id
        port = next((p.shown for p in self.port_records.values() if p.shown.device_id == server_id), None)
        failure = record.failure or self._affinity_failure(record)
        if failure or port is None:
            failure = failure or "Build aborted: Failed to allocate the network(s), not rescheduling."
            record.shown = replace(record.shown, status="ERROR", fault=failure, task_state=None, launched=False)
            return
        record.shown = replace(
            record.shown,
            status="ACTIVE",
            address=port.address,
            network=self.network_name,
            task_state=None,
            launched=True,
        )

    def _affinity_failure(self, record: MemoryServer) -> str | None:
        group = self.server_group_records.get(record.request.server_group_id or "")
        if group is None or group.policy != "anti-affinity" or self.hosts is None:
            return None
        active = sum(self.server_records[m].shown.status == "ACTIVE" for m in group.members if m in self.server_records)
        return "No valid host was found. There are not enough hosts available." if active >= self.hosts else None

    def remove(self, server_id: str) -> None:
        """The server is gone, with the port that Nova made for it; its own port and volume are free again."""
        record = self.server_records.pop(server_id)
        for port_id, port in list(self.port_records.items()):
            if port.shown.device_id == server_id:
                if port.made_by_nova:
                    del self.port_records[port_id]
                else:
                    port.shown = replace(port.shown, device_id="")
        if record.request.volume_id in self.volume_records:
            volume, metadata = self.volume_records[record.request.volume_id]
            self.volume_records[volume.id] = (replace(volume, status="available", attached_to=None), metadata)
        for group in list(self.server_group_records.values()):
            members = tuple(member for member in group.members if member != server_id)
            self.server_group_records[group.id] = replace(group, members=members)
