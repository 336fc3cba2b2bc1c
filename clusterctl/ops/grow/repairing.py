"""What ``repair`` does about its findings, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from clusterctl.errors import CloudError, ClusterctlError
from clusterctl.ops.grow.agents import Victim, remove, unheard, victims
from clusterctl.ops.grow.bearing import ELECTION_S, TICK_S, unborne
from clusterctl.ops.grow.findings import Finding, Remedy
from clusterctl.ops.grow.operation import Operation
from clusterctl.ops.grow.services import STOPPED
from clusterctl.ops.kit.parallel import for_each
from clusterctl.ops.lifecycle.majorities import refuse_lost
from clusterctl.ops.lifecycle.preflight import own_cidrs
from clusterctl.ops.observe.healthy import fail_on_shut_off
from clusterctl.ops.observe.look import Look
from clusterctl.ops.observe.majority import lacks, others_serve
from clusterctl.ops.roll.gates import serves
from clusterctl.ops.roll.order import batch_size
from clusterctl.plan import Plan, make_plan
from clusterctl.remote.masters import MasterError
from clusterctl.resources import Server
from clusterctl.services import ENSEMBLES, UNITS, Service
from clusterctl.topology import topology

# For members that were just started or made to take part; a boot of a control node under emulation takes minutes
JOIN_S = 900.0
_MOVING_S = 300.0  # for what Nova does with a server: start, stop, reboot
# For a service that runs and doesn't serve: it may only be starting, or learning. Marathon loads a JVM and its state
_SETTLE_S = {
    Service.ZOOKEEPER: 30.0,
    Service.MESOS_MASTER: 30.0,
    Service.MARATHON: 180.0,
    Service.MESOS_AGENT: 30.0,
}
_AGENTS_AT_ONCE = "20%"


class Report(Protocol):
    """``repair.RepairReport``, as far as it is written here."""

    findings: list[Finding]
    done: list[str]
    left: list[str]


class ServiceWork(Protocol):
    """Work on the services of nodes."""

    def restart(self, service: Service, name: str) -> None:
        """Restarts a service on one node. Raises PlaybookError."""

    def fresh_data(self, service: Service, name: str) -> None:
        """Sets a member's data aside, and starts it without. Raises PlaybookError."""


def cluster_plan(op: Operation) -> Plan:
    """As things are."""
    return make_plan(op.run.spec, op.observe(), own_cidrs(op.run.spec, op.run.cloud))


def costs(op: Operation, findings: Sequence[Finding]) -> list[str]:
    """What a person must agree to: tasks that move, data that are set aside. Empty: nothing of that."""
    lines = [
        f"- {finding.subject}: the data of its {finding.id} are set aside, and it learns from the others"
        for finding in findings
        if finding.remedy is Remedy.FRESH_DATA
    ]
    broken = {finding.subject for finding in findings if finding.remedy is Remedy.REPLACE}
    if old := _agents(op, broken):
        try:
            going = victims(op, old)
        except MasterError as error:
            return [*lines, *(f"- {server.name}: what runs there is unknown ({error.message})" for server in old)]
        if any(each.tasks for each in going):
            lines += [each.line for each in going]
    return lines


def _agents(op: Operation, names: set[str]) -> list[Server]:
    return [
        server
        for server in op.observe().servers
        if Service.MESOS_AGENT in server.services and (server.node or server.name) in names
    ]


@dataclass(frozen=True)
class Repairing:
    """One round over the findings of ``report``."""

    op: Operation
    work: ServiceWork
    report: Report
    drain_s: float

    def run(self) -> None:
        """Does what is needed.

        Raises:
            ShutOffError: a server stopped meanwhile.
            ClusterctlError: a step failed, or a majority would be lost.
        """
        op, cloud = self.op, self.op.run.cloud
        self._moved()
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
        self._services(marathon=False)
        self._renew()
        # no new member needs another one's Marathon, which may take minutes to start; it did so meanwhile
        self._services(marathon=True)
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

    def _moved(self) -> None:
        """Waits for what Nova was doing with servers; a server that stopped is the next round's."""
        wanted = set(self._ids(Remedy.WAIT))
        if not wanted:
            return
        op = self.op

        def still() -> list[str]:
            servers = [each for each in op.run.cloud.servers(op.run.spec.cluster) if each.id in wanted]
            moving = [each for each in servers if each.task_state or each.status in ("REBOOT", "HARD_REBOOT")]
            if not moving:
                fail_on_shut_off(servers)
            return [f"{each.node or each.name} is {each.task_state or each.status}" for each in moving]

        with op.run.progress.phase("wait for Nova"):
            self._until(still, "servers to come to rest", _MOVING_S)

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

    def _services(self, *, marathon: bool) -> None:
        """Restarts what is stopped or stuck, one after the other; fresh directories come last, with all others up.

        Args:
            marathon: only Marathons; else all but them.
        """
        for finding in (*self._of(Remedy.RESTART), *self._of(Remedy.FRESH_DATA)):
            service, name = Service(finding.id), finding.subject
            if (service is Service.MARATHON) != marathon:
                continue
            fresh = finding.remedy is Remedy.FRESH_DATA
            with self.op.run.progress.phase(f"{'fresh data for' if fresh else 'restart'} {service} on {name}"):
                self._service(service, name, fresh=fresh)
            self.report.done.append(finding.line)

    def _service(self, service: Service, name: str, *, fresh: bool) -> None:
        look = self._look(service, name)
        state = look.facts[name].units.get(UNITS[service]) if name in look.facts else None
        if state not in STOPPED:
            try:
                self._until(lambda: self._out(service, name), f"{service} on {name} to serve", _SETTLE_S[service])
            except ClusterctlError:
                look = self._look(service, name)
            else:
                return
        if fresh:
            if not others_serve(look, service, name):
                raise ClusterctlError(
                    f"{service} on {name} keeps its data: the others are no majority that serves",
                    hint="If they don't come back, `clusterctl recover FILE` restores the cluster.",
                )
            self.work.fresh_data(service, name)
        else:
            self.work.restart(service, name)
        if fresh or service not in ENSEMBLES or others_serve(look, service, name):
            # alone, a member can't serve; together they are asked at the end
            self._until(lambda: self._out(service, name), f"{service} on {name} to serve", JOIN_S)

    def _look(self, service: Service, name: str) -> Look:
        look = self.op.look(self.op.run.spec, [name] if service is Service.MESOS_AGENT else [])
        fail_on_shut_off(look.servers)
        return look

    def _out(self, service: Service, name: str) -> list[str]:
        """What keeps a service from serving; empty if it does."""
        look = self._look(service, name)
        if service is Service.MESOS_AGENT:
            return serves(look, service, name)
        return [text for text in lacks(look, name) if text.startswith(f"{name}: {service}: ")]

    def _renew(self) -> None:
        """Makes what is missing or in ERROR: members of ensembles one at a time, agents in ERROR in batches."""
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
        op.make(op.run.spec, everything=True)
        old = _agents(op, broken)
        count = sum(Service.MESOS_AGENT in server.services for server in op.observe().servers)
        size = batch_size(_AGENTS_AT_ONCE, max(1, count))
        for start in range(0, len(old), size):
            batch = victims(op, old[start : start + size])
            with op.run.progress.phase(f"replace {', '.join(each.server.name for each in batch)}"):
                self._replace(batch)

    def _replace(self, batch: Sequence[Victim]) -> None:
        """New agents in place of those in ERROR, which are drained if they still serve; waits until they register."""
        op = self.op
        remove(op, batch, deadline_s=min(self.drain_s, op.left()), force=False)
        op.make(op.run.spec, everything=True)

        self._until(lambda: unheard(op), "the new agents to register", JOIN_S)

    def _member(self, name: str, group: str, *, broken: bool) -> None:
        op = self.op
        with op.run.progress.phase(f"renew {name}"):
            self._wait(name)
            if broken:
                op.delete([server for server in op.observe().servers if server.node == name])
            op.make(op.run.spec, nodes=[name], groups=[group])
            self._until(lambda: self._lacks(name), f"{name} to serve", JOIN_S)

    def _lacks(self, name: str) -> list[str]:
        look = self.op.look(self.op.run.spec)
        fail_on_shut_off(look.servers)
        if found := lacks(look, name):
            mine = [server.id for server in look.servers if server.node == name]
            self.op.run.delivery.bring(self.op.run.spec, look.servers, mine)
        return found

    def _wait(self, name: str) -> None:
        """Waits until the others bear it: those that were just started need a while.

        Raises:
            ClusterctlError: they didn't come, or too few of them run.
        """
        within_s = JOIN_S if self._of(Remedy.START) else ELECTION_S
        reason = unborne(self.op, name, within_s=within_s, seen=lambda look: fail_on_shut_off(look.servers))
        if reason:
            raise ClusterctlError(
                f"{name} can't be replaced now. {reason}",
                hint="If they don't come back: `clusterctl recover FILE` finds what is left, says what would be lost "
                "and restores the cluster.",
            )

    def _until(self, problems: Callable[[], list[str]], what: str, most_s: float) -> None:
        """Waits until there are none, within ``--timeout``; tells the first of them meanwhile, and at the end."""
        op = self.op
        found: list[str] = []

        def none() -> bool:
            found[:] = problems()
            return not found

        within_s = min(most_s, op.left())
        op.run.waiter.until(none, what=what, timeout_s=within_s, every_s=TICK_S, told=lambda: "; ".join(found[:3]))
