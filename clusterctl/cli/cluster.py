"""Verbs that make, ask and remove a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli.output import ask, print_json, print_line, print_rich
from clusterctl.cli.session import AnyImage, CloudName, File, Json, StealLock, Timeout, session
from clusterctl.errors import CancelledError

if TYPE_CHECKING:
    from clusterctl.ops.kit.run import Run


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(create)
    app.command()(status)
    app.command()(verify)
    app.command()(destroy)


def create(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    timeout: Timeout = 1200,
    no_wait: Annotated[
        bool,
        typer.Option("--no-wait", help="End when the servers are ACTIVE; whether nodes boot and serve stays unknown."),
    ] = False,
    image: AnyImage = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Bring a cluster up, or finish one.

    What is there already is left alone; a complete cluster costs no writing call.
    """
    from clusterctl.ops.lifecycle.create import create as create_cluster
    from clusterctl.ops.observe.healthy import healthy_within

    with session(context) as at:
        report = create_cluster(
            at, wait_healthy=None if no_wait else healthy_within(at, timeout), build_timeout_s=timeout, image=image
        )
    if as_json:
        print_json(report.to_json())
        return
    wrote = report.api_calls["write"]
    made = f"{report.created} servers made" if wrote else "nothing to do, no writing call was sent"
    if report.healthy is None:
        print_line(f"cluster {report.cluster}: the servers of its {report.nodes} nodes are built; {made}")
        print_line("their boot and services were not checked: `clusterctl verify FILE` shows whether they serve")
    else:
        print_line(f"cluster {report.cluster}: {report.nodes} nodes, healthy; {made}")
    if report.rebuilt:
        print_line(f"built after a retry: {', '.join(report.rebuilt)}")
    for problem in report.problems:
        print_line(f"! {problem}")


def status(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=1, help="With --watch: seconds between refreshes.")
    ] = 5.0,
    as_json: Json = False,
) -> None:
    """Show nodes, services, leaders and use."""
    from clusterctl.cli.tables import render_status
    from clusterctl.ops.observe.status import collect_status
    from clusterctl.ops.observe.status import watch as looks

    with session(context) as at:
        if watch:
            from clusterctl.cli.live import show

            show(looks(lambda: collect_status(at.spec, at.cloud, at.access.prober), every_s=interval), as_json=as_json)
            return
        report = collect_status(at.spec, at.cloud, at.access.prober)
    if as_json:
        print_json(report.to_json())
    else:
        print_rich(render_status(report))


def verify(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    deep: Annotated[bool, typer.Option("--deep", help="Ask every agent's node, too.")] = False,
    as_json: Json = False,
) -> None:
    """Ask the services whether all is healthy.

    The exit code is 3 if it isn't.
    """
    from clusterctl.cli.tables import render_verify
    from clusterctl.ops.kit.leftopen import closed_check, left_open
    from clusterctl.ops.kit.standing import ask_standing
    from clusterctl.ops.kit.turning import told_epochs, turning_check
    from clusterctl.ops.observe.verify import verify as verify_cluster

    with session(context) as at:
        servers = at.cloud.servers(at.spec.cluster)
        report = verify_cluster(at.spec, servers, at.cloud.flavors(), at.access.prober, deep=deep)
        if at.spec.has_secrets:
            standing = ask_standing(at.access, servers)
            closed = closed_check(at.spec, left_open(at.spec, servers, standing))
            turn = turning_check(told_epochs(standing))
            report = replace(report, checks=(*report.checks, closed, turn))
    if as_json:
        print_json(report.to_json())
    else:
        print_rich(render_verify(report))
    if not report.healthy:
        raise typer.Exit(3)


def destroy(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for the cluster's name.")] = False,
    volumes: Annotated[bool, typer.Option("--volumes", help="Delete data volumes, too.")] = False,
    timeout: Annotated[int, typer.Option("--timeout", min=10, help="Seconds for all of it.")] = 600,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Delete a cluster; data volumes stay.

    Deletes what carries the cluster's marks and nothing else; data volumes only with --volumes.
    """
    from clusterctl.ops.kit.run import counted
    from clusterctl.ops.lifecycle.destroy import destroy as destroy_cluster

    with session(context) as at:
        if not yes:
            _confirm(at, volumes=volumes)
        report = destroy_cluster(at, with_volumes=volumes, timeout_s=timeout)
    if as_json:
        print_json(report.to_json())
        return
    deleted = {kind: count for kind, count in report.deleted.items() if count}
    print_line(f"cluster {at.spec.cluster}: {f'deleted {counted(deleted)}' if deleted else 'nothing to delete'}")
    print_line(f"left: {counted(report.left)}")
    if report.kept_volumes:
        more = at.command.having(volumes=True)
        print_line(f"kept volumes: {', '.join(report.kept_volumes)}; `{more}` deletes them")
    if report.kept_key:
        print_line(f"kept in the key manager, as long as there are volumes: {report.kept_key}")


def _confirm(at: Run, *, volumes: bool) -> None:
    from clusterctl.ops.kit.run import counted

    counts = at.cloud.observe(at.spec.cluster).counts
    doomed = {kind: count for kind, count in counts.items() if volumes or kind != "volumes"}
    answer = ask(
        f"This deletes {counted(doomed)} of cluster {at.spec.cluster} in cloud {at.spec.cloud}.\n"
        "Type the cluster's name to go on"
    )
    if answer != at.spec.cluster:
        raise CancelledError("the name doesn't match; nothing was deleted", hint="--yes deletes without asking.")
