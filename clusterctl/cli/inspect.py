"""Verbs that only read (``list``, ``plan``), or need no cloud (``validate``, ``schema``, ``settings``, ``bundle``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli.output import print_json, print_line, print_rich, print_text
from clusterctl.cli.session import DRIFT, CloudName, ExitCode, File, Json, session

if TYPE_CHECKING:
    from clusterctl.ops.roll.changes import AgentChange
    from clusterctl.plan import Plan


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command("list")(list_clusters)
    app.command()(validate)
    app.command()(schema)
    app.command()(settings)
    app.command()(plan)
    app.command()(bundle)


def list_clusters(
    cloud: Annotated[str, typer.Option("--cloud", help="Entry of clouds.yaml.", envvar="OS_CLOUD")],
    as_json: Json = False,
) -> None:
    """List the clusters of a cloud's project.

    All that have a server, whoever made them; no node is asked.
    """
    from datetime import UTC, datetime

    from clusterctl.cli.tables import render_clusters
    from clusterctl.cloud import open_cloud
    from clusterctl.ops.observe.clusters import list_clusters as find_clusters

    found = find_clusters(open_cloud(cloud))
    if as_json:
        print_json({"cloud": cloud, "clusters": [each.to_json() for each in found]})
    elif found:
        print_rich(render_clusters(found, datetime.now(UTC)))
    else:
        print_line(f"no cluster in cloud {cloud}; `clusterctl create FILE` makes one")


def validate(file: File, as_json: Json = False) -> None:
    """Check a cluster file; needs no cloud."""
    from clusterctl.jenkins.fairness import warnings
    from clusterctl.spec import load_spec
    from clusterctl.spec.load import place_of
    from clusterctl.topology import topology

    spec = load_spec(file)
    nodes = topology(spec).size
    found = warnings(spec)
    if as_json:
        listed = [warning.to_json() for warning in found]
        print_json({"valid": True, "cluster": spec.cluster, "nodes": nodes, "warnings": listed})
    else:
        for warning in found:
            line, column = place_of(file, warning.at)
            print_line(f"{file}:{line}:{column}: warning: {warning.key}: {warning.reason}; cure: {warning.cure}")
        print_line(f"{file}: cluster {spec.cluster} with {nodes} nodes in {len(spec.groups)} groups is well-formed")


def schema() -> None:
    """Print the JSON Schema of cluster files."""
    from clusterctl.spec.model import json_schema

    print_json(json_schema())


def settings(
    role: Annotated[str | None, typer.Argument(metavar="ROLE", help="Of this role only.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """List the roles' variables.

    With type, default, meaning, and where each is set: in `settings` of the cluster file, by a key, or nowhere.

    \b
    Examples:
      clusterctl settings mesos_agent
      clusterctl settings --json
    """
    from clusterctl.cli.tables import render_settings
    from clusterctl.errors import InputError
    from clusterctl.spec.rolevars import role_variables

    found = role_variables()
    roles = sorted({variable.role for variable in found})
    if role is not None and role not in roles:
        raise InputError(f"no role {role!r}; allowed: {', '.join(roles)}")
    listed = [variable for variable in found if role in (None, variable.role)]
    if as_json:
        print_json({"variables": [variable.to_json() for variable in listed]})
    else:
        print_rich(render_settings(listed))


def plan(
    context: typer.Context,
    file: File,
    cloud: CloudName = None,
    agents: Annotated[
        bool, typer.Option("--agents", help="Also ask the masters what the file changes for each agent.")
    ] = False,
    exit_code: ExitCode = False,
    as_json: Json = False,
) -> None:
    """Show what `create` would write.

    Only reads.
    """
    from clusterctl.cli.tables import render_insecure
    from clusterctl.ops.kit.leftopen import told, way
    from clusterctl.ops.lifecycle.create import plan_cluster
    from clusterctl.ops.lifecycle.preflight import preflight
    from clusterctl.ops.roll.reconfigure import plan_agents

    with session(context) as at:
        lookup, observed, wanted = plan_cluster(at.spec, at.cloud)
        preflight(at.spec, wanted, lookup, observed, at.cloud)
        changes = plan_agents(at) if agents else []
        if parts := at.left_open(observed.servers):
            wanted = replace(wanted, problems=(f"{told(at.spec, parts)}: {way(parts)}", *wanted.problems))
    if as_json:
        more = {"agents": [change.to_json() for change in changes]} if agents else {}
        found = {"empty": wanted.empty, "actions": wanted.lines(), "problems": list(wanted.problems)}
        print_json({**found, "insecure": list(at.spec.security.open_parts), **more})
    else:
        _tell(wanted, changes, cluster=at.spec.cluster, file=file)
        print_rich(render_insecure(at.spec.security.open_parts))
    if exit_code and not (wanted.empty and not wanted.problems and all(c.kind == "unchanged" for c in changes)):
        raise typer.Exit(DRIFT)


def _tell(wanted: Plan, changes: Sequence[AgentChange], *, cluster: str, file: Path) -> None:
    for line in wanted.lines():
        print_line(line)
    if wanted.empty:
        print_line(f"cluster {cluster} is complete: nothing to write")
    else:
        print_line(f"{wanted.new_servers} servers to make; `clusterctl create FILE` does it")
    for change in changes:
        print_line(change.line)
    if any(change.kind in ("additive", "new identity") for change in changes):
        print_line("`clusterctl reconfigure FILE` brings these changes to the agents")
    for problem in wanted.problems:
        print_line(f"! {problem}")


def bundle(
    url: Annotated[str, typer.Argument(metavar="URL", help="The git URL from which nodes fetch.", show_default=False)],
    commit: Annotated[str, typer.Argument(metavar="COMMIT", help="Commit, branch or tag.")] = "HEAD",
    repository: Annotated[Path, typer.Option(help="A clone of that repository on this machine.")] = Path(),
    as_json: Json = False,
) -> None:
    """Print `user_data` for scripts kept in git.

    For a cluster file whose nodes fetch their scripts from a git host.

    \b
    Examples:
      clusterctl bundle https://git.example.org/ops/clusterctl.git
      clusterctl bundle https://git.example.org/ops/clusterctl.git v1.2 --repository ~/src/clusterctl
    """
    from clusterctl.render.bundle import bundle_digest, full_commit

    full = full_commit(repository, commit)
    found = {"url": url, "commit": full, "sha256": bundle_digest(repository, full)}
    if as_json:
        print_json(found)
    else:
        # quoted: hex digits may happen to look like a number
        print_text("user_data:\n" + "\n".join(f'  {key}: "{value}"' for key, value in found.items()))
