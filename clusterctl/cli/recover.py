"""The verb that leads a cluster out that has lost the majority of an ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clusterctl.cli.output import print_json, print_line
from clusterctl.cli.session import AnyImage, CloudName, File, Json, StealLock, confirm, names, session


def register(app: typer.Typer) -> None:
    """Adds the verb to the program."""
    app.command()(recover)


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
    image: AnyImage = None,
    timeout: Annotated[int, typer.Option("--timeout", min=10, help="Seconds for all of it.")] = 1800,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Lead out of a lost majority.

    For ZooKeepers or masters of which no majority is left. Goes on with the survivors' data; or, by word, with a
    backup's or none. Says beforehand what will be lost, and asks.
    """
    from clusterctl import paths
    from clusterctl.ops.grow.memberwork import RealMemberWork
    from clusterctl.ops.grow.operation import open_operation
    from clusterctl.ops.grow.recover import Source
    from clusterctl.ops.grow.recover import recover as recover_cluster

    source = Source(names(members), backup.absolute() if backup else None, empty)
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
