"""What a load test asks of a cluster: groups of Jenkins masters, their builds, and Marathon's canary."""

from __future__ import annotations

from random import Random
from typing import Annotated, Literal

from pydantic import Field, model_validator

from clusterctl.load.arrivals import Pattern, schedule
from clusterctl.spec.types import Label, StrictModel, rule_error

# Every framework of a test has this at the beginning of its name, then the run's id: by it what is left is found
NAME_PREFIX = "clusterctl-loadtest-"

Kind = Literal["on_demand", "always", "suppress", "hoarder", "marathon"]

Seconds = Annotated[float, Field(ge=0, le=86_400)]
# Each holds a connection; all go through one ssh, whose process on the leading master may open 1,024 files (systemd)
MAX_FRAMEWORKS = 900
MAX_BUILDS = 200_000
CANARY = "canary"


class FrameworkGroup(StrictModel):
    """Jenkins masters that behave alike.

    Attributes:
        kind: how they are frameworks. ``on_demand`` registers when a build waits and leaves again; ``always`` stays and
            declines what it does not need for ``decline_s``; ``suppress`` does the same and asks for no offers while it
            has no build; ``hoarder`` takes offers and never answers; ``marathon`` is for the canary.
        decline_s: for how long an idle framework declines an offer.
        linger_s: on_demand: how long after its last build it stays.
        join_after_s, join_over_s: those that stay register from then on, evenly within that time.
        builds: of each master that builds; see ``arrivals``.
        start_s, over_s: builds arrive from then on, within that time.
        run_s: how long a build takes.
        cpus, mem_mib: what the task of a build takes.
    """

    name: Label
    kind: Kind
    count: Annotated[int, Field(ge=1, le=MAX_FRAMEWORKS)]
    role: str = "*"
    decline_s: Annotated[float, Field(ge=0, le=31_536_000)] = 600.0
    linger_s: Seconds = 60.0
    join_after_s: Seconds = 0.0
    join_over_s: Seconds = 0.0
    builds: Annotated[int, Field(ge=0)] = 0
    arrival: Pattern = "poisson"
    start_s: Seconds = 0.0
    over_s: Seconds = 60.0
    run_s: Seconds = 5.0
    cpus: Annotated[float, Field(gt=0)] = 0.1
    mem_mib: Annotated[float, Field(gt=0)] = 32.0


class Canary(StrictModel):
    """An app of Marathon's that is scaled up now and then.

    Attributes:
        base: tasks that run from before the test begins until its end, so that Marathon has a share.
        base_cpus: of each of them.
        turns: how often the app is scaled up; from ``start_s`` on, every ``every_s``; each new task runs for ``run_s``.
        decline_s: Marathon's ``--decline_offer_duration``.
    """

    role: str = "marathon"
    base: Annotated[int, Field(ge=0)] = 1
    base_cpus: Annotated[float, Field(gt=0)] = 0.1
    turns: Annotated[int, Field(ge=0)] = 1
    start_s: Seconds = 0.0
    every_s: Annotated[float, Field(gt=0)] = 15.0
    run_s: Seconds = 5.0
    cpus: Annotated[float, Field(gt=0)] = 0.1
    mem_mib: Annotated[float, Field(gt=0)] = 32.0
    decline_s: Seconds = 120.0


class LoadPlan(StrictModel):
    """A whole test.

    Attributes:
        limit_s: the test ends then, whatever is open; it ends earlier when every build has finished and every turn of
            the canary has met an offer.
        user: the Unix user of tasks.
    """

    groups: tuple[FrameworkGroup, ...]
    canary: Canary | None = None
    limit_s: Annotated[float, Field(gt=0, le=86_400)]
    seed: int = 1
    user: str = "nobody"

    @model_validator(mode="after")
    def _bounded(self) -> LoadPlan:
        if (found := sum(group.count for group in self.groups)) > MAX_FRAMEWORKS:
            raise rule_error("bound", f"found {found} frameworks; allowed: at most {MAX_FRAMEWORKS}")
        if (found := sum(group.count * group.builds for group in self.groups)) > MAX_BUILDS:
            raise rule_error("bound", f"found {found} builds; allowed: at most {MAX_BUILDS}")
        names = [group.name for group in self.groups]
        if len(set(names)) < len(names) or CANARY in names:
            raise rule_error("names", f"found groups {', '.join(names)}; allowed: each name once, none {CANARY!r}")
        return self


class Arrival(StrictModel):
    """At ``at_s`` a build arrives at the framework with that number, or (``build`` false) the framework registers."""

    at_s: float
    framework: int
    build: bool


def framework_groups(plan: LoadPlan) -> list[FrameworkGroup]:
    """The group of each framework, by number; the canary, a group of its own, is the last one."""
    found = [group for group in plan.groups for _ in range(group.count)]
    if plan.canary is not None:
        found.append(canary_group(plan.canary))
    return found


def canary_group(canary: Canary) -> FrameworkGroup:
    """The canary as a group of one framework."""
    return FrameworkGroup(
        name=CANARY,
        kind="marathon",
        count=1,
        role=canary.role,
        decline_s=canary.decline_s,
        builds=canary.turns,
        arrival="steady",
        start_s=canary.start_s,
        over_s=canary.every_s * canary.turns,
        run_s=canary.run_s,
        cpus=canary.cpus,
        mem_mib=canary.mem_mib,
    )


def agenda(plan: LoadPlan) -> list[Arrival]:
    """Everything that happens in the test, ascending; the same for the same plan.

    The canary's registration and its base tasks come before the test and are not in it.
    """
    random = Random(plan.seed)  # noqa: S311 (a load, not a secret)
    found: list[Arrival] = []
    first = 0
    for group in (*plan.groups, *([canary_group(plan.canary)] if plan.canary else ())):
        if group.kind not in ("on_demand", "marathon"):
            step = group.join_over_s / group.count
            joins = ((group.join_after_s + step * number, first + number) for number in range(group.count))
            found += [Arrival(at_s=at, framework=framework, build=False) for at, framework in joins]
        builds = schedule(group.arrival, group.count, group.builds, group.over_s, random)
        found += [Arrival(at_s=group.start_s + at, framework=first + whose, build=True) for at, whose in builds]
        first += group.count
    return sorted(found, key=lambda arrival: (arrival.at_s, arrival.build, arrival.framework))
