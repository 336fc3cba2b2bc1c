"""The scenarios of ``fairness.py``: pure, what runs and what it is called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clusterctl.load.plan import Canary, FrameworkGroup, LoadPlan

SWEEP = (3, 5, 10, 50, 100, 200)
OFFER_TIMEOUT_S = 5
# Marathon asks three times, from 10 s after the frameworks have joined; then it has 40 s to be served
FIRST_TURN_S, TURNS, EVERY_S, PATIENCE_S = 10.0, 3, 6.0, 40.0
# On demand: builds of all masters together, a second. The largest installation that published its figure had 43,000
# builds a day, half a build a second
BUILDS_PER_S = 0.5


@dataclass(frozen=True)
class Scenario:
    """One test; ``master_flags`` choose the masters it runs on."""

    name: str
    what: str
    plan: LoadPlan
    master_flags: tuple[str, ...] = ()


def beside_marathon(
    name: str, what: str, group: FrameworkGroup, role: str, base: int = 1, base_cpus: float = 0.1
) -> Scenario:
    """A group of frameworks, and Marathon with running tasks that wants another three times."""
    start = group.join_over_s + FIRST_TURN_S
    canary = Canary(role=role, turns=TURNS, every_s=EVERY_S, start_s=start, base=base, base_cpus=base_cpus)
    limit = start + TURNS * EVERY_S + PATIENCE_S
    return Scenario(name, what, LoadPlan(groups=(group,), canary=canary, limit_s=limit, user="root"))


def idle(count: int, decline_s: float, kind: str = "always") -> FrameworkGroup:
    """Frameworks that want nothing; 20 of them register a second."""
    return FrameworkGroup(name="idle", kind=kind, count=count, decline_s=decline_s, join_over_s=count / 20)  # type: ignore[arg-type]


def on_demand(count: int, per_s: float) -> FrameworkGroup:
    """Those of ``count`` masters that build while the test lasts; the others are no frameworks at all."""
    over_s = FIRST_TURN_S + TURNS * EVERY_S
    building = min(count, round(per_s * over_s))
    return FrameworkGroup(
        name="demand", kind="on_demand", count=building, builds=1, over_s=over_s, run_s=5, linger_s=60
    )


def side_by_side() -> Iterator[Scenario]:
    """(a) to (d)."""
    for count in SWEEP:
        yield beside_marathon(f"a-5s-{count}", "role *, decline 5 s", idle(count, 5), "*")
        yield beside_marathon(f"a-600s-{count}", "role *, decline 600 s", idle(count, 600), "*")
        yield beside_marathon(f"b-small-{count}", "own role, decline 5 s", idle(count, 5), "other")
        # 270 of 500 CPUs: more than all that is left to role *
        yield beside_marathon(f"b-large-{count}", "own role, 54 % of the cluster, 5 s", idle(count, 5), "other", 3, 90)
        yield beside_marathon(f"b-reserved-{count}", "own role and reserved agent, 5 s", idle(count, 5), "marathon")
        yield beside_marathon(f"c-{count}", "role *, on demand", on_demand(count, BUILDS_PER_S), "*")
        yield beside_marathon(f"d-{count}", "role *, suppress", idle(count, 5, "suppress"), "*")


def edges() -> Iterator[Scenario]:
    """Where (a) begins, what long declines are worth in the long run, and (c) when very many builds come."""
    for count in (6, 7, 8):
        yield beside_marathon(f"edge-5s-{count}", f"{count} idle, decline 5 s", idle(count, 5), "*")
    for decline_s in (20, 60, 120):
        group = idle(40, decline_s)
        canary = Canary(role="*", turns=36, every_s=5, start_s=20)
        plan = LoadPlan(groups=(group,), canary=canary, limit_s=240, user="root")
        yield Scenario(f"steady-{decline_s}s", f"40 idle, decline {decline_s} s, Marathon asks every 5 s", plan)
    busy = on_demand(200, 4)
    yield beside_marathon("busy-shared", "on demand, 4 builds a second, Marathon in role *", busy, "*")
    yield beside_marathon("busy-reserved", "on demand, 4 builds a second, reserved agent", busy, "marathon")


def others() -> Iterator[Scenario]:
    """(e) to (g)."""
    hoarder = FrameworkGroup(name="hoarder", kind="hoarder", count=1)
    wanting = FrameworkGroup(
        name="wanting", kind="on_demand", count=10, builds=1, arrival="steady", start_s=5, over_s=10
    )
    greedy = LoadPlan(groups=(hoarder, wanting), limit_s=45, user="root")
    yield Scenario("e-none", "a hoarder, no offer timeout", greedy)
    flag = f"--offer_timeout={OFFER_TIMEOUT_S}secs"
    yield Scenario("e-timeout", f"a hoarder, {flag}", greedy, (flag,))

    old = idle(20, 5).model_copy(update={"name": "old"})
    late = FrameworkGroup(name="newcomer", kind="on_demand", count=5, builds=1, start_s=30, over_s=10)
    yield Scenario("f-newcomer", "5 newcomers with a build each, 20 idle ones since 30 s", _plan(old, late, limit_s=90))
    for name, kind, decline_s in (("5s", "always", 5), ("600s", "always", 600), ("suppress", "suppress", 5)):
        wants = FrameworkGroup(name="old", kind="always", count=3, decline_s=5, builds=2, start_s=30, over_s=20)
        new = FrameworkGroup(name="new", kind=kind, count=120, decline_s=decline_s, join_after_s=10, join_over_s=60)  # type: ignore[arg-type]
        what = f"3 old ones with two builds each, 2 idle newcomers a second ({kind}, decline {decline_s} s)"
        yield Scenario(f"f-old-{name}", what, _plan(wants, new, limit_s=90))

    for kind in ("always", "on_demand"):
        busy = FrameworkGroup(name="busy", kind="always", count=3, builds=100, arrival="burst", over_s=40, run_s=2)
        small = FrameworkGroup(name="small", kind=kind, count=50, builds=1, over_s=50, run_s=2, linger_s=10)  # type: ignore[arg-type]
        yield Scenario(f"g-{kind}", f"3 with 100 builds each, 50 ({kind}) with one", _plan(busy, small, limit_s=240))


def mass() -> Iterator[Scenario]:
    """500 frameworks with three builds each, 2.5 a second, and 200 with one a second in all."""
    canary = Canary(turns=20, start_s=10, every_s=30)
    for name, what, count, flags in (
        ("on_demand", "500 × 3, on demand", 500, ()),
        ("interval", "500 × 3, on demand, cycles of 250 ms", 500, ("--allocation_interval=250ms",)),
        ("suppress", "500 × 3, suppress", 500, ()),
        ("calm", "200 × 3, on demand", 200, ()),
    ):
        suppress = name == "suppress"
        stays = 25 if suppress else 0  # 20 of them register a second
        group = FrameworkGroup(
            name="jenkins",
            kind="suppress" if suppress else "on_demand",
            count=count,
            join_over_s=stays,
            builds=3,
            start_s=stays,
            over_s=600,
            run_s=2,
            linger_s=60,
        )
        plan = LoadPlan(groups=(group,), canary=canary, limit_s=900, user="root")
        yield Scenario(f"mass-{name}", what, plan, flags)


def _plan(*groups: FrameworkGroup, limit_s: float) -> LoadPlan:
    return LoadPlan(groups=groups, limit_s=limit_s, user="root")
