"""``repair``: finds what is wrong with a cluster's resources, and fixes what needs no person's judgement."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from clusterctl.errors import InputError
from clusterctl.health.marathon import leading_marathon
from clusterctl.ops.grow.diagnosis import diagnose
from clusterctl.ops.grow.findings import Finding, Remedy
from clusterctl.ops.grow.operation import Confirm, Operation
from clusterctl.ops.grow.repairing import Repairing, ServiceWork, cluster_plan, costs
from clusterctl.ops.kit.command import Command
from clusterctl.ops.lifecycle.cutoff import CutOff
from clusterctl.ops.lifecycle.differences import differences
from clusterctl.ops.lifecycle.majorities import lost_majorities
from clusterctl.ops.lifecycle.networks import close_down
from clusterctl.ops.lifecycle.preflight import own_cidrs
from clusterctl.ops.observe.healthy import ASKED_AGENTS, ShutOffError
from clusterctl.remote.masters import Agent, MasterError
from clusterctl.resources import Observed
from clusterctl.services import ENSEMBLES, Service
from clusterctl.topology import topology

_ROUNDS = 5


@dataclass
class RepairReport:
    """What was found, what was done about it, and what is wrong still."""

    cluster: str
    findings: list[Finding]
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    api_calls: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    healthy: bool = False

    def to_json(self) -> dict[str, Any]:
        """``{"cluster", "findings": [...], "done": [...], "left": [...], "api_calls", "seconds", "healthy"}``."""
        return {**vars(self), "findings": [finding.to_json() for finding in self.findings]}


@dataclass(frozen=True)
class Consent:
    """What an operator lets ``repair`` do.

    Attributes:
        confirm: is shown the tasks that would move and the data that would be set aside, and returns only with consent.
        fresh: names of nodes whose broken members get a fresh data directory.
        drain_s: how long agents in ERROR that still serve may take to be drained.
    """

    confirm: Confirm = lambda _lines: None
    fresh: tuple[str, ...] = ()
    drain_s: float = 600.0


def repair(op: Operation, work: ServiceWork, *, apply: bool, consent: Consent = Consent()) -> RepairReport:
    """Diagnoses, and with ``apply`` does what is needed.

    What becomes wrong while it works is diagnosed anew. What is left is told by a diagnosis at the end: much of what a
    person would have had to judge at first was only waiting for what was broken.

    Raises:
        InputError: a name of ``consent.fresh`` is not a member's.
        LockedError: another command is at work on the cluster.
        ClusterctlError: a step failed, or a majority would be lost; the same command goes on.
    """
    with op.run.progress.phase("diagnose"):
        _known(op, consent.fresh)
        if apply:
            op.run.refuse_left_open()
        report = RepairReport(op.run.spec.cluster, _diagnose(op, consent.fresh))
    left = [finding for finding in report.findings if finding.remedy is Remedy.NONE]
    if not any(finding.remedy is not Remedy.NONE for finding in report.findings):
        if apply:
            op.run.guard.clear(op.run.spec.cluster, op.run.cloud)
    elif apply:
        if lines := costs(op, report.findings):
            consent.confirm(lines)
        with op.run.going_on(instead=_way_out(op)), op.run.guard.hold(op.run.spec.cluster, op.run.cloud):
            _rounds(op, work, report, consent)
            with op.run.progress.phase("diagnose again"):
                left = _diagnose(op, consent.fresh)
        report.healthy = True
    told = tuple(report.left)  # with the reason why it is left
    report.left += [finding.line for finding in left if not any(line.startswith(finding.line) for line in told)]
    report.healthy = report.healthy or not report.findings
    report.seconds = dict(op.run.progress.seconds)
    calls = op.run.cloud.calls
    report.api_calls = {"read": calls.read, "write": calls.write, "by_kind": dict(calls.by_kind)}
    return report


def _rounds(op: Operation, work: ServiceWork, report: RepairReport, consent: Consent) -> None:
    """Diagnoses and acts until the cluster is healthy: servers may stop while others are started."""
    for number in range(1, _ROUNDS + 1):
        # as things are now that nobody else changes them
        report.findings = _diagnose(op, consent.fresh)
        try:
            Repairing(op, work, report, consent.drain_s).run()
            with op.run.progress.phase("verify"):
                op.wait_healthy(op.run.spec, True)
        except ShutOffError as error:
            if number == _ROUNDS or op.left() <= 0:
                raise
            op.run.progress.note(f"{error.message} now: diagnosing again")
        else:
            break
    ours = any(finding.remedy in (Remedy.DELETE_RULE, Remedy.SHUT) for finding in report.findings)
    if ours and (network := cluster_plan(op).network).late:
        # no agent serves there any more; Neutron cuts connections when rules go: asked again
        close_down(op.run.spec, network, op.observe(), op.run.cloud)
        with op.run.progress.phase("verify"):
            CutOff(op.run, op.wait_healthy, work.restart).settle(fresh=False)


def _known(op: Operation, fresh: Collection[str]) -> None:
    members = {node.name for node in topology(op.run.spec).nodes if set(node.services) & set(ENSEMBLES)}
    if unknown := sorted(set(fresh) - members):
        raise InputError(f"--fresh-data: found {unknown[0]!r}; allowed: {', '.join(sorted(members))}")


def _diagnose(op: Operation, fresh: Collection[str]) -> list[Finding]:
    observed = op.observe()
    agents = _registered(op, observed)
    unheard = [
        server.node or server.name
        for server in observed.servers
        if agents is not None and Service.MESOS_AGENT in server.services and server.address not in agents
    ]
    look = op.look(op.run.spec, unheard[:ASKED_AGENTS])
    own = own_cidrs(op.run.spec, op.run.cloud)
    leader = leading_marathon(look.expect, look.facts)
    ghosts = {ghost.host for ghost in leader[1].ghosts} if leader else set()
    used = op.run.cloud.used_addresses(ghosts) if ghosts else set()  # Nova lists nothing of a cell that is down
    found = diagnose(op.run.spec, observed, look, agents, own, fresh, used)
    others = differences(op.run.spec, observed, op.run.cloud)
    found += [Finding(each.subject, each.found, Remedy.NONE, advice=each.cure) for each in others]
    if not found:
        # What verify calls sick is never called healthy here
        advice = "`clusterctl verify FILE` shows all checks; what heals by itself is gone in a minute"
        found = [Finding(check.name, check.detail, Remedy.NONE, advice=advice) for check in look.sick]
    return found


def _way_out(op: Operation) -> Callable[[Observed], Command | None]:
    """Where a majority is lost, ``recover`` goes on."""

    def instead(observed: Observed) -> Command | None:
        return op.run.command.other("recover") if lost_majorities(op.run.spec, observed) else None

    return instead


def _registered(op: Operation, observed: Observed) -> dict[str, Agent] | None:
    try:
        return op.drains(observed.servers).agents()
    except MasterError:
        # without masters there is enough to tell; their nodes are among the findings
        return None
