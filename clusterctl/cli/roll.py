"""Verbs that work on a running cluster node by node: ``restart``, ``upgrade``, ``reconfigure``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli.output import print_json, print_line
from clusterctl.cli.session import CloudName, DrainTimeout, File, Json, StealLock, names, one_of, session
from clusterctl.services import RESTARTABLE, UPGRADABLE

if TYPE_CHECKING:
    from clusterctl.ops.roll.ground import Rolling
    from clusterctl.ops.roll.report import Journal

Only = Annotated[
    str | None, typer.Option("--only", metavar="NODE[,NODE]...", help="Only these nodes.", show_default=False)
]
Without = Annotated[
    str | None,
    typer.Option(
        "--without",
        metavar="AGENT[,AGENT]...",
        help="Leave these agents out, however they are: not judged, not touched.",
        show_default=False,
    ),
]
Batch = Annotated[str, typer.Option("--batch", metavar="N|N%", help="How many agents at once.")]
MaxFailures = Annotated[int, typer.Option("--max-failures", min=0, help="Agents that may fail before the run stops.")]
Patience = Annotated[
    int | None,
    typer.Option(
        "--timeout",
        min=10,
        help="Seconds for the cluster to be healthy again after a step; unless given 180, and 600 for Marathon.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(restart)
    app.command()(upgrade)
    app.command()(reconfigure)


def restart(
    context: typer.Context,
    file: File,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help=" | ".join(RESTARTABLE), show_default=False)],
    cloud: CloudName = None,
    only: Only = None,
    without: Without = None,
    batch: Batch = "20%",
    max_failures: MaxFailures = 0,
    timeout: Patience = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Restart a service node by node.

    The leader is the last; the cluster must be whole before and after each.
    """
    from clusterctl.ops.roll.restart import restart_service

    service = one_of(context, service, RESTARTABLE)
    with _rolling(context, timeout, without, as_json=as_json) as rolling:
        journal = restart_service(rolling, service, names(only), batch=batch, max_failures=max_failures)
    _print(journal, as_json)


def upgrade(
    context: typer.Context,
    file: File,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help=" | ".join(UPGRADABLE), show_default=False)],
    artifacts: Annotated[
        Path | None, typer.Option("--artifacts", help="The artifacts file (YAML) of the new version.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="The version expected.", show_default=False)] = None,
    previous: Annotated[
        Path | None,
        typer.Option("--previous", help="An older artifacts file, to roll a failed node back.", show_default=False),
    ] = None,
    cloud: CloudName = None,
    only: Only = None,
    without: Without = None,
    batch: Batch = "20%",
    max_failures: MaxFailures = 0,
    timeout: Patience = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Upgrade a service node by node.

    The leader is the last; nodes that have the version already are left alone.

    \b
    Examples:
      clusterctl upgrade demo.yml mesos --artifacts artifacts.yml
      clusterctl upgrade demo.yml marathon --artifacts artifacts.yml --to 1.11.25
      clusterctl upgrade demo.yml all --artifacts new.yml --previous artifacts.yml
    """
    from clusterctl.ops.upgrade.upgrade import Versions, upgrade_service

    service = one_of(context, service, UPGRADABLE)
    with _rolling(context, timeout, without, as_json=as_json) as rolling:
        journal = upgrade_service(
            rolling,
            service,
            names(only),
            Versions(artifacts, previous, to),
            batch=batch,
            max_failures=max_failures,
        )
    _print(journal, as_json)


def reconfigure(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    allow_drain: Annotated[
        bool, typer.Option("--allow-drain", help="Allow draining agents that need a new identity.")
    ] = False,
    drain_timeout: DrainTimeout = 600,
    only: Only = None,
    without: Without = None,
    batch: Batch = "20%",
    max_failures: MaxFailures = 0,
    timeout: Patience = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Roll out changed attributes of agents.

    Attributes, resources and reservations; `plan --agents` shows what that takes.
    """
    from clusterctl.ops.roll.reconfigure import reconfigure_agents

    with _rolling(context, timeout, without, as_json=as_json) as rolling:
        journal = reconfigure_agents(
            rolling,
            names(only),
            allow_drain=allow_drain,
            drain_timeout_s=drain_timeout,
            batch=batch,
            max_failures=max_failures,
        )
    _print(journal, as_json)


@contextmanager
def _rolling(context: typer.Context, timeout: int | None, without: str | None, *, as_json: bool) -> Iterator[Rolling]:
    """What a roll stands on, with the cluster's lock held; a roll that stops prints its report as well."""
    from clusterctl.ops.roll.ground import Rolling
    from clusterctl.ops.roll.report import RollError

    with session(context) as at:
        try:
            with at.guard.hold(at.spec.cluster, at.cloud):
                yield Rolling(at, timeout, names(without))
        except RollError as error:
            if as_json:
                print_json(error.journal.to_json())
            raise


def _print(journal: Journal, as_json: bool) -> None:
    if as_json:
        print_json(journal.to_json())
        return
    for service, name in journal.skipped:
        print_line(f"nothing to do: {service} on {name}")
    for service, name in journal.done:
        print_line(f"done: {service} on {name}")
    for line in journal.advice:
        print_line(line)
    print_line(f"{journal.what} of cluster {journal.cluster}: {len(journal.done)} done, healthy")
