"""Real Mesos on loopback with inflated agents."""

from collections.abc import Iterator

import pytest

from tests.contract.load.field import AgentGroup, Field
from tests.contract.loopback import unpacked_mesos
from tests.contract.mesos.netns import private_network


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Two agents for everybody and one reserved for Marathon."""
    mesos = unpacked_mesos(tmp_path_factory.mktemp("mesos"))
    agents = (AgentGroup(2), AgentGroup(1, reserve_for="marathon"))
    with private_network(), Field(mesos, tmp_path_factory.mktemp("field"), agents) as made:
        yield made
