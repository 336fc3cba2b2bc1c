"""``clusterctl jenkins``: masters made, looked at, opened."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from clusterctl.cli import jenkins_homes, jenkins_stop
from clusterctl.cli.jenkins_session import Name, ReadyTimeout, reported, tier_of
from clusterctl.cli.output import print_json, print_line, print_rich
from clusterctl.cli.session import CloudName, File, Json, StealLock, session
from clusterctl.errors import InputError


def register(app: typer.Typer) -> None:
    """Adds ``open``, and ``jenkins`` with its verbs, to the program."""
    tier = typer.Typer(help="Create, show and stop Jenkins masters.", no_args_is_help=True)
    tier.command()(create)
    tier.command("list")(list_command)
    tier.command()(status)
    tier.command("open")(open_command)
    jenkins_stop.register(tier)
    jenkins_homes.register(tier)
    app.command("open")(open_page)
    app.add_typer(tier, name="jenkins")


def create(
    context: typer.Context,
    file: File,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Names: letters, digits, '-'.", show_default=False),
    ] = None,
    listed: Annotated[
        Path | None, typer.Option("--from", metavar="LIST", help="A file with one name a line.", show_default=False)
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, help="The first N of the list; or NAME-001, NAME-002, ...", show_default=False),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Masters started at a time.")] = 10,
    probe: Annotated[bool, typer.Option("--probe", help="Run one build on each new master.")] = False,
    timeout: ReadyTimeout = 600,
    cloud: CloudName = None,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Make Jenkins masters; wait until each serves.

    Those that are there already are left alone.
    """
    from clusterctl.ops.jenkins.create import create as create_masters
    from clusterctl.ops.jenkins.names import wanted_names

    wanted = wanted_names(names or [], _read(listed) if listed else None, count)
    with tier_of(context) as tier:
        report = reported(
            lambda: create_masters(tier, wanted, batch=batch, timeout_s=timeout, probe=probe), as_json=as_json
        )
    if as_json:
        return
    for each in report.to_json()["created"]:
        built = f"; a build waited {each['probe']['wait_s']} s" if each["probe"] else ""
        print_line(f"{each['name']}: slot {each['slot']} on {each['node']}, ready after {each['ready_s']} s{built}")
    there = f", {len(report.there)} were there" if report.there else ""
    print_line(f"{len(report.ready_s)} Jenkins masters made{there}; all are ready" if report.masters else "nothing")


def list_command(context: typer.Context, file: File, cloud: CloudName = None, as_json: Json = False) -> None:
    """Show all masters and the nodes for them.

    As Marathon and the homes on the nodes tell of them.
    """
    from clusterctl.cli.jenkins_tables import render_list
    from clusterctl.ops.jenkins.looks import list_masters

    with tier_of(context) as tier:
        report = list_masters(tier)
    if as_json:
        print_json(report.to_json())
    else:
        print_rich(render_list(report))


def status(context: typer.Context, file: File, name: Name, cloud: CloudName = None, as_json: Json = False) -> None:
    """Show one master.

    Its versions, builds, queue, framework and home.
    """
    from clusterctl.cli.jenkins_tables import render_master
    from clusterctl.ops.jenkins.looks import status as look_at

    with tier_of(context) as tier:
        report = look_at(tier, name)
    if as_json:
        print_json(report.to_json())
    else:
        print_rich(render_master(report))


def open_command(
    context: typer.Context,
    file: File,
    name: Name,
    login: Annotated[
        bool, typer.Option("--login", help="Read the administrator's password from the home, and print it.")
    ] = False,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Of this machine.", show_default=False)
    ] = None,
    cloud: CloudName = None,
) -> None:
    """Open a master at a port of this machine.

    Through ssh, until Ctrl-C.
    """
    from clusterctl.cli.tunnel import hold_open
    from clusterctl.errors import ClusterctlError

    with tier_of(context) as tier:
        [master] = tier.survey().named([name])
        if master.node is None or master.state not in ("running", "starting"):
            why = "; ".join(master.problems) or master.state
            raise ClusterctlError(
                f"Jenkins master {name} does not run: {why}",
                hint=f"`clusterctl jenkins status FILE {name}` shows it.",
            )
        told = []
        if login:
            found = tier.home(master.node, "login", name=name)
            told.append(f"log in as {found['admin']} with {found['password']}")
    hold_open(tier.run.access, master.node, master.ports.http, local=port, told=told)


def open_page(
    context: typer.Context,
    file: File,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="marathon or mesos.", show_default=False)],
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Of this machine.", show_default=False)
    ] = None,
    cloud: CloudName = None,
) -> None:
    """Open Marathon's or Mesos' web page.

    At a port of this machine, through ssh, until Ctrl-C.
    """
    from clusterctl.cli.tunnel import hold_open
    from clusterctl.ops.observe.places import PAGES, page

    if what not in PAGES:
        raise InputError(
            f"WHAT: found {what!r}; allowed: {', '.join(PAGES)}; a Jenkins master by "
            f"`clusterctl jenkins open FILE {quote(what)}`"
        )
    with session(context) as at:
        access = at.access
        place = page(at.spec, at.cloud, access.prober, what)
    read = f"clusterctl ssh {quote(str(file))} {place.node.name} sudo cat {place.login}"
    told = [f"principal and secret to log in with: `{read}`"] if place.login else []
    hold_open(access, place.node, place.port, local=port, told=told)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--from: found {str(path)!r}, which can't be read: {error}") from error
