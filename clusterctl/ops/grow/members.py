"""Growing and shrinking a group of ZooKeepers or masters: one member at a time, so that two majorities never miss each
other.

The rules (ZooKeeper administrator's guide; Mesos: high availability, operational guide) and why the steps are these:

- A majority of the members that the old configuration lists and one of those that the new one lists must share a
  member, whatever mixture of both is running. From 3 to 5 at once they need not ({1,2} of three, {3,4,5} of five); one
  by one they do.
- A new ZooKeeper starts with a list that has itself in it and follows the leader, which takes it for a member when it
  has the new list, too. So then the others are restarted with that list, the leader last.
- More masters running than the quorum was set for can corrupt the replicated log. So the masters that are there get the
  quorum of the larger number before a new one starts; and a smaller one only when the last surplus one is surely gone.
- A member that is to leave must not lead: members that don't list it any more would not find the leader.
- An election between two of these restarts can be won by a member that some others don't list, yet or any more. Those
  stay out. Where the winner has just joined, they are restarted next, with the list that has it: that takes nothing
  away. Where it is to leave, it is stopped until the others have elected one whom all of them list.
- Where the leader is lost while few have the longer list, the others may have no common candidate. A restart of the
  next one with that list gives them one.
- Where two of four have the list of three, they can elect one of them. Two are no majority of four, so whoever has the
  list of four stays out, also who was just restarted with it. A restart of the next one with its new list ends that.

Every step begins by asking how things are, so a run that was killed anywhere is finished by the same command.
``tests/contract/members`` takes real ensembles along this way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from clusterctl.counts import with_counts
from clusterctl.errors import UnhealthyError
from clusterctl.ops.grow.operation import Operation
from clusterctl.ops.roll.report import RollError
from clusterctl.services import ROLL_ORDER, Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import node_name, quorum

Pending = Mapping[Service, Sequence[str]]  # nodes whose service runs with older files


class NodeWork(Protocol):
    """Work on the nodes of a running cluster."""

    def configure(self, spec: ClusterSpec, names: Sequence[str] | None, master_quorum: int | None) -> Pending:
        """Writes the files of these nodes (of all: None) as ``spec`` wants them; restarts nothing.

        Args:
            master_quorum: instead of what ``spec`` wants.

        Raises:
            PlaybookError: a node failed or can't be reached.
        """

    def roll(self, spec: ClusterSpec, service: Service, names: Sequence[str]) -> None:
        """Restarts a service node by node with gates between, the leader last; the cluster is that of ``spec``.

        ZooKeepers of ``names`` that are out of the ensemble go first (``out`` of ``Roll.members``).

        Raises:
            UnhealthyError: it wasn't healthy before; nothing was restarted.
            RollError: it stopped half-way.
        """

    def step_down(self, spec: ClusterSpec, name: str) -> None:
        """Has another ZooKeeper lead, and ``name`` running; members may be out of the ensemble before.

        Where another leads already, ``name`` and others may be out afterwards, too.

        Raises: as ``roll``; PlaybookError: it can't be started.
        """

    def leader(self, spec: ClusterSpec, service: Service) -> str | None:
        """Name of the node that leads, or None."""

    def out(self, spec: ClusterSpec) -> Collection[str]:
        """ZooKeepers that take no part although the others have a leader, or that have none."""


@dataclass(frozen=True)
class Members:
    """A group of control nodes that changes its size.

    Attributes:
        base: the cluster with all other counts as they are wanted.
    """

    op: Operation
    work: NodeWork
    base: ClusterSpec
    group: str

    def at(self, count: int) -> ClusterSpec:
        """The cluster with ``count`` nodes in the group."""
        return with_counts(self.base, {self.group: count})

    def runs(self, service: Service) -> bool:
        """Whether the group runs it."""
        return service in self.base.groups[self.group].services

    def grow(self, have: int, target: int) -> int:
        """From ``have`` nodes to ``target``; the number of servers made.

        Raises:
            ClusterctlError: a step failed; the same command goes on.
        """
        made = 0
        for count in range(have, target):
            with self._healthy_after_all(count):
                self._prepare(count)
            new = node_name(self.base.cluster, self.group, count + 1)
            made += self.op.make(self.at(count + 1), nodes=[new], groups=[self.group])
            self._healthy(count + 1)
        return made

    def shrink(self, have: int, target: int, *, with_volumes: bool) -> list[str]:
        """From ``have`` nodes to ``target``; the names of those that are gone.

        Raises: as ``grow``.
        """
        gone: list[str] = []
        for count in range(have, target, -1):
            name = node_name(self.base.cluster, self.group, count)
            with self._healthy_after_all(count):
                if self.runs(Service.ZOOKEEPER):
                    self._let_go(count, name)
            self.op.delete([server for server in self.op.observe().servers if server.node == name])
            self.op.release_identity([name], with_volumes=with_volumes)
            gone.append(name)
            self._healthy(count - 1)
            if self.runs(Service.MESOS_MASTER) and quorum(count - 1) != quorum(count):
                names = self._names(count - 1)
                pending = self.work.configure(self.at(count - 1), names, quorum(count - 1))
                self._roll(count - 1, Service.MESOS_MASTER, pending)
        return gone

    def settle(self, target: int) -> None:
        """Brings all nodes of the cluster to the final lists and quorum: also what a killed run had left.

        Addresses of ZooKeepers stand in the configuration of masters, agents and Marathons, too.

        Raises: as ``grow``.
        """
        with self._healthy_after_all(target):
            pending = self.work.configure(self.at(target), None, None)
            self._roll(target, Service.ZOOKEEPER, pending)
        for service in ROLL_ORDER:
            if service is not Service.ZOOKEEPER:
                self._roll(target, service, pending)

    def _prepare(self, count: int) -> None:
        """Before node ``count + 1`` starts: what a killed run left half-done, then the quorum for one more master."""
        of_masters = quorum(count + 1) if self.runs(Service.MESOS_MASTER) else None
        pending = self.work.configure(self.at(count), self._names(count), of_masters)
        if self.runs(Service.ZOOKEEPER):
            self._roll(count, Service.ZOOKEEPER, pending)
        # Of an even number only the lists are older, which can wait until the end
        if self.runs(Service.MESOS_MASTER) and quorum(count + 1) != quorum(count):
            self._roll(count, Service.MESOS_MASTER, pending)

    def _let_go(self, count: int, name: str) -> None:
        """Gives the others a list without ``name``, which doesn't lead meanwhile and stays until they have it."""
        try:
            self._without(count, name)
        except (UnhealthyError, RollError):
            spec = self.at(count)
            if self.work.leader(spec, Service.ZOOKEEPER) != name or not self.work.out(spec):
                raise
            self.op.run.progress.note(f"{name}, which is to leave, was elected meanwhile: another one is to lead")
            self._without(count, name)

    def _without(self, count: int, name: str) -> None:
        survivors = self._names(count - 1)
        spec = self.at(count)
        # where it is out, a run that was killed meanwhile has left it stopped, or nobody leads
        if self.work.leader(spec, Service.ZOOKEEPER) == name or name in self.work.out(spec):
            self.work.step_down(spec, name)
        of_masters = quorum(count) if self.runs(Service.MESOS_MASTER) else None
        pending = self.work.configure(self.at(count - 1), survivors, of_masters)
        self._roll(count, Service.ZOOKEEPER, pending)

    def _roll(self, count: int, service: Service, pending: Pending) -> None:
        if names := pending.get(service):
            self.work.roll(self.at(count), service, names)

    def _names(self, count: int) -> list[str]:
        return [node_name(self.base.cluster, self.group, ordinal) for ordinal in range(1, count + 1)]

    @contextmanager
    def _healthy_after_all(self, count: int) -> Iterator[None]:
        """The cluster is healthy before the body, or after it where ZooKeepers are out: the body may be their cure."""
        if not self.runs(Service.ZOOKEEPER) or not self.work.out(self.at(count)):
            self._healthy(count)
            yield
        else:
            yield
            self._healthy(count)

    def _healthy(self, count: int) -> None:
        with self.op.run.progress.phase("verify"):
            self.op.wait_healthy(self.at(count), True)
