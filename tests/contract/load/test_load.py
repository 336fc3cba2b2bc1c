"""Simulated Jenkins frameworks on real Mesos masters."""

import os
import signal

import pytest

from clusterctl.load.percentiles import NEVER
from clusterctl.load.plan import Canary, FrameworkGroup, LoadPlan
from clusterctl.load.result import LoadResult, from_json, to_json
from clusterctl.load.verdict import Thresholds, summarise
from clusterctl.ops.loadtest.driver import run_frameworks
from clusterctl.ops.loadtest.masters import MasterMap
from tests.contract.load.field import Field

pytestmark = [pytest.mark.mesos, pytest.mark.timeout(300)]


def run(field: Field, plan: LoadPlan) -> LoadResult:
    result = run_frameworks(plan, MasterMap(field.endpoints), "test", print)
    assert from_json(to_json(result), "result") == result
    return result


@pytest.mark.parametrize("kind", ["on_demand", "always", "suppress"])
def test_every_build_of_every_generation_runs_and_nothing_remains(field: Field, kind: str) -> None:
    """Its builds run, Marathon's canary is served from its reservation, and no framework is left."""
    group = FrameworkGroup(name="jenkins", kind=kind, count=10, builds=2, over_s=4, run_s=0.5, linger_s=1)  # type: ignore[arg-type]
    plan = LoadPlan(groups=(group,), canary=Canary(turns=2, every_s=3, run_s=1), limit_s=90, user="root")

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


def test_a_new_leader_is_followed(field: Field) -> None:
    """The leading master dies under load: its frameworks go on at the next one, and every build runs."""
    group = FrameworkGroup(
        name="jenkins", kind="always", count=10, builds=2, arrival="steady", start_s=4, over_s=20, run_s=1
    )
    plan = LoadPlan(groups=(group,), canary=Canary(turns=1, start_s=15), limit_s=120, user="root")
    leader = field.leader()
    master = field.masters[field.hosts.index(leader)]
    killed: list[str] = []

    def kill_once(text: str) -> None:
        if int(text.split(maxsplit=1)[0]) >= 8 and not killed and master.pid:
            killed.append(text)
            os.kill(master.pid, signal.SIGKILL)

    result = run_frameworks(
        plan, MasterMap(field.endpoints), "test", lambda text: kill_once(text) if ":" in text else None
    )

    assert killed
    assert result.ended == "complete"
    assert result.leaders[0] == f"{leader}:5050"
    assert len(result.leaders) > 1
    summary = summarise(result, Thresholds())
    assert (summary.builds, summary.unfinished, summary.failed) == (20, 0, 0)
    assert all(each.reconnects for each in result.frameworks if each.group == "jenkins")
    assert all(each.registrations == 1 for each in result.frameworks if each.group == "jenkins")


def test_a_hoarder_is_seen(field: Field) -> None:
    """Without an offer timeout a framework that never answers keeps everything; those that wait are starved."""
    hoarder = FrameworkGroup(name="hoarder", kind="hoarder", count=1)
    wanting = FrameworkGroup(name="wanting", kind="on_demand", count=2, builds=1, start_s=3, over_s=1)
    result = run(field, LoadPlan(groups=(hoarder, wanting), limit_s=15, user="root"))

    assert result.ended == "limit"
    summary = summarise(result, Thresholds(starved_after_s=8))
    assert len(summary.starved) == 2
    assert summary.waits["first offer"] == (NEVER,) * 4
    assert summary.unfinished == 2
    greedy = result.frameworks[0]
    assert greedy.hoarded == greedy.offers >= 2  # the agents that are not reserved
    assert greedy.hoarded_offer_s > 20
