"""Results and plans for tests."""

from __future__ import annotations

from clusterctl.load.plan import Canary, FrameworkGroup, Kind, LoadPlan
from clusterctl.load.result import BuildResult, Driver, FrameworkResult, LoadResult, Sample, Turn


def framework(name: str, group: str = "jenkins", *, longest_wait_s: float = 0.0, offers: int = 1) -> FrameworkResult:
    """One of a group."""
    kind: Kind = "marathon" if group == "canary" else "on_demand"
    return FrameworkResult(name=name, group=group, kind=kind, role="*", longest_wait_s=longest_wait_s, offers=offers)


def finished(number: int, queued_s: float, offer_wait_s: float, agent_wait_s: float) -> BuildResult:
    """A build that went well and ran for 2 s."""
    return BuildResult(
        framework=number,
        queued_s=queued_s,
        offered_s=queued_s + offer_wait_s,
        launched_s=queued_s + offer_wait_s,
        agent_s=queued_s + agent_wait_s,
        finished_s=queued_s + agent_wait_s + 2,
        state="TASK_FINISHED",
        tries=1,
    )


def result(**changes: object) -> LoadResult:
    """Two frameworks and the canary; four builds, of which the last was never offered anything."""
    builds = (
        finished(0, 0, 0.5, 1),
        finished(0, 10, 1.5, 2),
        finished(1, 20, 1, 3),
        BuildResult(framework=1, queued_s=30),
    )
    made = LoadResult(
        mode="frameworks",
        run="abcd",
        cluster="demo",
        began="2026-11-26T12:00:00+00:00",
        ended="limit",
        end_s=100.0,
        plan=LoadPlan(
            groups=(FrameworkGroup(name="jenkins", kind="on_demand", count=2, builds=2),), canary=Canary(), limit_s=100
        ),
        frameworks=(framework("f0"), framework("f1", longest_wait_s=70.0), framework("marathon", "canary")),
        builds=builds,
        canary=(Turn(at_s=5, wait_s=0.25), Turn(at_s=20, wait_s=2.0)),
        samples=(
            Sample(
                at_s=1,
                cpus_total=8,
                cpus_allocated=2,
                cpus_used=1,
                frameworks=3,
                offers_outstanding=0,
                allocation_ms=1.5,
                waiting=1,
                running=1,
            ),
        ),
        leaders=("10.0.0.1:5050",),
        driver=Driver(seconds=100, cpu_s=5, rss_mib=90, latest_s=0.06),
    )
    return made.model_copy(update=changes)
