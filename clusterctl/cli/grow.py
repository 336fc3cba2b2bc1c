"""Verbs that grow, shrink and mend a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from clusterctl.cli.output import print_json, print_line
from clusterctl.cli.session import CloudName, File, Json, session
from clusterctl.errors import CancelledError

Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(unlock)


def unlock(file: File, cloud: CloudName = None, yes: Yes = False, as_json: Json = False) -> None:
    """Break the lock that a command left behind; only when that command is gone for good."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from clusterctl.ops.lock import described  # noqa: PLC0415  (here and below: `--help` must be quick)

    with session(file, cloud, go_on=f"clusterctl unlock {file}") as at:
        locks = at.cloud.locks(at.spec.cluster)
        told = [described(lock, datetime.now(UTC)) for lock in locks]
        if not as_json:
            for line in told:
                print_line(f"locked by {line}")
        if locks and not yes:
            confirm(f"Break {len(locks)} lock{'s' * (len(locks) > 1)} of cluster {at.spec.cluster}?")
        for lock in locks:
            at.cloud.delete_lock(lock.id)
    if as_json:
        print_json({"cluster": at.spec.cluster, "broken": told})
    else:
        print_line(f"cluster {at.spec.cluster}: {'unlocked' if told else 'was not locked'}")


def confirm(question: str) -> None:
    """Asks on standard error; anything but yes is a CancelledError."""
    if not typer.confirm(question, default=False, err=True):
        raise CancelledError("declined; nothing was done", hint="--yes does it without asking.")
