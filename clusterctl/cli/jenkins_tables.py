"""Jenkins masters as tables for a terminal (rich)."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from clusterctl.cli.tables import table
from clusterctl.ops.jenkins.looks import ListReport, MasterReport

_GOOD = ("running", "hibernating", "kept")


def render_list(report: ListReport) -> RenderableType:
    """Masters, then the nodes for them."""
    masters = table("master", "slot", "state", "node", "url", "release", "problems")
    for master in report.masters:
        problems = "; ".join(master.problems)
        if not problems and master.state == "waiting" and master.app:
            problems = master.lacks or master.app.failure
        masters.add_row(
            master.name,
            str(master.slot or "-"),
            Text(master.state, style="green" if master.state in _GOOD else "red"),
            master.node.name if master.node else "-",
            master.url or "-",
            master.app.release if master.app else "-",
            Text(problems),
        )
    nodes = table("node", "masters", "disk free (MiB)", "set aside", "release")
    for each, host in zip(report.to_json()["nodes"], report.hosts, strict=True):
        free = f"{host.free_mib} of {host.size_mib}"
        nodes.add_row(
            host.node.name,
            str(each["masters"]),
            Text(host.error or free, style="red" if host.error or each["trouble"] else ""),
            str(len(host.aside)),
            host.current or "-",
        )
    running = sum(master.state == "running" for master in report.masters)
    summary = f"cluster {report.cluster}: {running} of {len(report.masters)} Jenkins masters run"
    return Group(masters, nodes, *(Text(text, style="red") for text in report.scarce.values()), Text(summary))


def render_master(report: MasterReport) -> RenderableType:
    """One fact a line."""
    master = report.master
    shown = table("", "")
    facts = {
        "state": master.state,
        "slot": str(master.slot or "-"),
        "node": str(master.node or "-"),
        "url": master.url or "-",
        "Jenkins": _told(report.core),
        "plugin": _told(report.plugin),
        "release": master.app.release if master.app else "-",
        "framework": {None: "unknown", True: "registered", False: "not registered"}[report.framework],
        "quieting down": {None: "unknown", True: "yes", False: "no"}[report.quiet],
        "jobs": _told(report.jobs),
        "builds running": _told(report.builds),
        "in the queue": _told(report.queue),
        "agents": _told(report.agents),
        "home (MiB)": _told(report.home_mib),
    }
    for name, text in facts.items():
        shown.add_row(name, Text(text))
    for line in report.trouble:
        shown.add_row("!", Text(line, style="red"))
    return shown


def _told(found: object) -> str:
    return "unknown" if found is None else str(found)
