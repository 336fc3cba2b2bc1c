"""Verbs that work on a running cluster through Ansible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli.output import print_json, print_line, print_text, relay
from clusterctl.cli.session import DRIFT, CloudName, ExitCode, File, Json, TaskTimeout, session, tasks_within
from clusterctl.errors import InputError

if TYPE_CHECKING:
    from clusterctl.ops.day2.configure import ConfigureReport


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(inventory)
    app.command()(configure)
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run)


def inventory(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    listing: Annotated[bool, typer.Option("--list", help="All hosts (the default).")] = True,
    host: Annotated[str | None, typer.Option("--host", help="Variables of one host.", show_default=False)] = None,
) -> None:
    """Print the cluster as an Ansible inventory.

    `inventory/clusterctl` is this as a script.
    """
    from clusterctl.ops.day2.inventory import cluster_inventory

    with session(context) as at:
        found = cluster_inventory(at.spec, at.cloud, at.access, at.warn)
    print_json(found if host is None else found["_meta"]["hostvars"].get(host, {}))


def configure(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    check: Annotated[bool, typer.Option("--check", help="Only show what would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the changed lines.")] = False,
    limit: Annotated[
        str | None, typer.Option("--limit", help="Only these hosts (Ansible's pattern).", show_default=False)
    ] = None,
    timeout: TaskTimeout = None,
    exit_code: ExitCode = False,
    as_json: Json = False,
) -> None:
    """Bring nodes to what the cluster file says.

    Files and units of every node; restarts nothing that runs.
    """
    from clusterctl import paths
    from clusterctl.ops.day2.configure import configure as configure_cluster
    from clusterctl.ops.day2.configure import give_secrets
    from clusterctl.ops.day2.inventory import cluster_inventory
    from clusterctl.ops.day2.nospace import disks_of, naming_full_disks
    from clusterctl.ops.roll.reconfigure import no_new_identity

    if exit_code and not check:
        raise InputError("--exit-code: found without --check; allowed: with it, which changes nothing")
    with session(context) as at, tasks_within(timeout):
        with at.progress.phase("inventory"):
            hosts = cluster_inventory(at.spec, at.cloud, at.access, at.warn)
            if not check:
                no_new_identity(at)
        with naming_full_disks(disks_of(at)):
            report = configure_cluster(
                hosts,
                data=paths.data_root(),
                progress=at.progress,
                check=check,
                diff=diff,
                limit=limit,
                give_secrets=lambda names: give_secrets(at, names, look=check),
            )
    if as_json:
        print_json(report.to_json())
    else:
        _tell(report, diff=diff)
    if exit_code and (report.changed or report.pending):
        raise typer.Exit(DRIFT)


def _tell(report: ConfigureReport, *, diff: bool) -> None:
    if diff:
        print_text(report.result.output)
    for node, task in report.changes:
        print_line(f"{'would change' if report.check else 'changed'}: {node}: {task}")
    for node, unit in report.pending:
        print_line(f"restart pending: {node}: {unit}")
    print_line(f"{len(report.result.hosts)} nodes, changed={report.changed}")


def run(context: typer.Context, file: File, cloud: CloudName = None) -> None:
    """Run Ansible with the cluster's inventory.

    \b
    Examples:
      clusterctl run demo.yml -- zookeeper -m ping
      clusterctl run demo.yml -- all -b -m command -a 'systemctl is-active mesos-agent'
      clusterctl run demo.yml -- mine.yml --limit group_builders
    """
    from clusterctl import paths
    from clusterctl.ansible.playbook import environment
    from clusterctl.ops.day2.configure import ansible_command, names_playbook
    from clusterctl.ops.day2.inventory import cluster_inventory

    with session(context) as at:
        if names_playbook(context.args):  # such as site.yml, which would close a cluster that is open
            at.refuse_left_open()
        hosts = cluster_inventory(at.spec, at.cloud, at.access, at.warn)
        with ansible_command(context.args, hosts) as command:
            code = relay(command, environment(paths.data_root() / "ansible.cfg"))
    raise typer.Exit(code)
