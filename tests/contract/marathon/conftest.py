"""Mesos and the stand-in built once, unpacked, and one cluster of them for all tests of this directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.loopback import MarathonCluster, unpacked_marathon, unpacked_mesos
from tests.contract.mesos.netns import private_network


@pytest.fixture(scope="session")
def mesos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked_mesos(tmp_path_factory.mktemp("mesos"))


@pytest.fixture(scope="session")
def marathon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked_marathon(tmp_path_factory.mktemp("marathon"))


@pytest.fixture(scope="module")
def shared(mesos: Path, marathon: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarathonCluster]:
    with private_network(), MarathonCluster(mesos, marathon, tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def cluster(shared: MarathonCluster) -> Iterator[MarathonCluster]:
    """The cluster with all its daemons up and a leading Marathon; the test's apps are gone after it."""
    shared.leading_marathon()
    yield shared
    for daemon in [*shared.zookeepers, *shared.masters, *shared.agents]:
        if not daemon.running:
            daemon.start()
    for marathon in shared.marathons:
        shared.start_supervised(marathon)
    shared.agent_ids(len(shared.agents))
    shared.delete_all_apps()
