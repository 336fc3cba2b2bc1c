"""Reports as tables for a terminal (rich)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clusterctl.amounts import amount
from clusterctl.cli.output import filled
from clusterctl.load.result import LoadResult
from clusterctl.load.table import facts, group_rows, percentile_rows
from clusterctl.load.verdict import Summary
from clusterctl.ops.kit.lock import age, described
from clusterctl.ops.observe.clusters import ClusterSummary
from clusterctl.ops.observe.status import READY, StatusReport
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.spec.rolevars import RoleVariable

# Names and addresses are for copying: other columns give way
_COPIED = ("cluster", "node", "address", "check", "master", "url", "variable")


def render_status(report: StatusReport) -> RenderableType:
    """Nodes, then the agents' groups and their resources, then the leaders."""
    nodes = table("node", "group", "address", "state", "services", "runs")
    for node in report.nodes:
        services = ", ".join(f"{name} {node.roles.get(name, '')}".strip() for name in node.services)
        if node.tasks is not None:
            services += f", {node.tasks} tasks"
        if node.detail:
            services += f"\n{node.detail}"
        state = Text(node.state, style="green" if node.state == READY else "red")
        # the image tells what runs only as long as nothing was upgraded
        runs = Text(", ".join(f"{name} {version}" for name, version in node.artifacts.items()) or node.image)
        nodes.add_row(node.name, node.group, node.address or "-", state, Text(services), runs)
    groups = table("agents", "registered", "tasks", "cpus used", "memory used (MiB)")
    for group in report.groups:
        groups.add_row(
            group.name,
            f"{_known(group.registered)} of {group.wanted}",
            _known(group.tasks),
            _of(group.cpus_used, group.cpus),
            _of(group.mem_mib_used, group.mem_mib),
        )
    leaders = ", ".join(f"{service} {name or 'none'}" for service, name in report.leaders.items())
    if not report.nodes:
        return Text(
            filled(f"cluster {report.cluster} does not exist: it has no server; `clusterctl create FILE` makes it")
        )
    tier = ""
    if report.jenkins:
        asleep = f", {report.jenkins.hibernating} hibernate" if report.jenkins.hibernating else ""
        tier = f"; {report.jenkins.running} of {report.jenkins.masters} Jenkins masters run{asleep}"
    summary = f"cluster {report.cluster}: {report.ready} of {report.size} nodes ready; leaders: {leaders}{tier}"
    return Group(nodes, groups, *_insecure(report.insecure), Text(summary))


def _known(value: float | None) -> str:
    return "unknown" if value is None else amount(value)


def _of(used: float | None, offered: float | None) -> str:
    return "unknown" if used is None or offered is None else f"{amount(used)} of {amount(offered)}"


def render_clusters(found: Iterable[ClusterSummary], now: datetime) -> RenderableType:
    """One line a cluster."""
    shown = table("cluster", "nodes", "states", "age", "zones", "locked by")
    for each in found:
        states = ", ".join(f"{count} {state}" for state, count in each.states.items())
        locks = "; ".join(described(lock, now) for lock in each.locks)
        cells = (each.name, str(each.nodes), states, age(each.created, now), ", ".join(each.zones), locks)
        shown.add_row(*map(Text, cells))
    return shown


def render_verify(report: VerifyReport) -> RenderableType:
    """One line a check."""
    checks = table("", "check", "detail")
    for check in report.checks:
        mark = Text("ok", style="green") if check.ok else Text("FAILED", style="bold red")
        checks.add_row(mark, check.name, Text(check.detail))
    return Group(checks, *_insecure(report.insecure))


def render_insecure(parts: Sequence[str]) -> RenderableType:
    """What of a cluster is open; nothing where all is closed."""
    return Group(*_insecure(parts))


def _insecure(parts: Sequence[str]) -> list[Text]:
    return [Text(f"open to whoever reaches it: {', '.join(parts)}", style="red")] if parts else []


def render_load(result: LoadResult, summary: Summary) -> RenderableType:
    """What the test was, its waits, its groups, and the verdict."""
    about = Table.grid(padding=(0, 2))
    for name, text in facts(result, summary):
        about.add_row(Text(name), Text(text))
    waits, groups = _rows(*percentile_rows(summary)), _rows(*group_rows(result))
    checks = table("", "bound")
    for check in summary.checks:
        checks.add_row(Text("ok", style="green") if check.ok else Text("FAILED", style="bold red"), Text(check.line))
    return Group(about, Text(""), waits, Text(""), groups, Text(""), checks)


def render_settings(variables: Iterable[RoleVariable]) -> RenderableType:
    """One line a variable; those that `settings` can have first of each role."""
    shown = table("role", "variable", "type", "default", "set by", "meaning")
    for each in sorted(variables, key=lambda each: (each.role, bool(each.refusal))):
        default = "" if each.default is None else json.dumps(each.default)
        shown.add_row(*map(Text, (each.role, each.name, each.shown_kind, default, each.told, each.meaning)))
    return shown


def _rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    shown = table(*header)
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    return shown


def table(*columns: str) -> Table:
    """A plain table, whose names and addresses can be copied."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in _COPIED)
    return made
