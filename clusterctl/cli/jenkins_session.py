"""What the verbs of the Jenkins tier share: options, the tier, reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from clusterctl.cli.output import print_json, print_line
from clusterctl.cli.session import session
from clusterctl.errors import InputError

if TYPE_CHECKING:
    from clusterctl.ops.jenkins.ground import Tier, TierReport
    from clusterctl.ops.jenkins.outcome import Outcome

Name = Annotated[str, typer.Argument(metavar="NAME", help="A master.", show_default=False)]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Masters.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All masters.")]
ReadyTimeout = Annotated[int, typer.Option("--timeout", min=10, help="Seconds for a batch to be ready.")]
WaitTimeout = Annotated[
    int | None,
    typer.Option("--timeout", min=10, help="Seconds for each wait but that for running builds.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Don't wait for running builds; they are lost.")]
QuietTimeout = Annotated[
    int | None,
    typer.Option("--quiet-timeout", min=0, help="Seconds to wait for running builds.", show_default=False),
]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Masters at a time.")]

R = TypeVar("R", bound="TierReport")


@contextmanager
def tier_of(context: typer.Context) -> Iterator[Tier]:
    """The tier, for one verb."""
    from clusterctl.ops.jenkins.ground import open_tier

    with session(context) as run:
        yield open_tier(run, context.params["file"])


def reported(work: Callable[[], R], *, as_json: bool) -> R:
    """The report of ``work``; a document of it is printed also when some masters failed."""
    from clusterctl.ops.jenkins.ground import PartlyFailed

    try:
        report = work()
    except PartlyFailed as error:
        if as_json:
            print_json(error.report.to_json())
        raise
    if as_json:
        print_json(report.to_json())
    return report


def chosen(tier: Tier, names: Sequence[str] | None, every: bool) -> list[str]:
    """The names that were given, or all there are. Raises as ``named``."""
    given = named(names, every)
    return list(tier.survey().masters) if given is None else given


def named(names: Sequence[str] | None, every: bool) -> list[str] | None:
    """The names that were given, each once; None for all.

    Raises:
        InputError: neither or both.
    """
    if bool(names) == every:
        raise InputError(
            "NAME: found none; allowed: names of masters, or --all"
            if not names
            else "--all: found with names; allowed: one of both"
        )
    return None if every else list(dict.fromkeys(names or ()))


def quiet_timeout(tier: Tier, given: int | None) -> float:
    """Seconds to wait for running builds: the option, else ``jenkins.backup.quiet_timeout_s``."""
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    return float(tier.spec.jenkins.backup.quiet_timeout_s if given is None else given)


def print_outcome(out: Outcome) -> None:
    """One line a master."""
    for name, text in out.done.items():
        print_line(f"{name}: {text}")
    for name, text in out.skipped.items():
        print_line(f"{name}: nothing to do, {text}")
