"""The verbs of ``clusterctl loadtest``: ``run``, ``report``, ``clean``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli.output import print_json, print_line, print_note, print_rich
from clusterctl.cli.session import CloudName, File, Json, given, session

if TYPE_CHECKING:
    from clusterctl.load.plan import LoadPlan
    from clusterctl.load.result import LoadResult
    from clusterctl.load.verdict import Thresholds
    from clusterctl.spec.model import ClusterSpec

verbs = typer.Typer(help="Measure whether builds wait too long.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds ``loadtest`` with its verbs to the program."""
    app.add_typer(verbs, name="loadtest")


class KindName(StrEnum):
    """How simulated frameworks behave."""

    ON_DEMAND = "on_demand"
    ALWAYS = "always"
    SUPPRESS = "suppress"


class PatternName(StrEnum):
    """When builds arrive."""

    STEADY = "steady"
    POISSON = "poisson"
    BURST = "burst"
    MORNING = "morning"


MaxStarved = Annotated[int, typer.Option("--max-starved", min=0, help="Frameworks that may starve.")]
StarvedAfter = Annotated[
    float,
    typer.Option("--starved-after", min=0.1, help="Seconds of waiting for an offer that count as starving."),
]
MaxFirstOffer = Annotated[float, typer.Option("--max-first-offer", min=0, help="p99 of seconds to the first offer.")]
MaxAgent = Annotated[float, typer.Option("--max-agent", min=0, help="p99 of seconds to the agent, with real masters.")]
MaxCanary = Annotated[
    float, typer.Option("--max-canary", min=0, help="Marathon's longest wait for an offer, in seconds.")
]
PageFile = Annotated[
    Path | None, typer.Option("--page", help="Write a page of charts (HTML) to this file.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", help="Also beside other work (run) or a test at work (clean).")]


@verbs.command()
def run(
    context: typer.Context,
    file: File,
    frameworks_only: Annotated[
        bool, typer.Option("--frameworks-only", help="Simulated frameworks on Mesos, without Jenkins masters.")
    ] = False,
    masters: Annotated[
        int | None,
        typer.Option("--masters", min=1, max=999, help="Jenkins masters to make; 10.", show_default=False),
    ] = None,
    frameworks: Annotated[
        int | None,
        typer.Option("--frameworks", min=1, max=900, help="Frameworks to simulate; 100.", show_default=False),
    ] = None,
    builds: Annotated[
        int | None,
        typer.Option("--builds", min=0, help="Of each master: 20; of each framework: 3.", show_default=False),
    ] = None,
    kind: Annotated[
        KindName | None,
        typer.Option("--kind", help="How they behave; as the file's masters by default.", show_default=False),
    ] = None,
    decline: Annotated[
        float | None,
        typer.Option(
            "--decline", min=0, help="Seconds for which idle ones decline; as the file says.", show_default=False
        ),
    ] = None,
    arrival: Annotated[PatternName, typer.Option("--arrival", help="When builds arrive.")] = PatternName.POISSON,
    over: Annotated[
        float, typer.Option("--over", min=0, max=86400, help="Seconds within which all builds arrive.")
    ] = 120,
    duration: Annotated[float, typer.Option("--duration", min=0, max=86400, help="Seconds that a build takes.")] = 5,
    cpus: Annotated[
        float | None, typer.Option("--cpus", min=0.01, help="CPUs of a simulated build; 0.1.", show_default=False)
    ] = None,
    mem: Annotated[
        float | None, typer.Option("--mem", min=1, help="Memory of a simulated build in MiB; 32.", show_default=False)
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Unix user of simulated builds; nobody.", show_default=False)
    ] = None,
    canary_every: Annotated[
        float, typer.Option("--canary-every", min=0, help="Seconds between two scalings of Marathon's canary; 0: none.")
    ] = 15,
    max_seconds: Annotated[
        float, typer.Option("--max-seconds", min=1, max=86400, help="Seconds after which the test ends in any case.")
    ] = 900,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the arrivals.")] = 1,
    result_file: Annotated[
        Path | None,
        typer.Option("--result", help="Where to write the result; loadtest-CLUSTER-RUN.json.", show_default=False),
    ] = None,
    page: PageFile = None,
    max_starved: MaxStarved = 0,
    starved_after: StarvedAfter = 60,
    max_first_offer: MaxFirstOffer = 5,
    max_agent: MaxAgent = 30,
    max_canary: MaxCanary = 10,
    yes: Yes = False,
    cloud: CloudName = None,
    as_json: Json = False,
) -> None:
    """Load a cluster with builds, judge the waits.

    Jenkins masters are made for it, which build; or frameworks are simulated. Nothing of it remains. The exit code is 3
    if a bound was missed.
    """
    from clusterctl.errors import InputError

    _refuse_foreign(context, frameworks_only)
    _need_extra()
    for wanted in (result_file, page):
        if wanted is not None and not wanted.absolute().parent.is_dir():
            raise InputError(f"can't write {wanted}: {wanted.parent} is not a directory")
    from clusterctl.load.result import to_json
    from clusterctl.ops.jenkins.ground import open_tier
    from clusterctl.ops.loadtest.run import load_test, masters_of, refuse_to_disturb
    from clusterctl.ops.loadtest.tier import run_masters

    bounds = _thresholds(max_starved, starved_after, max_first_offer, max_agent, max_canary)
    with session(context, after="loadtest clean") as at:
        if not frameworks_only and at.spec.jenkins is None:
            raise InputError(
                "the cluster file has no section jenkins, so no masters can be made; allowed: --frameworks-only",
                hint=f"`{given(context).having(frameworks_only=True)}`",
            )
        plan = _plan(
            at.spec,
            frameworks=(frameworks or 100) if frameworks_only else (masters or 10),
            builds=builds if builds is not None else 3 if frameworks_only else 20,
            kind=kind,
            decline=decline,
            arrival=arrival,
            over=over,
            duration=duration,
            cpus=cpus or 0.1,
            mem=mem or 32,
            user=user or "nobody",
            canary_every=canary_every,
            max_seconds=max_seconds,
            seed=seed,
        )
        with masters_of(at.spec, at.cloud) as endpoints:
            if frameworks_only:
                result = load_test(at.spec.cluster, endpoints, plan, at.progress, beside_others=yes)
            else:
                if not yes:
                    refuse_to_disturb(endpoints)
                result = run_masters(open_tier(at, file), plan)
    path = result_file or Path(f"loadtest-{result.cluster}-{result.run}.json")
    path.write_text(to_json(result))
    print_note(f"result: {path}")
    _tell(result, bounds, page, as_json=as_json)


@verbs.command()
def report(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A file that `run` wrote.", show_default=False)],
    page: PageFile = None,
    max_starved: MaxStarved = 0,
    starved_after: StarvedAfter = 60,
    max_first_offer: MaxFirstOffer = 5,
    max_agent: MaxAgent = 30,
    max_canary: MaxCanary = 10,
    as_json: Json = False,
) -> None:
    """Judge a result again, or draw it.

    With other bounds, or as a page of charts. The exit code is 3 if a bound was missed.
    """
    from clusterctl.errors import InputError
    from clusterctl.load.result import from_json

    try:
        text = result.read_bytes()
    except OSError as error:
        raise InputError(f"can't read {result}: {error.strerror}") from error
    bounds = _thresholds(max_starved, starved_after, max_first_offer, max_agent, max_canary)
    _tell(from_json(text, str(result)), bounds, page, as_json=as_json)


@verbs.command()
def clean(context: typer.Context, file: File, yes: Yes = False, cloud: CloudName = None, as_json: Json = False) -> None:
    """Remove what a killed load test left."""
    _need_extra()
    from clusterctl.ops.jenkins.ground import open_tier
    from clusterctl.ops.loadtest.run import clean_up, masters_of
    from clusterctl.ops.loadtest.tier import remove

    masters: list[str] = []
    apps: list[str] = []
    with session(context) as at:
        if at.spec.jenkins is not None:
            masters, apps = remove(open_tier(at, file))
        with masters_of(at.spec, at.cloud) as endpoints:
            removed = clean_up(endpoints, even_at_work=yes)
    tasks = sum(each.tasks for each in removed)
    if as_json:
        print_json({"removed": [each.name for each in removed], "tasks": tasks, "masters": masters, "apps": apps})
        return
    found = {"frameworks": len(removed), "tasks": tasks, "Jenkins masters": len(masters), "apps": len(apps)}
    told = ", ".join(f"{what}: {count}" for what, count in found.items() if count)
    print_line(f"removed {told}" if told else "no load test has left anything")


# What only simulated frameworks are told, and what only real masters; those are as the cluster file says
_SIMULATED = ("frameworks", "kind", "decline", "cpus", "mem", "user")


def _refuse_foreign(context: typer.Context, frameworks_only: bool) -> None:
    from clusterctl.errors import InputError

    foreign = ("masters",) if frameworks_only else _SIMULATED
    if found := [f"--{name}" for name in foreign if context.params.get(name) is not None]:
        with_or_without = "without" if frameworks_only else "with"
        raise InputError(f"found {', '.join(found)}; allowed {with_or_without} --frameworks-only")


def _need_extra() -> None:
    from importlib.util import find_spec

    from clusterctl.errors import InputError

    if find_spec("aiohttp") is None:
        raise InputError("a load test needs aiohttp, which is not installed", hint="`pip install 'clusterctl[load]'`")


def _thresholds(starved: int, after: float, first_offer: float, agent: float, canary: float) -> Thresholds:
    from clusterctl.load.verdict import Thresholds

    return Thresholds(
        starved=starved, starved_after_s=after, first_offer_p99_s=first_offer, agent_p99_s=agent, canary_s=canary
    )


def _plan(
    spec: ClusterSpec,
    *,
    frameworks: int,
    builds: int,
    kind: KindName | None,
    decline: float | None,
    arrival: PatternName,
    over: float,
    duration: float,
    cpus: float,
    mem: float,
    user: str,
    canary_every: float,
    max_seconds: float,
    seed: int,
) -> LoadPlan:
    from pydantic import ValidationError

    from clusterctl.errors import InputError
    from clusterctl.load.defaults import decline_s_of, kind_of, role_of
    from clusterctl.load.plan import Canary, FrameworkGroup, LoadPlan

    group = FrameworkGroup(
        name="jenkins",
        kind=kind.value if kind else kind_of(spec),
        count=frameworks,
        role=role_of(spec),
        decline_s=decline_s_of(spec) if decline is None else decline,
        join_over_s=frameworks / _JOINS_PER_S,
        builds=builds,
        arrival=arrival.value,
        start_s=_START_S,
        over_s=over,
        run_s=duration,
        cpus=cpus,
        mem_mib=mem,
    )
    canary = None
    if canary_every:
        turns = max(int(over // canary_every), 1)
        canary = Canary(role=spec.marathon.role, turns=turns, start_s=_START_S, every_s=canary_every)
    try:
        return LoadPlan(groups=(group,), canary=canary, limit_s=max_seconds, seed=seed, user=user)
    except ValidationError as error:
        raise InputError(error.errors()[0]["msg"]) from error


# Frameworks that register a second, and when the first build comes
_JOINS_PER_S = 20
_START_S = 5.0


def _tell(result: LoadResult, bounds: Thresholds, page_file: Path | None, *, as_json: bool) -> None:
    from clusterctl.cli.tables import render_load
    from clusterctl.errors import UnhealthyError
    from clusterctl.load.page import page
    from clusterctl.load.verdict import summarise

    summary = summarise(result, bounds)
    if page_file is not None:
        page_file.write_text(page(result, summary))
        print_note(f"page: {page_file}")
    if as_json:
        print_json(summary.to_json())
    else:
        print_rich(render_load(result, summary))
    if not summary.ok:
        why = [check.line for check in summary.checks if not check.ok] or [f"the test was {result.ended}"]
        raise UnhealthyError("the load test did not pass: " + "; ".join(why))
