"""``clusterctl secrets``: the secrets of a closed cluster are turned over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from clusterctl.cli.jenkins_session import QuietTimeout, quiet_timeout
from clusterctl.cli.output import print_json, print_line
from clusterctl.cli.roll import Batch, Patience
from clusterctl.cli.session import CloudName, File, Json, StealLock, confirm, session


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    family = typer.Typer(
        name="secrets",
        help="Rotate the secrets of a closed cluster.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    family.command()(rotate)
    # one verb would be taken for the family itself
    family.callback()(_family)
    app.add_typer(family)


def _family() -> None:
    pass


def rotate(
    context: typer.Context,
    file: File,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Secrets to turn, e.g. marathon/http; all unless given.", show_default=False
        ),
    ] = None,
    cloud: CloudName = None,
    batch: Batch = "20%",
    timeout: Patience = None,
    quiet: QuietTimeout = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Give a closed cluster new secrets.

    Node by node, while tasks run; the old ones are refused afterwards. Jenkins masters restart once no build runs on
    them. If a run was stopped, the same command finishes it.

    \b
    Examples:
      clusterctl secrets rotate demo.yml
      clusterctl secrets rotate demo.yml marathon/http mesos/operator --yes
    """
    from clusterctl.ops.jenkins.ground import open_tier
    from clusterctl.ops.jenkins.stop import Manner
    from clusterctl.ops.jenkins.turn import restart_turned
    from clusterctl.ops.roll.ground import Rolling
    from clusterctl.ops.roll.report import RollError
    from clusterctl.ops.secure.rotate import checked
    from clusterctl.ops.secure.rotate import rotate as rotate_secrets

    with session(context) as at:
        checked(at.spec, names or ())

        def tenants(principals: Mapping[int, str]) -> list[str]:
            tier = open_tier(at, file)
            return restart_turned(tier, principals, Manner(quiet_timeout_s=quiet_timeout(tier, quiet)))

        try:
            with at.guard.hold(at.spec.cluster, at.cloud):
                report = rotate_secrets(
                    Rolling(at, timeout),
                    names or (),
                    lambda told: None if yes else confirm("Do it?", told),
                    batch=batch,
                    tenants=tenants,
                )
        except RollError as error:
            if as_json:
                print_json(error.journal.to_json())
            raise
    if as_json:
        print_json(report.to_json())
        return
    for stage in report.stages:
        print_line(f"{stage['stage']}: {stage['changed']} files, {len(stage['restarted'])} restarts")
    print_line(f"cluster {report.cluster}: {len(report.epochs)} secrets turned; the last ones are refused; healthy")
