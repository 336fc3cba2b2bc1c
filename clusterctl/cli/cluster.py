"""Verbs that make, ask and remove a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli.output import ask, print_json, print_line, print_rich
from clusterctl.cli.session import AnyImage, CloudName, File, Json, StealLock, Timeout, session
from clusterctl.errors import CancelledError

if TYPE_CHECKING:
    from clusterctl.ops.observe.verify import VerifyReport
    from clusterctl.spec.model import ClusterSpec


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(create)
    app.command()(status)
    app.command()(verify)
    app.command()(destroy)


def create(
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
    """Bring a cluster up, or finish one that was left half-made; a whole one is left alone."""
    from clusterctl.ops.kit.access import open_access  # noqa: PLC0415  (here and below: `--help` must be quick)
    from clusterctl.ops.lifecycle.create import create as create_cluster  # noqa: PLC0415
    from clusterctl.ops.observe.verify import wait_healthy  # noqa: PLC0415

    options = (" --no-wait" if no_wait else "") + (f" --image {image}" if image else "")
    with session(file, cloud, go_on=f"clusterctl create {file}{options}") as at:
        access = open_access(at.spec, at.cloud)

        def wait(spec: ClusterSpec, fresh: bool) -> VerifyReport:
            return wait_healthy(
                spec, at.cloud, access, deadline_s=timeout if fresh else min(timeout, 120), note=at.progress.note
            )

        report = create_cluster(
            at.spec,
            at.cloud,
            progress=at.progress,
            wait_healthy=None if no_wait else wait,
            guard=at.guard("create", steal=steal_lock),
            file=str(file),
            build_timeout_s=timeout,
            image=image,
        )
    if as_json:
        print_json(report.to_json())
        return
    wrote = report.api_calls["write"]
    made = f"{report.created} servers made" if wrote else "nothing to do, no writing call was sent"
    if report.healthy is None:
        print_line(f"cluster {report.cluster}: the servers of its {report.nodes} nodes are built; {made}")
        print_line(f"not waited for their boot, not verified: `clusterctl verify {file}` tells whether they serve")
    else:
        print_line(f"cluster {report.cluster}: {report.nodes} nodes, healthy; {made}")
    if report.rebuilt:
        print_line(f"built at a later try: {', '.join(report.rebuilt)}")
    for problem in report.problems:
        print_line(f"! {problem}")


def status(
    file: File,
    seconds: Annotated[
        float, typer.Argument(metavar="[SECONDS]", min=1, help="With --watch: between two looks.")
    ] = 5.0,
    cloud: CloudName = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show the nodes with their services, the leaders, and what is used."""
    from clusterctl.cli.tables import render_status  # noqa: PLC0415
    from clusterctl.ops.kit.access import open_access  # noqa: PLC0415
    from clusterctl.ops.observe.status import collect_status  # noqa: PLC0415

    with session(file, cloud, go_on=f"clusterctl status {file}") as at:
        prober = open_access(at.spec, at.cloud).prober
        if watch:
            from clusterctl.cli.live import show  # noqa: PLC0415
            from clusterctl.ops.observe.watch import watch as looks  # noqa: PLC0415

            show(looks(lambda: collect_status(at.spec, at.cloud, prober), every_s=seconds), as_json=as_json)
            return
        report = collect_status(at.spec, at.cloud, prober)
    if as_json:
        print_json(report.to_json())
    else:
        print_rich(render_status(report))


def verify(
    file: File,
    cloud: CloudName = None,
    deep: Annotated[bool, typer.Option("--deep", help="Ask every agent's node, too.")] = False,
    as_json: Json = False,
) -> None:
    """Ask the services whether the cluster is healthy; exit code 3 if it isn't."""
    from clusterctl.cli.tables import render_verify  # noqa: PLC0415
    from clusterctl.ops.kit.access import open_access  # noqa: PLC0415
    from clusterctl.ops.observe.verify import verify as verify_cluster  # noqa: PLC0415

    with session(file, cloud, go_on=f"clusterctl verify {file}") as at:
        prober = open_access(at.spec, at.cloud).prober
        report = verify_cluster(at.spec, at.cloud.servers(at.spec.cluster), at.cloud.flavors(), prober, deep=deep)
    if as_json:
        print_json(report.to_json())
    else:
        print_rich(render_verify(report))
    if not report.healthy:
        raise typer.Exit(3)


def destroy(
    file: File,
    cloud: CloudName = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for the cluster's name.")] = False,
    volumes: Annotated[bool, typer.Option("--volumes", help="Delete data volumes, too.")] = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Delete a cluster: what carries its marks and nothing else; data volumes stay unless asked for."""
    from clusterctl.ops.lifecycle.destroy import destroy as destroy_cluster  # noqa: PLC0415

    go_on = f"clusterctl destroy {file}{' --volumes' if volumes else ''}"
    with session(file, cloud, go_on=go_on) as at:
        if not yes:
            _confirm(at.spec, at.cloud.observe(at.spec.cluster).counts, volumes)
        guard = at.guard("destroy", steal=steal_lock)
        report = destroy_cluster(at.spec.cluster, at.cloud, progress=at.progress, with_volumes=volumes, guard=guard)
    if as_json:
        print_json(report.to_json())
        return
    deleted = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in report.deleted.items() if count)
    print_line(f"cluster {at.spec.cluster}: deleted {deleted or 'nothing; there was nothing'}")
    print_line("left: " + ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in report.left.items()))
    if report.kept_volumes:
        print_line(f"kept volumes: {', '.join(report.kept_volumes)}; `{go_on} --volumes` deletes them")


def _confirm(spec: ClusterSpec, counts: dict[str, int], volumes: bool) -> None:
    kinds = [f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items() if volumes or kind != "volumes"]
    answer = ask(
        f"This deletes {', '.join(kinds)} of cluster {spec.cluster} in cloud {spec.cloud}.\n"
        "Type the cluster's name to go on"
    )
    if answer != spec.cluster:
        raise CancelledError("the name doesn't match; nothing was deleted", hint="--yes deletes without asking.")
