"""The original report's starvation, reproduced on real masters, and gone with frameworks that suppress."""

import pytest

from clusterctl.load.plan import Canary, FrameworkGroup, Kind, LoadPlan
from clusterctl.load.result import LoadResult
from clusterctl.load.verdict import Thresholds, summarise
from clusterctl.ops.loadtest.driver import run_frameworks
from clusterctl.ops.loadtest.masters import MasterMap
from tests.contract.load.field import Field

pytestmark = [pytest.mark.mesos, pytest.mark.timeout(300)]


def beside_idle(field: Field, kind: Kind, role: str) -> LoadResult:
    """Marathon, with a share, wants an offer 8 s after 20 idle frameworks have come; it has 15 s."""
    idle = FrameworkGroup(name="idle", kind=kind, count=20, decline_s=5, join_over_s=1)
    plan = LoadPlan(groups=(idle,), canary=Canary(role=role, start_s=8), limit_s=23, user="root")
    return run_frameworks(plan, MasterMap(field.endpoints), "test")


@pytest.mark.parametrize(
    ("kind", "role", "served"),
    [("always", "*", False), ("suppress", "*", True), ("on_demand", "*", True), ("always", "marathon", True)],
    ids=["short declines", "suppress", "on demand", "reserved agent"],
)
def test_marathon_beside_idle_frameworks(field: Field, kind: Kind, role: str, served: bool) -> None:
    result = beside_idle(field, kind, role)

    (turn,) = result.canary
    assert (turn.wait_s is not None) == served, result
    assert summarise(result, Thresholds(first_offer_p99_s=None)).ok == served
    idle = [each for each in result.frameworks if each.group == "idle"]
    if not served:
        assert all(each.offers for each in idle), "nobody was offered anything"
