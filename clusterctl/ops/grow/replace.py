"""``replace``: a new server in place of a dead or sick one, once that is surely gone.

A named node keeps its identity: name, ordinal and ``myid``, port with its address, volume. An agent without one is
replaced by any new agent of its group.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.grow.agents import Victim, moved, remove, victims
from clusterctl.ops.grow.bearing import unborne
from clusterctl.ops.grow.operation import Confirm, Operation
from clusterctl.plan import alive, failed_build
from clusterctl.resources import Observed, Server
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import topology


@dataclass(frozen=True)
class Subject:
    """What is to be replaced.

    Attributes:
        node: identity of a named node, or None.
        old: servers that must go.
    """

    name: str
    group: str
    node: str | None
    old: tuple[Server, ...]


@dataclass
class ReplaceReport:
    """What ``replace`` did; ``moved`` maps a removed agent to the tasks that ran there."""

    cluster: str
    node: str
    deleted: int = 0
    created: int = 0
    moved: dict[str, list[str]] = field(default_factory=dict)
    api_calls: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    healthy: bool = False

    def to_json(self) -> dict[str, Any]:
        """All attributes by name."""
        return dict(vars(self))


def replace(op: Operation, name: str, confirm: Confirm, *, deadline_s: float, force: bool) -> ReplaceReport:
    """Replaces the server of a node; makes it where it has none.

    Args:
        confirm: asked before anything is taken away.
        deadline_s: for draining an agent that works still.
        force: doesn't wait for its tasks to end; and see ``find``.

    Raises:
        InputError: there is no such node.
        LockedError: another command is at work on the cluster.
        ClusterctlError: a majority would be lost, or a step failed; the same command goes on.
    """
    with op.run.progress.phase("look"):
        observed = op.observe()
        op.run.refuse_left_open(observed.servers)
        subject = find(op.run.spec, observed, name, force=force)
        is_agent = Service.MESOS_AGENT in op.run.spec.groups[subject.group].services
        going = victims(op, subject.old) if is_agent and subject.old else []
        if not is_agent:
            _bear(op, subject)
        op.can_make([subject.group])
    if subject.old:
        confirm([each.line for each in going] or _lines(subject))
    report = ReplaceReport(op.run.spec.cluster, name)
    with op.run.going_on(), op.run.guard.hold(op.run.spec.cluster, op.run.cloud):
        subject = find(op.run.spec, op.observe(), name, force=force)
        _take_away(op, subject, going, deadline_s=deadline_s, force=force)
        report.deleted, report.moved = len(subject.old), moved(going)
        report.created = op.make(op.run.spec, nodes=[subject.node] if subject.node else [], groups=[subject.group])
        with op.run.progress.phase("verify"):
            op.wait_healthy(op.run.spec, True)
    report.healthy = True
    report.seconds = dict(op.run.progress.seconds)
    calls = op.run.cloud.calls
    report.api_calls = {"read": calls.read, "write": calls.write, "by_kind": dict(calls.by_kind)}
    return report


def find(spec: ClusterSpec, observed: Observed, name: str, *, force: bool = False) -> Subject:
    """What the operator means.

    Args:
        force: a server that is being built must go, too; otherwise it is a replacement under way, of a killed run.

    Raises:
        InputError: nothing of that name is there or should be.
    """
    node = next((node for node in topology(spec).nodes if node.name == name), None)
    if node is not None:
        old = [s for s in observed.servers if s.node == name and (force or failed_build(s) or s.status != "BUILD")]
        return Subject(name, node.group, name, tuple(old))
    server = next((s for s in observed.servers if s.name == name and s.node is None and s.group in spec.groups), None)
    if server is not None:
        return Subject(name, server.group, None, (server,))
    # The name of an agent that is gone already: what its group lacks is made
    pools = "|".join(re.escape(pool.group) for pool in topology(spec).pools)
    if match := re.fullmatch(rf"{re.escape(spec.cluster)}-({pools})-[0-9a-f]{{6}}-[0-9]+", name):
        return Subject(name, match[1], None, ())
    known = sorted({n.name for n in topology(spec).nodes} | {server.name for server in alive(observed)})
    raise InputError(f"NODE: found {name!r}; allowed: {', '.join(known)}")


def _lines(subject: Subject) -> list[str]:
    return [
        f"- {subject.name} ({server.address or 'no address'}, {server.status}): its server goes, and a new one gets "
        "its name, address and volume"
        for server in subject.old
    ]


def _bear(op: Operation, subject: Subject) -> None:
    if reason := unborne(op, subject.name):
        raise ClusterctlError(
            f"{subject.name} can't be replaced now; nothing was touched. {reason}",
            hint="`clusterctl status FILE` shows the others; `clusterctl repair FILE --apply` starts those that are "
            "shut off; if a majority is lost for good, `clusterctl recover FILE` restores the cluster.",
        )


def _take_away(op: Operation, subject: Subject, going: Sequence[Victim], *, deadline_s: float, force: bool) -> None:
    if not subject.old:
        return
    if Service.MESOS_AGENT in op.run.spec.groups[subject.group].services:
        there = {server.id for server in subject.old}
        remove(op, [each for each in going if each.server.id in there], deadline_s=deadline_s, force=force)
    else:
        # Asked again under the lock: another command may have taken a member away
        _bear(op, subject)
        op.delete(subject.old)
