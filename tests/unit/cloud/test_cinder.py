from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.errors import CloudError
from clusterctl.resources import KEY_CLUSTER, KEY_GROUP, Volume, VolumeSnapshot
from tests.unit.cloud.fake_api import FakeApi, Fault, volume

META = {KEY_CLUSTER: "ci", KEY_GROUP: "jenkins"}


def test_only_volumes_with_our_mark_page_by_page(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.max_limit = 1
    api.volumes = [
        volume("ci-jenkins-1", size=50, id="v1", metadata=META, status="in-use", attachments=[{"server_id": "s1"}]),
        volume("foreign", metadata={KEY_CLUSTER: "ci2"}),
        volume("unmarked"),
        volume("ci-jenkins-2", id="v2", metadata=META),
    ]
    assert cloud.volumes("ci") == [
        Volume("v1", "ci-jenkins-1", "in-use", 50, "jenkins", "s1"),
        Volume("v2", "ci-jenkins-2", "creating", 1, "jenkins", None),
    ]
    assert "metadata=%7B%27clusterctl.cluster%27%3A+%27ci%27%7D" in api.log[-1][1]


@pytest.mark.parametrize(("zone", "extra"), [(None, {}), ("az1", {"availability_zone": "az1"})])
def test_create(cloud: OpenStackCloud, api: FakeApi, zone: str | None, extra: dict[str, str]) -> None:
    made = cloud.create_volume(name="ci-jenkins-1", size_gib=50, metadata=META, zone=zone)
    assert (made.name, made.size_gib, made.group, made.attached_to) == ("ci-jenkins-1", 50, "jenkins", None)
    [body] = api.sent("POST", "/volumes")
    assert body is not None
    assert {"name": "ci-jenkins-1", "size": 50, "metadata": META, **extra}.items() == body["volume"].items()


def test_delete_twice(cloud: OpenStackCloud, api: FakeApi) -> None:
    made = cloud.create_volume(name="ci-jenkins-1", size_gib=50, metadata=META, zone=None)
    cloud.delete_volume(made.id)
    cloud.delete_volume(made.id)
    assert api.volumes == []


def test_a_deletion_whose_answer_was_lost_is_not_refused(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.volumes_linger = True
    made = cloud.create_volume(name="ci-jenkins-1", size_gib=50, metadata=META, zone=None)
    api.faults.append(Fault("DELETE .*/volumes/", error=requests.ConnectionError("reset"), after=True))
    cloud.delete_volume(made.id)
    assert len(api.sent("DELETE", made.id)) == 2
    assert api.volumes[0]["status"] == "deleting"


def test_a_volume_in_use_is_not_deleted(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.volumes_linger = True
    api.volumes = [volume("ci-jenkins-1", id="v1", metadata=META, status="in-use")]
    with pytest.raises(CloudError, match="Volume status must be available") as caught:
        cloud.delete_volume("v1")
    assert caught.value.status == 400


def test_a_cloud_without_cinder(connect: Callable[[], OpenStackCloud], api: FakeApi) -> None:
    api.with_cinder = False
    cloud = connect()
    assert cloud.observe("ci").volumes == ()
    assert (cloud.limits().volumes, cloud.limits().gigabytes) == (None, None)
    with pytest.raises(CloudError, match="no block storage") as caught:
        cloud.create_volume(name="v", size_gib=1, metadata=META, zone=None)
    assert "volume" in (caught.value.hint or "")


def test_snapshots(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.snapshots = [
        {"id": "s0", "name": "foreign", "volume_id": "v", "size": 1, "status": "available", "metadata": {}},
        {"id": "s1", "name": None, "volume_id": "v", "size": 1, "status": "available", "metadata": None},
    ]
    made = cloud.create_volume_snapshot("v1", "ci-jenkins-1-now", META)
    assert made == VolumeSnapshot(made.id, "ci-jenkins-1-now", "creating", "v1", 50, META)
    assert cloud.volume_snapshots("ci") == [made]
    [body] = api.sent("POST", "/snapshots")
    assert body is not None
    assert body["snapshot"]["force"] is True, "the volume is in use"
    cloud.delete_volume_snapshot(made.id)
    cloud.delete_volume_snapshot(made.id)
    assert cloud.volume_snapshots("ci") == []


def test_a_snapshot_whose_answer_was_lost_is_not_made_twice(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.faults.append(Fault("POST .*/snapshots", error=requests.ConnectionError("reset"), after=True))
    made = cloud.create_volume_snapshot("v1", "ci-jenkins-1-now", META)
    assert [each["id"] for each in api.snapshots] == [made.id]


def test_a_volume_of_a_snapshot(cloud: OpenStackCloud, api: FakeApi) -> None:
    cloud.create_volume(name="copy", size_gib=50, metadata=META, zone=None, snapshot_id="s1")
    [body] = api.sent("POST", "/volumes")
    assert body is not None
    assert body["volume"]["snapshot_id"] == "s1"


def test_attach_and_detach(cloud: OpenStackCloud, api: FakeApi) -> None:
    cloud.attach_volume("server", "v1")
    assert api.attached == ["v1"]
    cloud.detach_volume("server", "v1")
    cloud.detach_volume("server", "v1")
    assert api.attached == []


def test_an_attachment_whose_answer_was_lost_is_not_refused(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.faults.append(Fault("POST .*os-volume_attachments", error=requests.ConnectionError("reset"), after=True))
    cloud.attach_volume("server", "v1")
    assert api.attached == ["v1"]
    api.attached = ["v2"]
    api.faults.append(Fault("POST .*os-volume_attachments", status=400))
    with pytest.raises(CloudError):
        cloud.attach_volume("server", "v1")
