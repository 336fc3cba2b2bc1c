"""Verbs about the way into nodes: ``ssh``, ``trust``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli.output import agrees, print_json, print_line, print_note
from clusterctl.cli.session import CloudName, File, Json, Node, session
from clusterctl.errors import CancelledError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clusterctl.cloud.base import Cloud
    from clusterctl.ssh.config import Target


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    # what follows NODE is the command's, options as well: `ssh FILE NODE ls -la`
    app.command(context_settings={"allow_interspersed_args": False})(ssh)
    app.command()(trust)


def ssh(
    context: typer.Context,
    file: File,
    node: Node,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[CMD]...", help="A command instead of a shell.", show_default=False)
    ] = None,
    cloud: CloudName = None,
    forward: Annotated[
        list[str] | None,
        typer.Option("--forward", "-L", metavar="SPEC", help="As ssh's -L: 8080:ADDRESS:8080.", show_default=False),
    ] = None,
) -> None:
    """Log in to a node, or run a command on it.

    Its host key is pinned from the server's console.
    """
    words = command[1:] if command and command[0] == "--" else command or []
    with session(context) as at:
        [target] = _targets(at.spec.cluster, at.cloud, [node])
        access = at.access
        access.host_keys.require(target)
    access.ssh.interactive(target, words, forwards=forward or [])


def trust(
    context: typer.Context,
    file: File,
    nodes: Annotated[list[str], typer.Argument(metavar="NODE...", help="Names of nodes.", show_default=False)],
    cloud: CloudName = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="'TYPE BASE64'", help="This key, not the console's.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Json = False,
) -> None:
    """Pin the host keys that nodes have now.

    For nodes whose key changed, or whose console proves none.
    """
    from clusterctl.ops.day2.trust import trust as trust_nodes

    def confirm(lines: Sequence[str]) -> None:
        for line in lines:
            print_note(line)
        if not yes and not agrees("Pin what was found?"):
            raise CancelledError("declined; nothing was pinned", hint="--yes pins without asking.")

    with session(context) as at:
        targets = _targets(at.spec.cluster, at.cloud, list(dict.fromkeys(nodes)))
        found = trust_nodes(targets, at.access.host_keys, confirm, key)
    if as_json:
        print_json({"cluster": at.spec.cluster, "nodes": [each.to_json() for each in found]})
        return
    for each in found:
        print_line(f"{each.target}: {'pinned' if each.changes else 'was pinned already'}")


def _targets(cluster: str, cloud: Cloud, names: Sequence[str]) -> list[Target]:
    from clusterctl.ops.kit.access import target_of

    servers = {server.name: server for server in cloud.servers(cluster)}
    for name in names:
        if name not in servers:
            known = ", ".join(sorted(servers)) or "none; the cluster doesn't exist"
            raise InputError(f"NODE: found {name!r}; allowed: {known}")
        if not servers[name].address:
            raise InputError(f"node {name} is {servers[name].status} and has no address yet")
    return [target_of(servers[name]) for name in names]
