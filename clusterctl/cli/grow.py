"""Verbs that grow, shrink and repair a cluster."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from clusterctl.cli.output import print_json, print_line
from clusterctl.cli.session import (
    AnyImage,
    CloudName,
    DrainTimeout,
    File,
    Json,
    Node,
    StealLock,
    Timeout,
    confirm,
    names,
    session,
)

Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
Force = Annotated[bool, typer.Option("--force", help="Don't wait for tasks to end on removed agents.")]


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(scale)
    app.command()(replace)
    app.command()(patch)
    app.command()(repair)
    app.command()(unlock)


def scale(
    context: typer.Context,
    file: File,
    counts: Annotated[
        list[str], typer.Argument(metavar="GROUP=N...", help="Groups and their new sizes.", show_default=False)
    ],
    cloud: CloudName = None,
    remove: Annotated[
        str | None,
        typer.Option(
            "--remove", metavar="NODE[,NODE]...", help="Agents to remove; by default the emptiest.", show_default=False
        ),
    ] = None,
    drain_timeout: DrainTimeout = 600,
    force: Force = False,
    volumes: Annotated[bool, typer.Option("--volumes", help="Delete the data volumes of removed nodes.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Change the counts in the cluster file, too.")] = False,
    image: AnyImage = None,
    timeout: Timeout = 1200,
    yes: Yes = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Grow or shrink groups of nodes.

    Agents are drained before they go; ensembles change member by member.

    \b
    Examples:
      clusterctl scale demo.yml builders=10
      clusterctl scale demo.yml builders=8 --remove demo-builders-1a2b3c-4 --write
      clusterctl scale demo.yml control=5
    """
    from clusterctl import paths
    from clusterctl.counts import parse_counts
    from clusterctl.ops.grow.nodework import RollingWork
    from clusterctl.ops.grow.operation import open_operation
    from clusterctl.ops.grow.scale import scale as scale_cluster
    from clusterctl.ops.grow.scale_checks import Options

    with session(context) as at:
        wanted = parse_counts(counts, at.spec)
        text, lines = _new_text(file, wanted, must=write)
        report = scale_cluster(
            open_operation(at, timeout_s=timeout, image=image),
            wanted,
            RollingWork(at, paths.data_root()),
            lambda told: None if yes else confirm("Do it?", told),
            Options(names(remove), drain_timeout, force, volumes),
        )
        if write and lines:
            _replace_text(file, text)
    if as_json:
        print_json({**report.to_json(), "file": {"written": write and bool(lines), "lines": lines}})
        return
    for change in report.changes:
        print_line(change.line)
    for name in report.removed:
        print_line(f"removed {name}; moved: {', '.join(report.moved.get(name, [])) or 'nothing'}")
    print_line(f"cluster {report.cluster}: {report.created} servers made, {len(report.removed)} removed; healthy")
    if lines:
        print_line(f"{'changed in' if write else 'change now in'} {file}, which is the desired state:")
        for line in lines:
            print_line(f"  {line}")


def replace(
    context: typer.Context,
    file: File,
    node: Node,
    cloud: CloudName = None,
    drain_timeout: DrainTimeout = 600,
    force: Force = False,
    image: AnyImage = None,
    timeout: Timeout = 1200,
    yes: Yes = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Replace a node's server with a new one.

    For a dead or sick one; the new server gets the node's name, address and volume.
    """
    from clusterctl.ops.grow.operation import open_operation
    from clusterctl.ops.grow.replace import replace as replace_node

    with session(context) as at:
        report = replace_node(
            open_operation(at, timeout_s=timeout, image=image),
            node,
            lambda told: None if yes else confirm("Do it?", told),
            deadline_s=drain_timeout,
            force=force,
        )
    if as_json:
        print_json(report.to_json())
        return
    for name, tasks in report.moved.items():
        print_line(f"removed {name}; moved: {', '.join(tasks) or 'nothing'}")
    print_line(f"node {node}: {report.deleted} servers deleted, {report.created} made; the cluster is healthy")


def patch(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="NODE[,NODE]...", help="Only these nodes.", show_default=False)
    ] = None,
    drain_timeout: DrainTimeout = 600,
    force: Force = False,
    image: AnyImage = None,
    timeout: Timeout = 1200,
    yes: Yes = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Replace nodes of older images, one by one.

    Brings updates of the operating system, after `clusterctl image build --max-age DAYS`. The cluster is healthy before
    the next node is replaced.
    """
    from clusterctl.ops.grow.operation import open_operation
    from clusterctl.ops.grow.patch import patch as patch_nodes

    with session(context) as at:
        report = patch_nodes(
            open_operation(at, timeout_s=timeout, image=image),
            names(only),
            lambda told: None if yes else confirm("Do it?", told),
            drain_s=drain_timeout,
            force=force,
        )
    if as_json:
        print_json(report.to_json())
        return
    for name in report.finished:
        print_line(f"finished {name}, which an earlier run had begun")
    for name in report.replaced:
        print_line(f"replaced {name}")
    images = ", ".join(sorted(set(report.image.values())))
    done = f"{len(report.replaced)} nodes replaced; healthy" if report.healthy else "nothing to do"
    print_line(f"cluster {report.cluster}: {done}; image {images}")


def repair(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    image: AnyImage = None,
    timeout: Timeout = 1200,
    apply: Annotated[bool, typer.Option("--apply", help="Do what is needed, instead of only listing it.")] = False,
    fresh_data: Annotated[
        str | None,
        typer.Option(
            "--fresh-data",
            metavar="NODE[,NODE]...",
            help="With --apply: set aside the broken data of these ensemble members, which then copy the others'.",
            show_default=False,
        ),
    ] = None,
    drain_timeout: DrainTimeout = 600,
    yes: Yes = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Find what is broken; fix it with --apply.

    Finds dead, duplicate and orphaned servers, ports and groups, and services that don't serve. Asks before tasks move
    or data are set aside. The exit code is 3 if something is left.
    """
    from clusterctl import paths
    from clusterctl.ops.grow.findings import Remedy
    from clusterctl.ops.grow.memberwork import RealMemberWork
    from clusterctl.ops.grow.operation import open_operation
    from clusterctl.ops.grow.repair import Consent
    from clusterctl.ops.grow.repair import repair as repair_cluster

    with session(context) as at:
        consent = Consent(
            lambda told: None if yes else confirm("Do it?", told), names(fresh_data), float(drain_timeout)
        )
        report = repair_cluster(
            open_operation(at, timeout_s=timeout, image=image, together=True),
            RealMemberWork(at, paths.data_root()),
            apply=apply,
            consent=consent,
        )
    if as_json:
        print_json(report.to_json())
    else:
        for line in report.done:
            print_line(f"fixed: {line}")
        for line in report.left if apply else [finding.line for finding in report.findings]:
            print_line(line)
        if not report.findings:
            print_line(f"cluster {report.cluster}: nothing to repair")
        elif not apply and any(finding.remedy is not Remedy.NONE for finding in report.findings):
            print_line(f"`{at.command.having(apply=True)}` does it")
    if not report.healthy or (apply and report.left):
        raise typer.Exit(3)


def unlock(
    context: typer.Context, file: File, cloud: CloudName = None, yes: Yes = False, as_json: Json = False
) -> None:
    """Break a lock that a command left behind.

    Only if that command no longer runs: a running one would not notice.
    """
    from clusterctl.ops.kit.lock import break_locks

    with session(context) as at:

        def consent(told: Sequence[str]) -> None:
            if not as_json:
                for line in told:
                    print_line(f"locked by {line}")
            if told and not yes:
                confirm(f"Break {len(told)} lock{'s' * (len(told) > 1)} of cluster {at.spec.cluster}?")

        broken = break_locks(at.spec.cluster, at.cloud, consent)
    if as_json:
        print_json({"cluster": at.spec.cluster, "broken": broken})
    else:
        print_line(f"cluster {at.spec.cluster}: {'unlocked' if broken else 'was not locked'}")


def _new_text(file: Path, counts: dict[str, int], *, must: bool) -> tuple[str, list[str]]:
    """The file's text with these counts, and the lines that differ; what to say instead where it can't be done."""
    from clusterctl.counts import changed_lines
    from clusterctl.errors import InputError

    text = file.read_text()
    try:
        return changed_lines(text, counts)
    except InputError as error:
        if must:
            raise
        return text, [error.message]


def _replace_text(file: Path, text: str) -> None:
    """In one step, so that a killed command leaves the old file or the new one."""
    target = file.resolve()
    new = target.with_name(f".{target.name}.new")
    new.write_text(text)
    shutil.copymode(target, new)
    new.replace(target)
