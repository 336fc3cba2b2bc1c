"""Simulated Jenkins frameworks on real Mesos masters."""

import pytest

from clusterctl.load.plan import Canary, Group, Plan
from clusterctl.load.result import Result, from_json, to_json
from clusterctl.load.verdict import Thresholds, summarise
from clusterctl.ops.loadtest.driver import run_frameworks
from clusterctl.ops.loadtest.masters import MasterMap
from tests.contract.load.field import Field

pytestmark = [pytest.mark.mesos, pytest.mark.timeout(300)]


def run(field: Field, plan: Plan) -> Result:
    result = run_frameworks(plan, MasterMap(field.endpoints), "test", print)
    assert from_json(to_json(result), "result") == result
    return result


@pytest.mark.parametrize("kind", ["on_demand", "always", "suppress"])
def test_every_build_of_every_generation_runs_and_nothing_remains(field: Field, kind: str) -> None:
    """Its builds run, Marathon's canary is served from its reservation, and no framework is left."""
    group = Group(name="jenkins", kind=kind, count=10, builds=2, over_s=4, run_s=0.5, linger_s=1)  # type: ignore[arg-type]
    plan = Plan(groups=(group,), canary=Canary(turns=2, every_s=3, run_s=1), limit_s=90, user="root")

    result = run(field, plan)

    assert result.ended == "complete"
    summary = summarise(result, Thresholds(first_offer_p99_s=20, canary_s=20))
    assert summary.ok, summary
    assert (summary.builds, summary.unfinished, summary.failed) == (20, 0, 0)
    jenkins = [each for each in result.frameworks if each.group == "jenkins"]
    assert all(each.offers_wanted for each in jenkins)
    assert not any(each.refused for each in jenkins), jenkins
    assert result.samples
    assert result.samples[-1].cpus_total == 300
    state = field.operator({"type": "GET_FRAMEWORKS"})["get_frameworks"]
    assert not state.get("frameworks"), state
