"""``repair``: finds what is wrong with a cluster's resources, and fixes what needs no person's judgement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from clusterctl.errors import CloudError, ClusterctlError
from clusterctl.ops.grow.agents import victims
from clusterctl.ops.grow.diagnosis import Finding, Remedy, diagnose
from clusterctl.ops.grow.operation import Operation
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.parallel import for_each
from clusterctl.ops.lifecycle.differences import differences
from clusterctl.ops.lifecycle.majorities import lost_majorities, refuse_lost
from clusterctl.ops.lifecycle.networks import close_down
from clusterctl.ops.lifecycle.preflight import own_cidrs
from clusterctl.ops.observe.majority import loss, node_serves
from clusterctl.plan import Plan, make_plan
from clusterctl.remote.masters import Agent, MasterError
from clusterctl.resources import Observed
from clusterctl.services import Service
from clusterctl.topology import topology

# For members that were just started or made to take part; a boot of a control node under emulation takes minutes
JOIN_S = 900.0


@dataclass
class RepairReport:
    """What was found, and what was done about it."""

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


def repair(op: Operation, *, apply: bool) -> RepairReport:
    """Diagnoses, and with ``apply`` does what is needed.

    Raises:
        LockedError: another command is at work on the cluster.
        ClusterctlError: a step failed, or a majority would be lost; the same command goes on.
    """
    with op.run.progress.phase("diagnose"):
        report = RepairReport(op.run.spec.cluster, _diagnose(op))
    if not any(finding.remedy is not Remedy.NONE for finding in report.findings):
        if apply:
            op.run.guard.clear(op.run.spec.cluster, op.run.cloud)
    elif apply:
        with op.run.going_on(instead=_way_out(op)), op.run.guard.hold(op.run.spec.cluster, op.run.cloud):
            # as things are now that nobody else changes them
            report.findings = _diagnose(op)
            _Repairing(op, report).run()
            with op.run.progress.phase("verify"):
                op.wait_healthy(op.run.spec, True)
            ours = any(finding.remedy in (Remedy.DELETE_RULE, Remedy.SHUT) for finding in report.findings)
            if ours and (network := _plan(op).network).late:
                # no agent serves there any more; Neutron cuts connections when rules go: asked again
                close_down(op.run.spec, network, op.observe(), op.run.cloud)
                with op.run.progress.phase("verify"):
                    op.wait_healthy(op.run.spec, True)
        report.healthy = True
    report.left = [finding.line for finding in report.findings if finding.remedy is Remedy.NONE]
    report.healthy = report.healthy or not report.findings
    report.seconds = dict(op.run.progress.seconds)
    calls = op.run.cloud.calls
    report.api_calls = {"read": calls.read, "write": calls.write, "by_kind": dict(calls.by_kind)}
    return report


def _diagnose(op: Operation) -> list[Finding]:
    observed = op.observe()
    found = diagnose(
        op.run.spec, observed, op.look(op.run.spec), _registered(op, observed), own_cidrs(op.run.spec, op.run.cloud)
    )
    others = differences(op.run.spec, observed, op.run.cloud)
    return [*found, *(Finding(each.subject, each.found, Remedy.NONE, advice=each.cure) for each in others)]


def _way_out(op: Operation) -> Callable[[Observed], Command | None]:
    """Where a majority is lost, ``recover`` goes on."""

    def instead(observed: Observed) -> Command | None:
        return op.run.command.other("recover") if lost_majorities(op.run.spec, observed) else None

    return instead


def _plan(op: Operation) -> Plan:
    return make_plan(op.run.spec, op.observe(), own_cidrs(op.run.spec, op.run.cloud))


def _registered(op: Operation, observed: Observed) -> dict[str, Agent] | None:
    try:
        return op.drains(observed.servers).agents()
    except MasterError:
        # without masters there is enough to tell; their nodes are among the findings
        return None


@dataclass(frozen=True)
class _Repairing:
    op: Operation
    report: RepairReport

    def run(self) -> None:
        op, cloud = self.op, self.op.run.cloud
        if started := self._ids(Remedy.START):
            with op.run.progress.phase("start servers"):
                for_each(cloud.start_server, started)
        refuse_lost(op.run.spec, op.observe())
        doomed = set(self._ids(Remedy.DELETE_SERVER))
        if doomed:
            op.delete([server for server in op.observe().servers if server.id in doomed])
        with op.run.progress.phase("delete what is left over"):
            for_each(cloud.delete_port, self._ids(Remedy.DELETE_PORT))
            for_each(cloud.delete_server_group, self._ids(Remedy.DELETE_SERVER_GROUP))
            self._delete_security_groups()
            # rules go when what replaces them is there, and some only after the services were seen (``close_down``)
            self._ids(Remedy.DELETE_RULE)
            self._ids(Remedy.SHUT)
        self._renew()
        drains = op.drains(cloud.servers(op.run.spec.cluster))
        drains.mark_gone(self._ids(Remedy.MARK_GONE))
        drains.reactivate(self._ids(Remedy.REACTIVATE))

    def _of(self, remedy: Remedy) -> list[Finding]:
        return [finding for finding in self.report.findings if finding.remedy is remedy]

    def _ids(self, remedy: Remedy) -> list[str]:
        """The ids that a remedy is for; they count as done."""
        found = self._of(remedy)
        self.report.done += [finding.line for finding in found]
        return [finding.id for finding in found]

    def _delete_security_groups(self) -> None:
        for finding in self._of(Remedy.DELETE_SECURITY_GROUP):
            try:
                self.op.run.cloud.delete_security_group(finding.id)
            except CloudError as error:
                if error.status != 409:
                    raise
                # older nodes use it: it stays until they are replaced
                self.report.left.append(f"{finding.line}: {error.message}")
            else:
                self.report.done.append(finding.line)

    def _renew(self) -> None:
        """Makes what is missing or in ERROR: members of ensembles one at a time, everything else together."""
        op = self.op
        broken = {finding.subject for finding in self._of(Remedy.REPLACE)}
        missing = {finding.subject for finding in self._of(Remedy.MAKE)}
        if broken or missing:
            observed = op.observe()
            groups = {server.group for server in observed.servers if (server.node or server.name) in broken}
            op.can_make(groups.union(make_plan(op.run.spec, observed).groups_of_new_servers))
        self.report.done += [f.line for f in (*self._of(Remedy.REPLACE), *self._of(Remedy.MAKE))]
        for node in topology(op.run.spec).nodes:
            if Service.MESOS_AGENT not in node.services and node.name in broken | missing:
                self._member(node.name, node.group, broken=node.name in broken)
        observed = op.observe()
        old = [
            server
            for server in observed.servers
            if Service.MESOS_AGENT in server.services and (server.node or server.name) in broken
        ]
        if old:
            ids = [each.agent.id for each in victims(op, old) if each.agent]
            op.delete(old)
            op.drains(op.run.cloud.servers(op.run.spec.cluster)).mark_gone(ids)
        op.make(op.run.spec, everything=True)

    def _member(self, name: str, group: str, *, broken: bool) -> None:
        op = self.op
        with op.run.progress.phase(f"renew {name}"):
            self._wait(name)
            if broken:
                op.delete([server for server in op.observe().servers if server.node == name])
            op.make(op.run.spec, nodes=[name], groups=[group])
            op.run.waiter.until(lambda: self._serves(name), what=f"{name} to serve", timeout_s=JOIN_S, every_s=5.0)

    def _serves(self, name: str) -> bool:
        look = self.op.look(self.op.run.spec)
        if node_serves(look, name):
            return True
        mine = [server.id for server in look.servers if server.node == name]
        self.op.run.delivery.bring(self.op.run.spec, look.servers, mine)
        return False

    def _wait(self, name: str) -> None:
        """Waits until the others bear it: those that were just started may need a while.

        Raises:
            ClusterctlError: there is nobody to wait for, or they didn't come.
        """
        op, reasons = self.op, [""]

        def borne() -> bool:
            reasons[0] = loss(op.look(op.run.spec), name) or ""
            if reasons[0]:
                op.run.progress.note(reasons[0])
            return not reasons[0]

        patience = JOIN_S if self._of(Remedy.START) else 0.0
        try:
            op.run.waiter.until(borne, what="a majority", timeout_s=patience, every_s=5.0)
        except ClusterctlError as error:
            if not reasons[0]:
                raise
            raise ClusterctlError(
                f"{name} can't be replaced now. {reasons[0]}",
                hint="If they don't come back: `clusterctl recover FILE` asks what is left, tells what would be lost, "
                "and leads out.",
            ) from error
