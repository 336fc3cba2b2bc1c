"""Block storage. A cloud without Cinder has no volumes and no limits of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clusterctl.cloud.sdk_errors import calling
from clusterctl.cloud.service import OpenStackService, absence_allowed, pages
from clusterctl.errors import CloudError
from clusterctl.resources import KEY_CLUSTER, KEY_GROUP, Volume, VolumeSnapshot


class BlockStorage(OpenStackService):
    """The methods of ``base.Cloud`` that Cinder serves."""

    @property
    def _cinder(self) -> Any | None:
        with calling("find the block storage API"):
            return self._clients.block_storage

    def _required(self) -> Any:
        cinder = self._cinder
        if cinder is None:
            raise CloudError("this cloud has no block storage (Cinder)", hint="leave out `volume` in the cluster file")
        return cinder

    def volume_limits(self) -> Mapping[str, int]:
        """Cinder's absolute limits (``maxTotalVolumes``, ``totalVolumesUsed``, ...); empty without Cinder."""
        if (cinder := self._cinder) is None:
            return {}
        with calling("read the block storage quota"):
            return dict(cinder.get("/limits").json()["limits"]["absolute"])

    def volume_zones(self) -> set[str]:
        """See ``base.Cloud``; none without Cinder."""
        if (cinder := self._cinder) is None:
            return set()
        with calling("list the zones of block storage"):
            zones = cinder.get("/os-availability-zone").json()["availabilityZoneInfo"]
        return {zone["zoneName"] for zone in zones if zone["zoneState"]["available"]}

    def volumes(self, cluster: str) -> list[Volume]:
        """See ``base.Cloud``."""
        if (cinder := self._cinder) is None:
            return []

        def get(query: Mapping[str, Any]) -> Mapping[str, Any]:
            return dict(cinder.get("/volumes/detail", params=query).json())

        # Cinder takes the filter as the text of a dict; a cloud may have it switched off, so the mark is checked here
        found = pages("list volumes", get, "volumes", {"metadata": str({KEY_CLUSTER: cluster})})
        return [volume_of(raw) for raw in found if raw["metadata"].get(KEY_CLUSTER) == cluster]

    def volume_snapshots(self, cluster: str) -> list[VolumeSnapshot]:
        """See ``base.Cloud``."""
        if (cinder := self._cinder) is None:
            return []

        def get(query: Mapping[str, Any]) -> Mapping[str, Any]:
            return dict(cinder.get("/snapshots/detail", params=query).json())

        found = pages("list volume snapshots", get, "snapshots", {})
        return [snapshot_of(raw) for raw in found if (raw.get("metadata") or {}).get(KEY_CLUSTER) == cluster]

    def create_volume_snapshot(self, volume_id: str, name: str, metadata: Mapping[str, str]) -> VolumeSnapshot:
        """See ``base.Cloud``."""
        cinder = self._required()

        def create(_missing: Sequence[str]) -> dict[str, VolumeSnapshot]:
            with calling(f"snapshot volume {volume_id}"):
                # without 'force' Cinder before microversion 3.66 refuses a volume in use
                body = {"volume_id": volume_id, "name": name, "metadata": dict(metadata), "force": True}
                made = cinder.post("/snapshots", json={"snapshot": body}).json()["snapshot"]
            return {name: snapshot_of(made)}

        def find() -> dict[str, VolumeSnapshot]:
            return {snapshot.name: snapshot for snapshot in self.volume_snapshots(metadata[KEY_CLUSTER])}

        return self._recovery.create([name], create, find)[name]

    def delete_volume_snapshot(self, snapshot_id: str) -> None:
        """See ``base.Cloud``."""
        with absence_allowed(), calling(f"delete volume snapshot {snapshot_id}"):
            self._required().delete(f"/snapshots/{snapshot_id}")

    def create_volume(
        self,
        *,
        name: str,
        size_gib: int,
        metadata: Mapping[str, str],
        zone: str | None,
        snapshot_id: str | None = None,
    ) -> Volume:
        """See ``base.Cloud``."""
        cinder = self._required()

        def create(_missing: Sequence[str]) -> dict[str, Volume]:
            with calling(f"create volume {name} of {size_gib} GiB"):
                body = {"name": name, "size": size_gib, "metadata": dict(metadata)}
                in_zone = {"availability_zone": zone} if zone else {}
                source = {"snapshot_id": snapshot_id} if snapshot_id else {}
                made = cinder.post("/volumes", json={"volume": body | in_zone | source}).json()["volume"]
            return {name: Volume(made["id"], name, made["status"], size_gib, metadata.get(KEY_GROUP, ""), None)}

        def find() -> dict[str, Volume]:
            return {volume.name: volume for volume in self.volumes(metadata[KEY_CLUSTER])}

        return self._recovery.create([name], create, find)[name]

    def delete_volume(self, volume_id: str) -> None:
        """See ``base.Cloud``. Cinder refuses a second deletion while the first, whose answer was lost, goes on."""
        try:
            with absence_allowed(), calling(f"delete volume {volume_id}"):
                self._required().delete(f"/volumes/{volume_id}")
        except CloudError as error:
            if error.status != 400 or not self._is_going(volume_id):
                raise

    def _is_going(self, volume_id: str) -> bool:
        with absence_allowed(), calling(f"look at volume {volume_id}"):
            return bool(self._required().get(f"/volumes/{volume_id}").json()["volume"]["status"] == "deleting")
        return True


def volume_of(raw: Mapping[str, Any]) -> Volume:
    """A volume of a detailed list."""
    attached = [attachment["server_id"] for attachment in raw.get("attachments") or ()]
    return Volume(
        id=raw["id"],
        name=raw["name"] or "",
        status=raw["status"],
        size_gib=int(raw["size"]),
        group=raw["metadata"].get(KEY_GROUP, ""),
        attached_to=attached[0] if attached else None,
        zone=raw.get("availability_zone") or "",
    )


def snapshot_of(raw: Mapping[str, Any]) -> VolumeSnapshot:
    """A snapshot of a detailed list, or as it was made."""
    return VolumeSnapshot(
        id=raw["id"],
        name=raw["name"] or "",
        status=raw["status"],
        volume_id=raw["volume_id"],
        size_gib=int(raw["size"]),
        metadata=dict(raw.get("metadata") or {}),
    )
