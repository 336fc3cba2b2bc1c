"""The lab's OpenStack, and clusters of their own for the tests, removed whatever happens."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clusterctl.cloud.openstack import OpenStackCloud, open_cloud
from tests.contract.cloud.lab import wipe


@pytest.fixture(scope="session", autouse=True)
def clouds_yaml() -> Path:
    """The lab's clouds.yaml; the environment's own wins."""
    state = Path(os.environ.get("CLUSTERCTL_LAB_STATE", "/var/lib/clusterctl-lab"))
    path = Path(os.environ.setdefault("OS_CLIENT_CONFIG_FILE", str(state / "clouds.yaml")))
    if not path.exists():
        pytest.exit(f"{path} doesn't exist: start the lab with `make lab`", returncode=1)
    return path


@pytest.fixture
def cloud() -> OpenStackCloud:
    """The lab as its tenant sees it, with counters at zero."""
    return open_cloud("lab")


@pytest.fixture
def new_cluster() -> Iterator[Callable[[], str]]:
    """Gives cluster names that nobody else has; what is marked with them is removed at the end."""
    names: list[str] = []

    def give() -> str:
        names.append(f"contract-{secrets.token_hex(3)}")
        return names[-1]

    yield give
    for name in names:
        wipe(open_cloud("lab"), name)


@pytest.fixture
def cluster(new_cluster: Callable[[], str]) -> str:
    """One such name."""
    return new_cluster()
