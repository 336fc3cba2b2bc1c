"""Images; snapshots are started by Nova and found in Glance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from clusterctl.cloud.sdk_errors import calling
from clusterctl.cloud.service import OpenStackService, absence_allowed, pages
from clusterctl.resources import Image

KEY_FAMILY = "clusterctl_family"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Images(OpenStackService):
    """The methods of ``base.Cloud`` that Glance serves."""

    def images(
        self, *, family: str | None = None, name_or_id: str | None = None, owner: str | None = None
    ) -> list[Image]:
        """See ``base.Cloud``.

        Glance lists the project's own images, those shared with it and accepted, and public ones, which by its default
        policy only administrators make. Community images, which any stranger may publish under any name and family, are
        found by id only.
        """
        found = self._list(family=family, name=name_or_id, owner=owner or self._clients.project_id)
        if not found and name_or_id and _UUID.fullmatch(name_or_id):
            one = self.image(name_or_id)
            found = [one] if one and family in (None, one.properties.get(KEY_FAMILY)) else []
        return sorted(
            (image for image in found if image.status == "active"), key=lambda image: image.created, reverse=True
        )

    def _list(self, *, family: str | None, name: str | None, owner: str) -> list[Image]:
        query = {KEY_FAMILY: family, "name": name}

        def get(query: Mapping[str, Any]) -> Mapping[str, Any]:
            return dict(self._clients.image.get("/images", params=query).json())

        found = pages("list images", get, "images", {key: value for key, value in query.items() if value is not None})
        return [
            image_of(raw)
            for raw in found
            if family in (None, raw.get(KEY_FAMILY)) and name in (None, raw["name"])
            # a server that runs a stranger's image is the stranger's
            if raw.get("owner") == owner or (family is None and raw.get("visibility") == "public")
        ]

    def image(self, image_id: str) -> Image | None:
        """See ``base.Cloud``."""
        with absence_allowed(), calling(f"read image {image_id}"):
            return image_of(self._clients.image.get(f"/images/{image_id}").json())
        return None

    def create_snapshot(self, server_id: str, name: str, properties: Mapping[str, str]) -> str:
        """See ``base.Cloud``. After an uncertain answer an image of that name and those properties is taken for it."""

        def create(_missing: Sequence[str]) -> dict[str, str]:
            with calling(f"snapshot server {server_id} into image {name}"):
                return {name: str(self._clients.nova.servers.create_image(server_id, name, dict(properties)))}

        def find() -> dict[str, str]:
            found = self._list(family=None, name=name, owner=self._clients.project_id)
            return {image.name: image.id for image in found if properties.items() <= image.properties.items()}

        return self._recovery.create([name], create, find)[name]

    def delete_image(self, image_id: str) -> None:
        """See ``base.Cloud``."""
        with absence_allowed(), calling(f"delete image {image_id}"):
            self._clients.image.delete(f"/images/{image_id}")


# image attributes of Glance's API v2 itself; everything else at the top level of an image is a custom property
_OWN = frozenset(
    {
        "id",
        "name",
        "status",
        "visibility",
        "protected",
        "checksum",
        "owner",
        "size",
        "virtual_size",
        "container_format",
        "disk_format",
        "created_at",
        "updated_at",
        "tags",
        "min_disk",
        "min_ram",
        "file",
        "self",
        "schema",
        "locations",
        "direct_url",
        "os_hidden",
        "os_hash_algo",
        "os_hash_value",
        "stores",
    }
)


def image_of(raw: Mapping[str, Any]) -> Image:
    """An image of Glance's API v2."""
    return Image(
        id=raw["id"],
        name=raw["name"] or "",
        status=raw["status"],
        created=raw["created_at"],
        min_disk_gib=int(raw["min_disk"] or 0),
        min_ram_mib=int(raw["min_ram"] or 0),
        properties={key: value for key, value in raw.items() if key not in _OWN},
    )
