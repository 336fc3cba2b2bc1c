"""Verbs that need no cluster: ``validate`` and ``schema``; and ``plan``, which only reads."""

from __future__ import annotations

import typer

from clusterctl.cli.output import print_json, print_line
from clusterctl.cli.session import CloudName, File, Json, session


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(validate)
    app.command()(schema)
    app.command()(plan)


def validate(file: File, as_json: Json = False) -> None:
    """Check a cluster file; needs no cloud."""
    from clusterctl.spec import load_spec  # noqa: PLC0415
    from clusterctl.topology import topology  # noqa: PLC0415

    spec = load_spec(file)
    nodes = topology(spec).size
    if as_json:
        print_json({"valid": True, "cluster": spec.cluster, "nodes": nodes})
    else:
        print_line(f"{file}: cluster {spec.cluster} with {nodes} nodes in {len(spec.groups)} groups is well-formed")


def schema() -> None:
    """Print the JSON Schema of cluster files, for editors."""
    from clusterctl.spec.model import json_schema  # noqa: PLC0415

    print_json(json_schema())


def plan(file: File, cloud: CloudName = None, as_json: Json = False) -> None:
    """Show what `create` would write to the cloud; writes nothing."""
    from clusterctl.ops.create import plan_cluster  # noqa: PLC0415
    from clusterctl.ops.preflight import preflight  # noqa: PLC0415

    with session(file, cloud, go_on=f"clusterctl plan {file}") as at:
        ground, observed, wanted = plan_cluster(at.spec, at.cloud)
        preflight(at.spec, wanted, ground, observed, at.cloud)
    if as_json:
        print_json({"empty": wanted.empty, "actions": wanted.lines(), "problems": list(wanted.problems)})
        return
    for line in wanted.lines():
        print_line(line)
    if wanted.empty:
        print_line(f"cluster {at.spec.cluster} is complete: nothing to write")
    else:
        print_line(f"{wanted.new_servers} servers to make; `clusterctl create {file}` does it")
    for problem in wanted.problems:
        print_line(f"! {problem}")
