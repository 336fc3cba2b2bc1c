"""The verb that closes a cluster which serves."""

from __future__ import annotations

from typing import Annotated

import typer

from clusterctl.cli.output import print_json, print_line
from clusterctl.cli.roll import Batch, Patience
from clusterctl.cli.session import CloudName, File, Json, StealLock, confirm, session


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(secure)


def secure(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    batch: Batch = "20%",
    timeout: Patience = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Close an open cluster while it serves.

    Closes what the section `security` of the file says: node by node, while tasks run. If a run was stopped, the same
    command finishes it.
    """
    from clusterctl.ops.lifecycle.create import create, plan_cluster
    from clusterctl.ops.observe.healthy import healthy_within
    from clusterctl.ops.roll.ground import Rolling
    from clusterctl.ops.roll.report import RollError
    from clusterctl.ops.secure.secure import secure as secure_cluster

    with session(context) as at:
        try:
            with at.guard.hold(at.spec.cluster, at.cloud):
                report = secure_cluster(
                    Rolling(at, timeout), lambda told: None if yes else confirm("Do it?", told), batch=batch
                )
        except RollError as error:
            if as_json:
                print_json(error.journal.to_json())
            raise
        _, _, plan = plan_cluster(at.spec, at.cloud)
        if not plan.network.empty:
            create(at, wait_healthy=healthy_within(at, timeout or 600))
            report.seconds = dict(at.progress.seconds)
    if as_json:
        print_json({**report.to_json(), "security_groups": not plan.network.empty})
        return
    for stage in report.stages:
        print_line(f"{stage['stage']}: {stage['changed']} changes, {len(stage['restarted'])} restarts")
    if not plan.network.empty:
        print_line("security groups are as in the file")
    still = f"; open: {', '.join(report.still_open)}" if report.still_open else ""
    print_line(f"cluster {report.cluster}: closed: {', '.join(report.closed) or 'nothing'}{still}; healthy")
