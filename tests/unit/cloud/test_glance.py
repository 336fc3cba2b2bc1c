from __future__ import annotations

import pytest
import requests

from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.errors import CloudError
from clusterctl.resources import Image
from tests.unit.cloud.fake_api import FakeApi, Fault, image, server

FAMILY = "clusterctl-base"


def test_of_a_family_active_and_newest_first(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.max_limit = 2
    api.images = [
        image("old", clusterctl_family=FAMILY, created_at="2026-01-01T00:00:00Z"),
        image("saving", clusterctl_family=FAMILY, status="saving", created_at="2026-03-01T00:00:00Z"),
        image("foreign"),
        image("new", clusterctl_family=FAMILY, created_at="2026-02-01T00:00:00Z"),
    ]
    assert [found.name for found in cloud.images(family=FAMILY)] == ["new", "old"]
    first_page = api.log[-3][1]
    assert first_page.endswith("/images?clusterctl_family=clusterctl-base")  # no `visibility`: no community images


def test_by_name_and_by_id(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.images = [image("debian-12", os_distro="debian", min_disk=3, min_ram=512, tags=[]), image("other")]
    one = Image(api.images[0]["id"], "debian-12", "active", "2026-01-01T00:00:00Z", 3, 512, {"os_distro": "debian"})
    assert cloud.images(name_or_id="debian-12") == [one]
    assert cloud.images(name_or_id=one.id) == [one]
    assert cloud.images(name_or_id="none") == []
    assert cloud.images(name_or_id="00000000-0000-0000-0000-999999999999") == []
    assert cloud.images(name_or_id=one.id, family=FAMILY) == []


def test_a_family_is_the_own_projects_or_the_named_one_s(cloud: OpenStackCloud, api: FakeApi) -> None:
    """Whoever gets an image of his into a list of ours would own our nodes."""
    family = {"clusterctl_family": FAMILY}
    api.images = [
        image("own", **family),
        image("shared", owner="stranger", visibility="shared", **family),
        image("public", owner="admin", visibility="public", **family),
    ]
    assert [found.name for found in cloud.images(family=FAMILY)] == ["own"]
    assert [found.name for found in cloud.images(family=FAMILY, owner="stranger")] == ["shared"]
    assert [found.name for found in cloud.images(name_or_id="public")] == ["public"]
    assert cloud.images(name_or_id="shared") == []
    assert [found.name for found in cloud.images(name_or_id="shared", owner="stranger")] == ["shared"]
    assert [found.name for found in cloud.images(name_or_id=api.images[1]["id"])] == ["shared"]


def test_one_image_in_any_status(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.images = [image("a", status="saving", size=None)]
    found = cloud.image(api.images[0]["id"])
    assert found is not None
    assert found.status == "saving"
    assert cloud.image("none") is None
    api.faults.append(Fault("/images/", status=403))
    with pytest.raises(CloudError):
        cloud.image("none")


def test_snapshot(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.servers = [server("builder")]
    image_id = cloud.create_snapshot(api.servers[0]["id"], "base-2", {"clusterctl_family": FAMILY})
    assert api.images[0]["id"] == image_id
    assert api.log[-1][2] == {"createImage": {"name": "base-2", "metadata": {"clusterctl_family": FAMILY}}}


def test_a_snapshot_whose_answer_was_lost_is_found_by_name_and_properties(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.servers = [server("builder")]
    api.images = [image("base-2", clusterctl_family="another")]
    api.faults.append(Fault("POST .*/action", error=requests.ReadTimeout(""), after=True))
    image_id = cloud.create_snapshot(api.servers[0]["id"], "base-2", {"clusterctl_family": FAMILY})
    assert [found["id"] for found in api.images[1:]] == [image_id]


def test_delete_twice(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.images = [image("a", id="i1")]
    cloud.delete_image("i1")
    cloud.delete_image("i1")
    assert api.images == []
