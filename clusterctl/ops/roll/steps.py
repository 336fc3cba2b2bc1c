"""The loop of a roll over members: one by one, each between two gates; a failure stops the run. Agents: ``window``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from clusterctl.errors import ClusterctlError, UnhealthyError
from clusterctl.health.disks import no_space
from clusterctl.ops.day2.hosts import why
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.observe.look import Cluster, GateError, Look
from clusterctl.ops.roll import gates
from clusterctl.ops.roll.order import next_member
from clusterctl.ops.roll.report import Journal
from clusterctl.services import Service

SETTLE_S = 60.0
_GATE_S = 180.0  # for one gate of a control service: an election, a sync, a registration
# Of ZooKeepers that vote; more than an election and a synchronisation take (initLimit: 10 ticks of 2 s)
_ELECTION_S = 30.0
_BACK_S = 60.0  # for a node that was rolled back
# Marathon ends when it loses ZooKeeper, then loads a JVM, ends again until its old session is over, waits for an
# election, and migrates its state, for which it has no limit itself
_MARATHON_S = 600.0


@dataclass(frozen=True)
class Patience:
    """How long a roll waits, in seconds.

    Attributes:
        given_s: as the operator wants it, for all waits between steps; None for what each service needs.
    """

    given_s: float | None = None

    def gate(self, service: Service) -> float:
        """For a service to recover after a step."""
        own = _MARATHON_S if service is Service.MARATHON else _GATE_S
        return own if self.given_s is None else self.given_s

    @property
    def settle_s(self) -> float:
        """For the cluster before the first step; one that is not healthy by then is refused."""
        return SETTLE_S if self.given_s is None else min(SETTLE_S, self.given_s)

    @property
    def whole(self) -> float:
        """For the whole cluster: a step of ZooKeeper ends Marathons, its leader's all of them."""
        return self.gate(Service.MARATHON)

    def back(self, service: Service) -> float:
        """For a node that was rolled back; an operator in a hurry does not want this one shorter."""
        return _MARATHON_S if service is Service.MARATHON else _BACK_S


class Work(Protocol):
    """What is done to a node, and how it is rolled back when that fails."""

    @property
    def verb(self) -> str:
        """For messages, for example ``restart``."""

    def apply(self, service: Service, names: Sequence[str]) -> None:
        """Does the work on nodes, and has the service running afterwards.

        Raises:
            PlaybookError: it failed on some of them.
        """

    def put_back(self, service: Service, name: str) -> str:
        """Brings the service of a node whose step failed back; returns what had to be left otherwise, or ''.

        Raises:
            PlaybookError: that failed, too.
        """


@dataclass
class Roll:
    """One run over the services of a cluster.

    Attributes:
        patience: for the gates of control services; those of agents follow from the masters' patience with them.
        overlook: names of checks that need not hold before a step (``gates.CHANGED``).
        executor: gives one for so many pieces of work beside each other.
    """

    cluster: Cluster
    work: Work
    journal: Journal
    progress: Progress
    patience: Patience = Patience()
    overlook: tuple[str, ...] = ()
    executor: Callable[[int], Executor] = ThreadPoolExecutor

    def ready(
        self,
        service: Service,
        absent: Collection[str] = (),
        *,
        out: Collection[str] = (),
        lone: Collection[str] = (),
    ) -> Look:
        """The whole cluster as healthy as a step of ``service`` wants it.

        Args:
            lone: may take no part, either: the only node of a run.
            out: that some of these take no part is no reason to leave them so, nor is that members vote in vain
                until one of these is restarted.

        Raises:
            UnhealthyError: it isn't, and nothing was done yet.
            RollError: it isn't, after a step.
        """
        started = bool(self.journal.done or self.journal.failed)
        in_vain = self._voted_in_vain(service, out)

        def healthy(timeout_s: float) -> Look:
            return self.cluster.wait(
                lambda look: (
                    []
                    if gates.only_out(look, service, {*out, *lone}) or in_vain(look)
                    else gates.healthy(look, service, absent=absent, overlook=self.overlook)
                ),
                what="cluster healthy",
                timeout_s=timeout_s,
                stays=lambda problem: not started and gates.of_disks(problem),
            )

        try:
            if started:
                return healthy(self.patience.whole)
            try:
                return healthy(self.patience.settle_s)
            except GateError as error:
                if not all(problem.startswith("marathon.") for problem in error.problems):
                    raise
                return healthy(self.patience.whole)  # it may only be starting still, after an earlier roll
        except GateError as error:
            problems = "\n".join(f"  {problem}" for problem in error.problems)
            if started:
                raise self.journal.stopped(f"the cluster is not healthy:\n{problems}") from error
            raise UnhealthyError(
                f"cluster {self.journal.cluster} is not healthy; nothing was touched:\n{problems}",
                hint="Fix that first: a roll takes one more node away from it. Where agents are not as the file wants "
                "them, `clusterctl plan FILE --agents` shows what that takes.",
            ) from error

    def members(self, service: Service, names: Sequence[str], *, out: Collection[str] = ()) -> None:
        """Rolls a control service: followers first, the leader of the moment last.

        Args:
            out: members that may take no part before the first step, and those of them that are still to be restarted
                also between two steps. The only node of a run always may.

        Raises:
            UnhealthyError: the cluster was not healthy to begin with; nothing was touched.
            RollError: a step failed.
        """
        may_be_out = set(out)
        remaining = list(names)
        while remaining:
            before = self.ready(service, out=may_be_out, lone=names if len(names) == 1 else ())
            idle = gates.out(before, service) or gates.leaderless(before, service)
            name = next_member(remaining, before.leader(service), idle)
            remaining.remove(name)
            may_be_out &= set(remaining)
            with self.progress.phase(f"{self.work.verb} {service} on {name}"):
                with self.guarded(service, name):
                    self.work.apply(service, [name])
                    self.gate(service, before, name, out=may_be_out)
                self.journal.finish(service, name)

    def gate(self, service: Service, before: Look, name: str, *, out: Collection[str] = ()) -> Look:
        """Waits for the gate after a step, which members of ``out`` need not pass; raises GateError."""
        in_vain = self._voted_in_vain(service, out)

        def left(look: Look) -> Sequence[str]:
            found = gates.out(look, service)
            return [] if (found and found <= set(out)) or in_vain(look) else gates.gate(service, look, before)

        return self.cluster.wait(
            left,
            what=f"{service} to recover after {name}",
            timeout_s=self.patience.gate(service),
        )

    def _voted_in_vain(self, service: Service, out: Collection[str]) -> Callable[[Look], bool]:
        """Whether ZooKeepers have voted for so long that one of ``out`` is to be restarted with its new list.

        They may never agree where a leader is lost while some have the longer list and others the shorter one, however
        many of them run (``gates.in_vain``).
        """
        since: list[float] = []

        def in_vain(look: Look) -> bool:
            if not gates.in_vain(look, service, out):
                since.clear()
                return False
            since.append(self.cluster.waiter.clock())
            return since[-1] - since[0] >= _ELECTION_S

        return in_vain

    @contextmanager
    def guarded(self, service: Service, name: str) -> Iterator[None]:
        """A failure of the body puts the node back and stops the run; Ctrl-C does the same.

        Raises:
            RollError: instead of the body's ClusterctlError or KeyboardInterrupt.
        """
        try:
            yield
        except ClusterctlError as error:
            reason = self.true_reason(why(error, name), name)
            self.journal.fail(service, name, reason, self.put_back(service, name))
            raise self.journal.stopped(f"{service} on {name}: {reason}") from error
        except KeyboardInterrupt as stop:
            state = self.put_back(service, name)
            raise self.journal.stopped(f"Ctrl-C at {service} on {name} ({state})") from stop

    def true_reason(self, reason: str, name: str) -> str:
        """A gate that doesn't open, too, may be a full disk's fault, in other words."""
        if reason.startswith("no space on "):
            return reason
        try:
            seen = self.cluster.look([name]).facts.get(name)
        except ClusterctlError:
            return reason
        return no_space(name, seen.disks if seen else (), reason) or reason

    def put_back(self, service: Service, name: str) -> str:
        """Puts a node back in service; returns how it was left."""
        try:
            note = self.work.put_back(service, name)
        except ClusterctlError as error:
            return f"NOT in service: {why(error, name)}"
        found: list[str] = []

        def serves(look: Look) -> list[str]:
            found[:] = gates.serves(look, service, name)
            return found

        try:
            self.cluster.wait(
                serves, what=f"{name} back in service", timeout_s=self.patience.back(service), also=[name]
            )
        except ClusterctlError as error:
            return f"NOT in service: {found[0] if found else error.message}{f' ({note})' if note else ''}"
        return f"back in service{f' ({note})' if note else ''}"
