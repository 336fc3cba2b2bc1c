"""A real cluster on loopback, and the toolkit's view of it: three control nodes, a builder, two agents for Jenkins."""

from collections.abc import Iterator

import pytest

from tests.contract.health.world import World, WorldCluster
from tests.contract.loopback import unpacked_marathon, unpacked_mesos
from tests.contract.mesos.netns import private_network


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    mesos = unpacked_mesos(tmp_path_factory.mktemp("mesos"))
    marathon = unpacked_marathon(tmp_path_factory.mktemp("marathon"))
    with private_network(), WorldCluster(mesos, marathon, tmp_path_factory.mktemp("cluster")) as cluster:
        yield World(cluster)


@pytest.fixture
def world(shared: World) -> World:
    """The cluster, healthy by its own account; what a test stopped runs again."""
    shared.restore()
    assert shared.wait().healthy
    return shared
