"""Verbs for what must not be lost: copying the state, and leading out of a lost majority."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clusterctl.cli.output import print_json, print_line
from clusterctl.cli.session import (
    AnyImage,
    CloudName,
    File,
    Json,
    StealLock,
    TaskTimeout,
    confirm,
    names,
    session,
    tasks_within,
)


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(backup)
    app.command()(recover)


def backup(
    context: typer.Context, file: File, cloud: CloudName = None, timeout: TaskTimeout = None, as_json: Json = False
) -> None:
    """Copy Marathon's state and ZooKeeper's files.

    To this machine, while the services go on: what `recover --from-backup` begins with.
    """
    from clusterctl.ops.backup.backup import back_up
    from clusterctl.ops.roll.ground import Rolling

    with session(context) as at, tasks_within(timeout), at.progress.phase("copy"):
        at.refuse_left_open()
        rolling = Rolling(at, None)
        made = back_up(rolling.hosts, rolling.cluster.look(), rolling.directory)
    if as_json:
        print_json({**made.manifest, "directory": str(made.directory)})
        return
    print_line(
        f"cluster {at.spec.cluster}: {made.manifest['tree']['nodes']} nodes of Marathon's tree in {made.directory}"
    )


def recover(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    members: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NODE[,NODE]...",
            help="Go on with these members; the servers of the others are deleted.",
            show_default=False,
        ),
    ] = None,
    backup: Annotated[
        Path | None,
        typer.Option(
            "--from-backup",
            metavar="DIRECTORY",
            help="Begin with empty members and Marathon's state of this backup.",
            show_default=False,
        ),
    ] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Begin with empty members: all apps are lost.")] = False,
    new_key: Annotated[
        bool,
        typer.Option("--new-key", help="Allow a new key of the cluster if it was lost with the control nodes."),
    ] = False,
    image: AnyImage = None,
    timeout: Annotated[int, typer.Option("--timeout", min=10, help="Seconds for all of it.")] = 1800,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Restore a cluster that lost a majority.

    For ZooKeepers or masters that have no majority left. Uses the survivors' data or, with an option, those of a backup
    or none. Says beforehand what will be lost, and asks for confirmation.
    """
    from clusterctl import paths
    from clusterctl.ops.grow.memberwork import RealMemberWork
    from clusterctl.ops.grow.operation import open_operation
    from clusterctl.ops.grow.recover import Source
    from clusterctl.ops.grow.recover import recover as recover_cluster

    source = Source(names(members), backup.absolute() if backup else None, empty, new_key)
    with session(context) as at:
        report = recover_cluster(
            open_operation(at, timeout_s=timeout, image=image, together=True),
            RealMemberWork(at, paths.data_root()),
            source,
            lambda told: None if yes else confirm("Do it?", told),
        )
    if as_json:
        print_json(report.to_json())
        return
    for line in report.lost:
        print_line(line)
    print_line(
        f"cluster {report.cluster}: went on with {', '.join(report.kept) or 'empty members'}; "
        f"made {', '.join(report.made) or 'none'}; healthy"
    )
