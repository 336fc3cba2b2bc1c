from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests_mock

from clusterctl.cloud.clients import open_clients
from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.cloud.recovery import Recovery
from clusterctl.cloud.transport import RetryPolicy
from tests.unit.cloud.fake_api import HOST, FakeApi

CLOUDS_YAML = f"""
clouds:
  lab:
    region_name: R
    # keystoneauth's own retries must have no effect
    connect_retries: 7
    status_code_retries: 7
    auth:
      auth_url: {HOST}/identity/v3
      username: demo
      password: secret
      project_name: demo
      user_domain_name: Default
      project_domain_name: Default
"""


@pytest.fixture
def clouds_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clouds.yaml with the one cloud ``lab``; nothing of the developer's own configuration is seen."""
    path = tmp_path / "clouds.yaml"
    path.write_text(CLOUDS_YAML)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    monkeypatch.delenv("OS_CLOUD", raising=False)
    return path


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """The cloud's side of the wire."""
    made = FakeApi()
    with requests_mock.Mocker() as mocker:
        mocker.register_uri(requests_mock.ANY, requests_mock.ANY, text=made)
        yield made


@pytest.fixture
def pauses() -> list[float]:
    """Every pause that would have been slept."""
    return []


@pytest.fixture
def policy(pauses: list[float]) -> RetryPolicy:
    """The real policy, without time."""
    return RetryPolicy(sleep=pauses.append, clock=lambda: sum(pauses), jitter=lambda: 1.0)


@pytest.fixture
def connect(clouds_yaml: Path, api: FakeApi, policy: RetryPolicy) -> Callable[[], OpenStackCloud]:
    """Logs in to ``api``."""
    return lambda: OpenStackCloud(open_clients("lab", policy), Recovery(sleep=policy.sleep))


@pytest.fixture
def cloud(connect: Callable[[], OpenStackCloud]) -> OpenStackCloud:
    """The adapter in front of ``api``."""
    return connect()
