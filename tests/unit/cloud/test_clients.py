from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from clusterctl.cloud import open_cloud
from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.errors import CloudError, InputError
from tests.unit.cloud.fake_api import HOST, PROJECT, FakeApi, Fault

Connect = Callable[[], OpenStackCloud]


def test_importing_the_package_imports_no_sdk() -> None:
    sdks = "{'openstack.config', 'novaclient', 'keystoneauth1', 'requests'}"
    code = f"import clusterctl.cloud, sys; print({sdks} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("clouds: {other: {}}", "cloud lab is not in", "there are: other"),
        ("clouds: {lab: {auth: {auth_url: 'http://x', username: u, project_name: p}}}", "lacks `password`", ""),
        ("clouds: {lab: {auth: {username: u, project_name: p}}}", "lacks `auth_url`", ""),
        ("clouds: {lab: {auth: {auth_url: x, username: u, password: p}}}", "not an http:// or https:// address", ""),
        ("clouds: {lab: {auth_type: none-such, auth: {}}}", "none-such", ""),
        ("clouds: {lab: {cacert: /none, auth: {auth_url: 'https://x', username: u, password: p}}}", "/none", ""),
        ("clouds: [1]", "can't be used", ""),
        ("clouds: {lab: 5}", "cloud lab in", ""),
        ("clouds: {lab: ", "no clouds.yaml was found, or it is empty or not YAML", ""),
    ],
)
def test_what_is_wrong_with_clouds_yaml(clouds_yaml: Path, text: str, message: str, hint: str) -> None:
    clouds_yaml.write_text(text)
    with pytest.raises(InputError) as caught:
        open_cloud("lab")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_no_clouds_yaml(clouds_yaml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clouds_yaml.unlink()
    monkeypatch.chdir(clouds_yaml.parent)
    monkeypatch.setenv("HOME", str(clouds_yaml.parent))
    with pytest.raises(InputError, match=r"no clouds\.yaml was found") as caught:
        open_cloud("lab")
    assert "OS_CLIENT_CONFIG_FILE" in (caught.value.hint or "")


def test_refused_login(connect: Connect, api: FakeApi) -> None:
    api.faults.append(Fault("POST .*/auth/tokens", status=401, times=9))
    with pytest.raises(CloudError, match="cannot log in to cloud lab") as caught:
        connect()
    assert caught.value.status == 401
    assert "password" in (caught.value.hint or "")


def test_unreachable_cloud(connect: Connect, api: FakeApi) -> None:
    api.faults.append(Fault("", error=requests.ConnectionError("refused"), times=99))
    with pytest.raises(CloudError, match=r"no answer from http://cloud\.test"):
        connect()


def test_an_expired_token_is_renewed(cloud: OpenStackCloud, api: FakeApi) -> None:
    cloud.flavors()
    api.expired.add("token-1")
    assert [flavor.name for flavor in cloud.flavors()] == ["m1.small"]
    assert api.headers[-1]["X-Auth-Token"] == "token-2"


@pytest.mark.parametrize(("newest", "used"), [("2.52", "2.52"), ("2.60", "2.60"), ("2.93", "2.90"), ("2.100", "2.90")])
def test_microversion(cloud: OpenStackCloud, api: FakeApi, newest: str, used: str) -> None:
    api.microversion = newest
    cloud.flavors()
    assert api.headers[-1]["OpenStack-API-Version"] == f"compute {used}"


@pytest.mark.parametrize("newest", ["2.51", "2.1", ""])
def test_a_cloud_too_old_is_refused(cloud: OpenStackCloud, api: FakeApi, newest: str) -> None:
    api.microversion = newest
    with pytest.raises(CloudError, match=r"clusterctl needs 2\.52"):
        cloud.flavors()


def test_threads_have_sessions_of_their_own_and_share_token_discovery_and_counters(
    cloud: OpenStackCloud, api: FakeApi
) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: cloud.flavors(), range(20)))
    assert api.tokens == 1
    assert cloud.calls.by_kind["GET /flavors/detail"] == 20
    assert cloud.calls.by_kind["GET /"] == 2  # the versions of Keystone and of Nova
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(lambda: cloud._clients.session).result()
    assert other is not cloud._clients.session


def test_retries_in_clouds_yaml_have_no_effect(cloud: OpenStackCloud, api: FakeApi) -> None:
    cloud.flavors()
    before = len(api.log)
    api.faults.append(Fault("POST .*/os-server-groups", status=503, times=99))
    with pytest.raises(CloudError):
        cloud.create_server_group("clusterctl.ci.zk", "anti-affinity")
    assert len(api.log[before:]) == 3 + 9  # three attempts, three looks after each


def test_a_token_for_no_project_is_refused(connect: Connect, api: FakeApi) -> None:
    api.scoped = False
    with pytest.raises(CloudError, match="the token is not scoped to a project"):
        connect()


def test_endpoints_may_be_overridden(clouds_yaml: Path, connect: Connect, api: FakeApi) -> None:
    text = clouds_yaml.read_text()
    overrides = "".join(
        f"    {kind}_endpoint_override: {HOST}/{path}\n"
        for kind, path in {
            "compute": "compute",
            "network": "network/v2.0",
            "image": "image/v2",
            "block_storage": f"volume/v3/{PROJECT}",
        }.items()
    )
    clouds_yaml.write_text(text.replace("    auth:", f"{overrides}    auth:"))
    api.with_cinder = False  # in the catalog: only the override tells where it is
    cloud = connect()
    cloud.observe("ci")
    cloud.flavors()
    cloud.images(family="f")
    assert api.sent("GET", "/volumes/detail") == [None]
    [flavors] = [n for n, (_, path, _) in enumerate(api.log) if path.endswith("/compute/v2.1/flavors/detail")]
    assert api.headers[flavors]["OpenStack-API-Version"] == "compute 2.90"
