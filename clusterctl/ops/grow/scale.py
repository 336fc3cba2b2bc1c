"""``scale``: other numbers of nodes. More agents come by one call a group and touch no node that is there; fewer agents
are drained before they go; groups of ZooKeepers and masters go along ``ops.grow.members``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from clusterctl.counts import Counts, checked, with_counts
from clusterctl.errors import ClusterctlError
from clusterctl.ops.grow.agents import Victim, moved, remove
from clusterctl.ops.grow.members import Members, NodeWork
from clusterctl.ops.grow.operation import Confirm, Operation
from clusterctl.ops.grow.scale_checks import (
    Change,
    Options,
    changes,
    is_agents,
    is_ensemble,
    leaving,
    leaving_lines,
    refuse,
    surplus,
)
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import node_name


@dataclass
class ScaleReport:
    """What ``scale`` did; ``moved`` maps removed agents to the tasks that ran there."""

    cluster: str
    changes: list[Change]
    created: int = 0
    removed: list[str] = field(default_factory=list)
    moved: dict[str, list[str]] = field(default_factory=dict)
    api_calls: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    healthy: bool = False

    def to_json(self) -> dict[str, Any]:
        """``{"cluster", "groups": {name: {"from", "to"}}, "created", "removed", "moved", "api_calls", ...}``."""
        return {
            "cluster": self.cluster,
            "groups": {change.group: {"from": change.have, "to": change.target} for change in self.changes},
            "created": self.created,
            "removed": self.removed,
            "moved": self.moved,
            "api_calls": self.api_calls,
            "seconds": self.seconds,
            "healthy": self.healthy,
        }


def scale(op: Operation, counts: Counts, work: NodeWork, confirm: Confirm, options: Options) -> ScaleReport:
    """Brings the groups of ``counts`` to these numbers of nodes, or finishes what was left half-done.

    Args:
        work: for groups of control nodes.
        confirm: asked before anything is taken away.

    Raises:
        InputError: the numbers break a rule, or ``remove`` doesn't fit them.
        LockedError: another command is at work on the cluster.
        ClusterctlError: a step failed; the same command goes on.
    """
    wanted = checked(op.run.spec, counts)
    with op.run.progress.phase("look"):
        observed = op.observe()
        op.run.refuse_left_open(observed.servers)
        found = changes(observed, wanted, counts)
        refuse(op.run.spec, wanted, observed, found, options)
        going = leaving(op, wanted, observed, found, options)
        # of other groups new nodes are made before anything else is touched
        op.can_make([c.group for c in found if c.target > c.have and is_ensemble(wanted, c.group)])
    lines = [change.line for change in found if change.have != change.target]
    lines += [each.line for each in going] + leaving_lines(wanted, found, options)
    if any(change.target < change.have for change in found):
        confirm(lines)
    report = ScaleReport(wanted.cluster, found)
    control = [change for change in found if not is_agents(wanted, change.group)]
    with op.run.going_on(), ExitStack() as stack:
        # An ensemble of the right size may still have nodes that a killed run didn't restart
        if lines or control or surplus(observed, wanted, counts, with_volumes=options.with_volumes):
            stack.enter_context(op.run.guard.hold(op.run.spec.cluster, op.run.cloud))
            if changes(op.observe(), wanted, counts) != found:
                raise ClusterctlError(f"cluster {wanted.cluster} was changed by another command meanwhile")
        else:
            op.run.guard.clear(op.run.spec.cluster, op.run.cloud)
        for change in control:
            _control(op, wanted, change, work, options, report)
        if not control:
            _agents(op, wanted, going, options, report)
    report.healthy = True
    report.seconds = dict(op.run.progress.seconds)
    calls = op.run.cloud.calls
    report.api_calls = {"read": calls.read, "write": calls.write, "by_kind": dict(calls.by_kind)}
    return report


def _agents(op: Operation, wanted: ClusterSpec, going: Sequence[Victim], options: Options, report: ScaleReport) -> None:
    growing = [change.group for change in report.changes if change.target > change.have]
    if growing:
        nodes = [name for group in growing if wanted.groups[group].named for name in _names(wanted, group)]
        report.created = op.make(wanted, nodes=nodes, groups=growing)
    if going:
        remove(op, going, deadline_s=options.deadline_s, force=options.force)
        report.removed = [each.server.name for each in going]
        report.moved = moved(going)
    _release_surplus(op, wanted, [change.group for change in report.changes], options)
    with op.run.progress.phase("verify"):
        op.wait_healthy(wanted, bool(growing or going))


def _control(
    op: Operation, wanted: ClusterSpec, change: Change, work: NodeWork, options: Options, report: ScaleReport
) -> None:
    ensemble = is_ensemble(wanted, change.group)
    members = Members(op, work, with_counts(wanted, {change.group: change.have}), change.group)
    if ensemble:
        report.created = members.grow(change.have, change.target)
    elif change.target > change.have:
        report.created = op.make(wanted, nodes=_names(wanted, change.group), groups=[change.group])
    report.removed = members.shrink(change.have, change.target, with_volumes=options.with_volumes)
    _release_surplus(op, wanted, [change.group], options)
    if ensemble:
        members.settle(change.target)
    with op.run.progress.phase("verify"):
        op.wait_healthy(wanted, True)


def _release_surplus(op: Operation, wanted: ClusterSpec, groups: Sequence[str], options: Options) -> None:
    """Not only what this run removed: a killed one may have got no further than the servers."""
    if names := surplus(op.observe(), wanted, groups, with_volumes=options.with_volumes):
        op.release_identity(names, with_volumes=options.with_volumes)


def _names(spec: ClusterSpec, group: str) -> list[str]:
    return [node_name(spec.cluster, group, ordinal) for ordinal in range(1, spec.groups[group].count + 1)]
