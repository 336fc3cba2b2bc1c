"""``clusterctl jenkins``: homes backed up, restored and moved; masters upgraded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli.grow import Yes
from clusterctl.cli.jenkins_session import (
    All,
    Batch,
    Force,
    Name,
    Names,
    QuietTimeout,
    ReadyTimeout,
    WaitTimeout,
    chosen,
    named,
    print_outcome,
    quiet_timeout,
    reported,
    tier_of,
)
from clusterctl.cli.output import print_line
from clusterctl.cli.session import CloudName, File, Json, StealLock, confirm

if TYPE_CHECKING:
    from clusterctl.ops.jenkins.outcome import Outcome

Node = Annotated[str, typer.Argument(metavar="NODE", help="A node for masters.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Adds the verbs to ``clusterctl jenkins``."""
    for verb in (backup, restore, move, prune, upgrade):
        app.command()(verb)


def backup(
    context: typer.Context,
    file: File,
    names: Names = None,
    every: All = False,
    directory: Annotated[
        Path | None, typer.Option("--directory", help="Where archives go, instead of the file's.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Don't wait for running builds.")] = False,
    quiet: QuietTimeout = None,
    timeout: WaitTimeout = None,
    cloud: CloudName = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Back up the homes of masters.

    As archives on this machine, or as snapshots of the nodes' volumes; `jenkins.backup.method` of the file says which.
    Both hold the masters' secrets.
    """
    from clusterctl.ops.jenkins.archives import directory_of
    from clusterctl.ops.jenkins.backup import backup as back_up
    from clusterctl.ops.jenkins.stop import Manner

    with tier_of(context) as tier:
        manner = Manner(force=force, quiet_timeout_s=quiet_timeout(tier, quiet))
        taken = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        target = directory_of(tier, directory)
        out = reported(lambda: back_up(tier, chosen(tier, names, every), manner, target, taken), as_json=as_json)
    if not as_json:
        print_outcome(out)


def restore(
    context: typer.Context,
    file: File,
    archive: Annotated[
        str,
        typer.Argument(
            metavar="ARCHIVE", help="A .tar.gz of `backup`; with --snapshot a master's name.", show_default=False
        ),
    ],
    snapshot: Annotated[
        str | None,
        typer.Option("--snapshot", help="Take the home out of this snapshot of `backup`.", show_default=False),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Restore it under this name.", show_default=False)] = None,
    node: Annotated[str | None, typer.Option("--node", help="On this node.", show_default=False)] = None,
    force: Force = False,
    quiet: QuietTimeout = None,
    timeout: ReadyTimeout = 600,
    cloud: CloudName = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Make a master of a backup.

    A home that is there is set aside, and its master stopped before.

    \b
    Examples:
      clusterctl jenkins restore demo.yml alice-20261126T153000Z.tar.gz
      clusterctl jenkins restore demo.yml alice --snapshot demo-jenkins-1-20261126T153000Z
    """
    from clusterctl.ops.jenkins.restore import restore as restore_home
    from clusterctl.ops.jenkins.restore import restore_snapshot
    from clusterctl.ops.jenkins.stop import Manner

    with tier_of(context) as tier:
        manner = Manner(force=force, quiet_timeout_s=quiet_timeout(tier, quiet), ready_timeout_s=timeout)

        def work() -> Outcome:
            if snapshot is not None:
                return restore_snapshot(tier, snapshot, archive, manner, name=name, node=node)
            return restore_home(tier, Path(archive), manner, name=name, node=node)

        out = reported(work, as_json=as_json)
    if not as_json:
        print_outcome(out)


def move(
    context: typer.Context,
    file: File,
    name: Name,
    node: Node,
    force: Force = False,
    quiet: QuietTimeout = None,
    timeout: ReadyTimeout = 600,
    cloud: CloudName = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Bring a master to another node.

    With its home, once no build runs on it.
    """
    from clusterctl.ops.jenkins.restore import move as move_master
    from clusterctl.ops.jenkins.stop import Manner

    with tier_of(context) as tier:
        manner = Manner(force=force, quiet_timeout_s=quiet_timeout(tier, quiet), ready_timeout_s=timeout)
        out = reported(lambda: move_master(tier, name, node, manner), as_json=as_json)
    if not as_json:
        print_outcome(out)


def prune(
    context: typer.Context,
    file: File,
    names: Names = None,
    every: All = False,
    keep: Annotated[int, typer.Option("--keep", min=0, help="The newest of each master stay.")] = 0,
    yes: Yes = False,
    cloud: CloudName = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Delete homes that were set aside.

    By `restore` and `move`, and no more needed; `list` shows how many there are.
    """
    from clusterctl.ops.jenkins.prune import prune as prune_homes

    wanted = named(names, every)

    def consent(lines: Sequence[str]) -> None:
        if not yes:
            confirm(f"Delete {len(lines)} home{'s' * (len(lines) != 1)} for good?", lines)

    with tier_of(context) as tier:
        out = reported(lambda: prune_homes(tier, wanted, keep=keep, confirm=consent), as_json=as_json)
    if not as_json:
        print_outcome(out)
        if not out.done:
            print_line("no home to delete")


def upgrade(
    context: typer.Context,
    file: File,
    names: Names = None,
    every: All = False,
    artifacts: Annotated[
        Path | None,
        typer.Option("--artifacts", help="Bring the war and plugins of this artifacts file.", show_default=False),
    ] = None,
    release: Annotated[
        str | None, typer.Option("--release", help="A release that the nodes already have.", show_default=False)
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--directory", help="Where archives go, instead of the file's.", show_default=False)
    ] = None,
    force: Force = False,
    quiet: QuietTimeout = None,
    timeout: ReadyTimeout = 600,
    batch: Batch = 10,
    cloud: CloudName = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Give masters another war and plugins.

    One alone, then batches; one that fails goes back to its own.
    """
    from clusterctl import paths
    from clusterctl.errors import InputError
    from clusterctl.ops.day2.hosts import ansible_hosts
    from clusterctl.ops.day2.inventory import cluster_inventory
    from clusterctl.ops.jenkins.archives import directory_of
    from clusterctl.ops.jenkins.stop import Manner
    from clusterctl.ops.jenkins.upgrade import stage
    from clusterctl.ops.jenkins.upgrade import upgrade as upgrade_masters
    from clusterctl.spec.artifacts import ImageSpec
    from clusterctl.spec.load import load_model

    if (artifacts is None) == (release is None):
        raise InputError("--artifacts, --release: found both or none; allowed: one")
    spec = load_model(artifacts, ImageSpec) if artifacts else None
    with tier_of(context) as tier:
        wanted = chosen(tier, names, every)
        if spec is not None and artifacts is not None:
            with tier.run.progress.phase("artifacts"):
                inventory = cluster_inventory(tier.spec, tier.run.cloud, tier.run.access)
                hosts = ansible_hosts(tier.run, inventory, paths.data_root())
                release = stage(tier, hosts, spec, artifacts.parent, paths.cache_root() / "artifacts")
        manner = Manner(force=force, quiet_timeout_s=quiet_timeout(tier, quiet), ready_timeout_s=timeout, batch=batch)
        taken = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        target = directory_of(tier, directory)
        out = reported(lambda: upgrade_masters(tier, wanted, str(release), manner, target, taken), as_json=as_json)
    if not as_json:
        print_outcome(out)
