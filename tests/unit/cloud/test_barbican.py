"""The cluster's key in Barbican, at HTTP level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.errors import CloudError
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.stored import StoredKey
from tests.unit.cloud.fake_api import FakeApi, Fault, new_id

KEY = Secret("5a" * 32)
NAME = "clusterctl.ci.key"


def stored(name: str = NAME, payload: str | None = "5a" * 32) -> dict[str, Any]:
    return {"id": new_id(), "name": name, "payload": payload}


def test_stored_read_back_and_deleted(cloud: OpenStackCloud, api: FakeApi) -> None:
    assert cloud.cluster_keys("ci") == []
    made = cloud.create_cluster_key("ci", KEY)
    assert api.sent("POST", "/secrets") == [
        {"name": NAME, "payload": KEY.reveal(), "payload_content_type": "text/plain"}
    ]
    assert cloud.cluster_keys("ci") == [made] == [StoredKey(api.secrets[0]["id"], NAME, KEY)]
    cloud.delete_cluster_key(made.id)
    cloud.delete_cluster_key(made.id)
    assert cloud.cluster_keys("ci") == []


def test_the_payload_is_asked_for_as_text(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.secrets = [stored()]
    cloud.cluster_keys("ci")
    assert api.headers[-1]["Accept"] == "text/plain"


@pytest.mark.parametrize("ignored", [False, True])
def test_only_secrets_of_that_name_page_by_page(cloud: OpenStackCloud, api: FakeApi, ignored: bool) -> None:
    api.max_limit, api.filters_ignored = 2, ignored
    others = [stored("clusterctl.ci2.key"), stored("clusterctl.ci.key.old"), stored("")]
    api.secrets = [others[0], stored(), *others[1:], stored()]
    assert [each.id for each in cloud.cluster_keys("ci")] == sorted(s["id"] for s in api.secrets if s["name"] == NAME)
    assert len(api.sent("GET", "/secrets")) == (3 if ignored else 1)


def test_a_secret_without_payload_has_no_key(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.secrets = [stored(payload=None)]
    assert cloud.cluster_keys("ci") == [StoredKey(api.secrets[0]["id"], NAME, None)]


def test_an_answer_that_was_lost_makes_no_second_one(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.faults.append(Fault("POST .*/secrets", error=requests.ConnectionError("reset"), after=True))
    made = cloud.create_cluster_key("ci", KEY)
    assert [each["id"] for each in api.secrets] == [made.id]


def test_a_cloud_without_barbican(connect: Callable[[], OpenStackCloud], api: FakeApi) -> None:
    api.with_barbican = False
    with pytest.raises(CloudError, match=r"this cloud has no key manager \(Barbican\)") as caught:
        connect().cluster_keys("ci")
    assert "from: control" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("GET .*/secrets$", "list secrets of the key manager"),
        ("GET .*/payload$", "read secret .* of the key manager"),
        ("POST .*/secrets$", "store secret clusterctl.ci.key in the key manager"),
        ("DELETE .*/secrets/", "delete secret .* of the key manager"),
    ],
)
def test_who_may_not_is_told_of_the_role(cloud: OpenStackCloud, api: FakeApi, pattern: str, what: str) -> None:
    api.secrets = [stored()]
    api.faults.append(Fault(pattern, status=403))
    with pytest.raises(CloudError, match=f"cannot {what}: injected .HTTP 403") as caught:
        for each in cloud.cluster_keys("ci"):
            cloud.delete_cluster_key(each.id)
        cloud.create_cluster_key("ci", KEY)
    assert "'creator'" in (caught.value.hint or "")
    assert KEY.reveal() not in f"{caught.value}{caught.value.hint}"


def test_other_errors_say_nothing_of_roles(cloud: OpenStackCloud, api: FakeApi) -> None:
    api.faults.append(Fault("GET .*/secrets$", status=400))
    with pytest.raises(CloudError) as caught:
        cloud.cluster_keys("ci")
    assert caught.value.hint is None
