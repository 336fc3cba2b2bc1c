"""Verbs that work on a running cluster through Ansible."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli.output import print_json, print_line, print_note, print_text, relay
from clusterctl.cli.session import DRIFT, CloudName, ExitCode, File, Json, session
from clusterctl.errors import InputError

if TYPE_CHECKING:
    from clusterctl.ops.day2.configure import ConfigureReport


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(inventory)
    app.command()(configure)
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run)


def inventory(
    file: File,
    cloud: CloudName = None,
    listing: Annotated[bool, typer.Option("--list", help="All hosts (the default).")] = True,
    host: Annotated[str | None, typer.Option("--host", help="Variables of one host.", show_default=False)] = None,
) -> None:
    """Print the cluster as an Ansible inventory (JSON); `inventory/clusterctl` is this as a script."""
    from clusterctl.ops.day2.inventory import cluster_inventory  # noqa: PLC0415
    from clusterctl.ops.kit.access import open_access  # noqa: PLC0415  (here and below: `--help` must be quick)

    with session(file, cloud, go_on=f"clusterctl inventory {file}") as at:
        found = cluster_inventory(at.spec, at.cloud, open_access(at.spec, at.cloud), _warn)
    print_json(found if host is None else found["_meta"]["hostvars"].get(host, {}))


def configure(
    file: File,
    cloud: CloudName = None,
    check: Annotated[bool, typer.Option("--check", help="Only tell what would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the changed lines.")] = False,
    limit: Annotated[
        str | None, typer.Option("--limit", help="Only these hosts (Ansible's pattern).", show_default=False)
    ] = None,
    exit_code: ExitCode = False,
    as_json: Json = False,
) -> None:
    """Bring every node's files and units to what the cluster file says; restarts nothing that runs."""
    from clusterctl import paths  # noqa: PLC0415
    from clusterctl.ops.day2.configure import configure as configure_cluster  # noqa: PLC0415
    from clusterctl.ops.day2.inventory import cluster_inventory  # noqa: PLC0415
    from clusterctl.ops.kit.access import open_access  # noqa: PLC0415
    from clusterctl.ops.roll.reconfigure import no_new_identity  # noqa: PLC0415

    if exit_code and not check:
        raise InputError("--exit-code: found without --check; allowed: with it, which changes nothing")
    with session(file, cloud, go_on=f"clusterctl configure {file}") as at:
        with at.progress.phase("inventory"):
            hosts = cluster_inventory(at.spec, at.cloud, open_access(at.spec, at.cloud), _warn)
            if not check:
                no_new_identity(at.spec, at.cloud, str(file))
        report = configure_cluster(
            hosts,
            data=paths.data_root(),
            progress=at.progress,
            check=check,
            diff=diff,
            limit=limit,
            file=str(file),
        )
    if as_json:
        print_json(report.to_json())
    else:
        _tell(report, diff=diff)
    if exit_code and (report.result.changed or report.pending):
        raise typer.Exit(DRIFT)


def _tell(report: ConfigureReport, *, diff: bool) -> None:
    if diff:
        print_text(report.result.output)
    for node, task in report.result.changes:
        print_line(f"{'would change' if report.check else 'changed'}: {node}: {task}")
    for node, unit in report.pending:
        print_line(f"restart pending: {node}: {unit}")
    print_line(f"{len(report.result.hosts)} nodes, changed={report.result.changed}")


def run(context: typer.Context, file: File, cloud: CloudName = None) -> None:
    """Run `ansible-playbook` or ad-hoc `ansible` with our inventory: `clusterctl run FILE -- zookeeper -m ping`."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    from clusterctl import paths  # noqa: PLC0415
    from clusterctl.ansible.playbook import ansible_program, environment, inventory_script  # noqa: PLC0415
    from clusterctl.ops.day2.inventory import cluster_inventory  # noqa: PLC0415
    from clusterctl.ops.kit.access import open_access  # noqa: PLC0415

    with session(file, cloud, go_on=f"clusterctl run {file}") as at:
        hosts = cluster_inventory(at.spec, at.cloud, open_access(at.spec, at.cloud), _warn)
        words = context.args
        is_playbook = any(word.endswith((".yml", ".yaml")) for word in words if not word.startswith("-"))
        program = ansible_program("ansible-playbook" if is_playbook else "ansible")
        with TemporaryDirectory(prefix="clusterctl-") as work:
            script = inventory_script(Path(work), hosts)
            command = [program, "-i", str(script), *words]
            code = relay(command, environment(paths.data_root() / "ansible.cfg"))
    raise typer.Exit(code)


def _warn(text: str) -> None:
    print_note(f"! {text}")
