"""``status --watch`` on a terminal: one table that changes; elsewhere one report after the other."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from clusterctl.cli.output import filled, print_json, print_rich
from clusterctl.cli.plain import Plain
from clusterctl.cli.tables import render_status
from clusterctl.errors import ClusterctlError
from clusterctl.ops.observe.status import StatusReport


def show(looks: Iterable[StatusReport | ClusterctlError], *, as_json: bool, console: Console | None = None) -> None:
    """Shows look after look until Ctrl-C, which is the way to end it and no error.

    Args:
        as_json: one line of JSON a look; ``{"error": text}`` for one that failed.
    """
    console = console or Console(highlight=False, markup=False, emoji=False)
    try:
        if as_json:
            for look in looks:
                print_json({"error": look.message} if isinstance(look, ClusterctlError) else look.to_json())
                sys.stdout.flush()  # a reader at the other end of a pipe watches, too
        elif console.is_terminal:
            _live(looks, console)
        else:
            for look in looks:
                print_rich(
                    Text(filled(look.message), style="red")
                    if isinstance(look, ClusterctlError)
                    else render_status(look)
                )
    except KeyboardInterrupt:
        return


def _live(looks: Iterable[StatusReport | ClusterctlError], console: Console) -> None:
    last: RenderableType = Text("")
    with Live(console=console, auto_refresh=False, screen=False, vertical_overflow="visible") as live:
        for look in looks:
            at = datetime.now().astimezone().strftime("%H:%M:%S")
            if isinstance(look, ClusterctlError):
                # the last table stays, with what is wrong now below it
                live.update(Plain(Group(last, Text(f"{at}  {look.message}", style="red"))), refresh=True)
                continue
            last = Group(render_status(look), Text(f"{at}  Ctrl-C ends", style="dim"))
            live.update(Plain(last), refresh=True)
