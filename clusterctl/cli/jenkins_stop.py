"""``clusterctl jenkins``: masters restarted, put to sleep and woken, deleted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli.grow import Yes
from clusterctl.cli.jenkins_session import (
    All,
    Batch,
    Force,
    Names,
    QuietTimeout,
    ReadyTimeout,
    WaitTimeout,
    chosen,
    print_outcome,
    quiet_timeout,
    reported,
    tier_of,
)
from clusterctl.cli.session import CloudName, File, Json, StealLock, confirm
from clusterctl.errors import InputError

if TYPE_CHECKING:
    from clusterctl.ops.jenkins.ground import Tier
    from clusterctl.ops.jenkins.stop import Manner


def register(app: typer.Typer) -> None:
    """Adds the verbs to ``clusterctl jenkins``."""
    for verb in (restart, hibernate, wake, delete):
        app.command()(verb)


def restart(
    context: typer.Context,
    file: File,
    names: Names = None,
    every: All = False,
    force: Force = False,
    quiet: QuietTimeout = None,
    timeout: ReadyTimeout = 600,
    batch: Batch = 10,
    cloud: CloudName = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Restart masters once no build runs on them.

    With what the cluster file says now; waits until each serves.
    """
    from clusterctl.ops.jenkins.stop import restart as restart_masters

    with tier_of(context) as tier:
        manner = _manner(tier, force, quiet, timeout, batch)
        out = reported(lambda: restart_masters(tier, chosen(tier, names, every), manner), as_json=as_json)
    if not as_json:
        print_outcome(out)


def hibernate(
    context: typer.Context,
    file: File,
    names: Names = None,
    every: All = False,
    idle: Annotated[
        str | None,
        typer.Option("--idle", metavar="TIME", help="All that were idle for this long: 4h.", show_default=False),
    ] = None,
    force: Force = False,
    quiet: QuietTimeout = None,
    timeout: WaitTimeout = None,
    cloud: CloudName = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Stop masters once no build runs on them.

    They keep their homes, and take nothing but disk.
    """
    from clusterctl.ops.jenkins.idle import idle_masters, span_s
    from clusterctl.ops.jenkins.stop import hibernate as hibernate_masters

    if idle is not None and (names or every):
        raise InputError("--idle: found with names or --all; allowed: by itself")
    span = None if idle is None else span_s(idle)
    with tier_of(context) as tier:
        found = chosen(tier, names, every) if span is None else idle_masters(tier, span, time.time())
        manner = _manner(tier, force, quiet)
        out = reported(lambda: hibernate_masters(tier, found, manner), as_json=as_json)
    if not as_json:
        print_outcome(out)


def wake(
    context: typer.Context,
    file: File,
    names: Names = None,
    every: All = False,
    timeout: ReadyTimeout = 600,
    batch: Batch = 10,
    cloud: CloudName = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Start masters that hibernate.

    Waits until each serves.
    """
    from clusterctl.ops.jenkins.stop import wake as wake_masters

    with tier_of(context) as tier:
        manner = _manner(tier, False, None, timeout, batch)
        out = reported(lambda: wake_masters(tier, chosen(tier, names, every), manner), as_json=as_json)
    if not as_json:
        print_outcome(out)


def delete(
    context: typer.Context,
    file: File,
    names: Names = None,
    every: All = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Delete the homes, too: jobs, builds and secrets, for good.")
    ] = False,
    force: Force = False,
    quiet: QuietTimeout = None,
    timeout: WaitTimeout = None,
    yes: Yes = False,
    cloud: CloudName = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Delete masters once no build runs on them.

    `create` with the same name takes a home up again that was kept.
    """
    from clusterctl.ops.jenkins.delete import delete as delete_masters

    def consent(lines: Sequence[str]) -> None:
        if not yes:
            confirm(f"Delete {len(lines)} Jenkins master{'s' * (len(lines) != 1)}?", lines)

    with tier_of(context) as tier:
        manner = _manner(tier, force, quiet)
        out = reported(
            lambda: delete_masters(tier, chosen(tier, names, every), manner, purge=purge, confirm=consent),
            as_json=as_json,
        )
    if not as_json:
        print_outcome(out)


def _manner(tier: Tier, force: bool, quiet: int | None, timeout: int = 600, batch: int = 10) -> Manner:
    from clusterctl.ops.jenkins.stop import Manner

    return Manner(force=force, quiet_timeout_s=quiet_timeout(tier, quiet), ready_timeout_s=timeout, batch=batch)
