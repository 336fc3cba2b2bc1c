"""The package built once, unpacked, and one small cluster of it for all tests of this directory."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.mesos.cluster import Cluster
from tests.contract.mesos.framework import Framework
from tests.contract.mesos.netns import private_network

BUILD = Path(__file__).parents[3] / "lab/mesos/build"


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("package")
    subprocess.run([BUILD, out], check=True, stdout=subprocess.DEVNULL)
    return next(out.glob("mesos_1.11.0-1_amd64.deb"))


@pytest.fixture(scope="session")
def root(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's files, not installed: they must work wherever they lie."""
    target = tmp_path_factory.mktemp("root")
    subprocess.run(["dpkg", "-x", package, target], check=True)
    return target


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    with private_network():
        yield


@pytest.fixture(scope="module")
def cluster(root: Path, network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(root, tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def framework(cluster: Cluster) -> Iterator[Framework]:
    """A framework in the roles * and marathon, whose tasks are gone after the test."""
    made = Framework(cluster, roles=("*", "marathon"))
    yield made
    made.close()
