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
    with private_network():
        made = Field(mesos, tmp_path_factory.mktemp("field"), (AgentGroup(2), AgentGroup(1, reserve_for="marathon")))
        made.start()
        yield made
        made.stop()
