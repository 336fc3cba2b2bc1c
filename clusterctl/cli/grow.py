"""Verbs that grow, shrink and mend a cluster."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli.output import agrees, print_json, print_line, print_note
from clusterctl.cli.session import AnyImage, CloudName, File, Json, Session, StealLock, Timeout, session
from clusterctl.errors import CancelledError

if TYPE_CHECKING:
    from clusterctl.ops.grow.operation import Operation
    from clusterctl.ops.kit.access import Access
    from clusterctl.ops.observe.verify import VerifyReport
    from clusterctl.spec.model import ClusterSpec

Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
Force = Annotated[bool, typer.Option("--force", help="Don't wait for tasks to end on agents that go.")]
Deadline = Annotated[int, typer.Option("--deadline", min=1, help="Seconds for agents to be drained.")]


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(scale)
    app.command()(replace)
    app.command()(repair)
    app.command()(unlock)


def scale(
    file: File,
    counts: Annotated[
        list[str], typer.Argument(metavar="GROUP=N...", help="Groups and their new sizes.", show_default=False)
    ],
    cloud: CloudName = None,
    remove: Annotated[
        str | None,
        typer.Option(
            "--remove", metavar="NODE[,NODE]...", help="The agents that go; else the emptiest.", show_default=False
        ),
    ] = None,
    deadline: Deadline = 600,
    force: Force = False,
    volumes: Annotated[bool, typer.Option("--volumes", help="Delete the data volumes of nodes that go.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Change the counts in the cluster file, too.")] = False,
    image: AnyImage = None,
    timeout: Timeout = 1200,
    yes: Yes = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Grow or shrink groups; agents are drained before they go, ensembles change member by member."""
    from clusterctl import paths  # noqa: PLC0415  (here and below: `--help` must be quick)
    from clusterctl.counts import parse_counts  # noqa: PLC0415
    from clusterctl.ops.grow.nodework import RollingWork  # noqa: PLC0415
    from clusterctl.ops.grow.scale import scale as scale_cluster  # noqa: PLC0415
    from clusterctl.ops.grow.scale_checks import Options  # noqa: PLC0415
    from clusterctl.ops.kit.access import open_access  # noqa: PLC0415

    names = tuple(name for name in (remove or "").split(",") if name)
    options = [f"--remove {','.join(names)}"] if names else []
    options += [word for word, on in (("--force", force), ("--volumes", volumes), ("--write", write)) if on]
    go_on = " ".join(["clusterctl scale", str(file), *counts, *options]) + _image_option(image)
    with session(file, cloud, go_on=go_on) as at:
        wanted = parse_counts(counts, at.spec)
        text, lines = _new_text(file, wanted, must=write)
        access = open_access(at.spec, at.cloud)
        report = scale_cluster(
            _operation(at, access, "scale", go_on, timeout, image, steal=steal_lock),
            wanted,
            RollingWork(at.cloud, access, paths.data_root(), at.progress, go_on),
            lambda told: None if yes else _confirm_lines(told),
            Options(names, deadline, force, volumes),
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
    file: File,
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of a node.", show_default=False)],
    cloud: CloudName = None,
    deadline: Deadline = 600,
    force: Force = False,
    image: AnyImage = None,
    timeout: Timeout = 1200,
    yes: Yes = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Put a new server in place of a dead or sick one, with the node's name, address and volume."""
    from clusterctl.ops.grow.replace import replace as replace_node  # noqa: PLC0415
    from clusterctl.ops.kit.access import open_access  # noqa: PLC0415

    go_on = f"clusterctl replace {file} {node}{' --force' if force else ''}{_image_option(image)}"
    with session(file, cloud, go_on=go_on) as at:
        report = replace_node(
            _operation(at, open_access(at.spec, at.cloud), "replace", go_on, timeout, image, steal=steal_lock),
            node,
            lambda told: None if yes else _confirm_lines(told),
            deadline_s=deadline,
            force=force,
        )
    if as_json:
        print_json(report.to_json())
        return
    for name, tasks in report.moved.items():
        print_line(f"removed {name}; moved: {', '.join(tasks) or 'nothing'}")
    print_line(f"node {node}: {report.deleted} servers deleted, {report.created} made; the cluster is healthy")


def repair(
    file: File,
    cloud: CloudName = None,
    image: AnyImage = None,
    timeout: Timeout = 1200,
    yes: Annotated[bool, typer.Option("--yes", help="Do what is needed, instead of only telling.")] = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Find dead, duplicate and orphaned servers, ports and groups; mend them with --yes. Exit code 3: some are left."""
    from clusterctl.ops.grow.diagnosis import Remedy  # noqa: PLC0415
    from clusterctl.ops.grow.repair import repair as repair_cluster  # noqa: PLC0415
    from clusterctl.ops.kit.access import open_access  # noqa: PLC0415

    go_on = f"clusterctl repair {file} --yes{_image_option(image)}"
    with session(file, cloud, go_on=go_on) as at:
        operation = _operation(at, open_access(at.spec, at.cloud), "repair", go_on, timeout, image, steal=steal_lock)
        report = repair_cluster(operation, mend=yes)
    if as_json:
        print_json(report.to_json())
    else:
        for line in report.done:
            print_line(f"mended: {line}")
        for line in report.left if yes else [finding.line for finding in report.findings]:
            print_line(line)
        if not report.findings:
            print_line(f"cluster {report.cluster}: nothing to repair")
        elif not yes and any(finding.remedy is not Remedy.NONE for finding in report.findings):
            print_line(f"`{go_on}` does it")
    if not report.healthy or (yes and report.left):
        raise typer.Exit(3)


def unlock(file: File, cloud: CloudName = None, yes: Yes = False, as_json: Json = False) -> None:
    """Break the lock that a command left behind; only when that command is gone for good."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from clusterctl.ops.kit.lock import described  # noqa: PLC0415

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
    if not agrees(question):
        raise CancelledError("declined; nothing was done", hint="--yes does it without asking.")


def _confirm_lines(lines: Sequence[str]) -> None:
    for line in lines:
        print_note(line)
    confirm("Do it?")


def _image_option(image: str | None) -> str:
    return f" --image {image}" if image else ""


def _operation(
    at: Session, access: Access, command: str, go_on: str, timeout: int, image: str | None, *, steal: bool
) -> Operation:
    """What the operations of this module work with."""
    from clusterctl.ops.grow.operation import Operation  # noqa: PLC0415
    from clusterctl.ops.observe.verify import wait_healthy  # noqa: PLC0415
    from clusterctl.ops.roll.drain import open_drains  # noqa: PLC0415

    def wait(spec: ClusterSpec, fresh: bool) -> VerifyReport:
        deadline_s = timeout if fresh else min(timeout, 120)
        return wait_healthy(spec, at.cloud, access, deadline_s=deadline_s, note=at.progress.note)

    return Operation(
        spec=at.spec,
        cloud=at.cloud,
        prober=access.prober,
        progress=at.progress,
        wait_healthy=wait,
        drains=lambda servers: open_drains(at.spec, servers, access),
        guard=at.guard(command, steal=steal),
        go_on=go_on,
        build_timeout_s=timeout,
        image=image,
    )


def _new_text(file: Path, counts: dict[str, int], *, must: bool) -> tuple[str, list[str]]:
    """The file's text with these counts, and the lines that differ; what to say instead where it can't be done."""
    from clusterctl.counts import changed_lines  # noqa: PLC0415
    from clusterctl.errors import InputError  # noqa: PLC0415

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
