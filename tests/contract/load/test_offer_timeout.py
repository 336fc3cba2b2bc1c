"""One framework sits on all offers: masters that take offers back serve the others, as the default of clusters does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clusterctl.load.plan import FrameworkGroup, LoadPlan
from clusterctl.load.verdict import Thresholds, summarise
from clusterctl.ops.loadtest.driver import run_frameworks
from clusterctl.ops.loadtest.masters import MasterMap
from clusterctl.spec.settings import MesosSettings
from tests.contract.load.field import AgentGroup, Field
from tests.contract.loopback import unpacked_mesos
from tests.contract.mesos.netns import private_network

pytestmark = [pytest.mark.mesos, pytest.mark.timeout(300)]

TIMEOUT_S = 5


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    mesos = unpacked_mesos(tmp_path_factory.mktemp("mesos"))
    flags = (f"--offer_timeout={TIMEOUT_S}secs",)
    with private_network(), Field(mesos, tmp_path_factory.mktemp("field"), (AgentGroup(2),), flags) as made:
        yield made


def test_who_waits_is_served_once_offers_are_taken_back(field: Field) -> None:
    """Without the timeout nobody is (``test_load.py::test_a_hoarder_is_seen``)."""
    hoarder = FrameworkGroup(name="hoarder", kind="hoarder", count=1)
    wanting = FrameworkGroup(name="wanting", kind="on_demand", count=2, builds=1, start_s=3, over_s=1, run_s=0.5)
    plan = LoadPlan(groups=(hoarder, wanting), limit_s=60, user="root")
    result = run_frameworks(plan, MasterMap(field.endpoints), "test", print)

    summary = summarise(result, Thresholds(starved_after_s=6 * TIMEOUT_S, first_offer_p99_s=6 * TIMEOUT_S))
    assert summary.starved == ()
    assert (summary.builds, summary.unfinished, summary.failed) == (2, 0, 0)


def test_clusters_take_offers_back_by_default() -> None:
    assert 0 < MesosSettings().offer_timeout_s <= 60
