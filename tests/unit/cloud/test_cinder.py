from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.errors import CloudError
from clusterctl.resources import KEY_CLUSTER, KEY_GROUP, Volume
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
