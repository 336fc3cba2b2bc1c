"""``recover``: leads a cluster out that has lost the majority of an ensemble, from its survivors or from a backup."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from clusterctl.errors import ClusterctlError, InputError, NodeError
from clusterctl.health.expect import Node
from clusterctl.ops.backup.backup import checked
from clusterctl.ops.grow.agents import unheard
from clusterctl.ops.grow.newkey import key_told
from clusterctl.ops.grow.operation import Confirm, Operation
from clusterctl.ops.grow.rescue import Rescue, anew, ensemble_groups, rescue, serving_members, without_majority
from clusterctl.ops.kit.parallel import for_each
from clusterctl.ops.lifecycle.majorities import data_directories
from clusterctl.ops.observe.look import Look
from clusterctl.ops.observe.majority import lacks
from clusterctl.ops.roll.gates import serves
from clusterctl.remote.members import MemberData
from clusterctl.resources import Observed
from clusterctl.services import Service
from clusterctl.topology import quorum

_TICK_S = 5.0
_LATE_S = 45.0  # a master whose replica is full says so a few seconds after its start
_AGENTS_S = 120.0  # an agent tries to register once a minute at least (Mesos' REGISTER_RETRY_INTERVAL_MAX)
_START_S = 300.0  # for servers that were shut off, until they can be asked


class MemberWork(Protocol):
    """Work on nodes that a recovery takes."""

    def data(
        self, nodes: Sequence[Node], directories: Mapping[Service, Sequence[str]]
    ) -> Mapping[str, MemberData | NodeError]:
        """What members keep on disk."""

    def copy_log(self, source: str, targets: Sequence[str]) -> None:
        """Gives masters a copy of another one's replicated log; all of them are stopped meanwhile.

        Raises:
            PlaybookError: it failed.
        """

    def bring_back(self, look: Look, directory: Path) -> None:
        """Marathon's state as in a backup; all Marathons are stopped meanwhile, and started again.

        Raises:
            ClusterctlError: it failed; Marathons that were stopped stay so.
        """


@dataclass(frozen=True)
class Source:
    """What is gone on with. All empty: the survivors that are there.

    Attributes:
        members: names of survivors; servers of others are given up.
        backup: directory of a backup; all members begin empty.
        empty: all members begin empty.
        new_key: consent to a new key of the cluster, where its control nodes took it with them.
    """

    members: Sequence[str] = ()
    backup: Path | None = None
    empty: bool = False
    new_key: bool = False

    def __post_init__(self) -> None:
        if self.new_key and not self.anew:
            raise InputError(
                "--new-key: found without --from-backup and --empty; allowed: with one of them. A survivor has the key"
            )
        if sum((bool(self.members), self.backup is not None, self.empty)) > 1:
            raise InputError("--from, --from-backup, --empty: found several; allowed: one of them")

    @property
    def anew(self) -> bool:
        """Whether no survivor is gone on with."""
        return self.empty or self.backup is not None


@dataclass
class RecoverReport:
    """What ``recover`` did; ``lost`` are the lines that were shown beforehand."""

    cluster: str
    kept: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    api_calls: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    healthy: bool = False

    def to_json(self) -> dict[str, Any]:
        """All attributes by name."""
        return dict(vars(self))


def recover(op: Operation, work: MemberWork, source: Source, confirm: Confirm) -> RecoverReport:
    """Brings the ensembles to a majority again, then all else.

    Args:
        confirm: is shown what goes on with what, and what is lost; asked before anything is made or deleted. Members
            that are shut off are started before: they may be a majority.

    Raises:
        InputError: a name of ``source`` is wrong.
        LockedError: another command is at work on the cluster.
        ClusterctlError: there is nothing to recover, a survivor can't be asked, or a step failed; the same command
            goes on.
    """
    if source.backup is not None:
        checked(source.backup, op.run.spec.cluster)
    report = RecoverReport(op.run.spec.cluster)
    with op.run.guard.hold(op.run.spec.cluster, op.run.cloud):
        recovery = _Recovery(op, work, source, report)
        ways = recovery.ways()
        confirm(report.lost)
        with op.run.going_on():
            recovery.go(ways)
    report.healthy = True
    report.seconds = dict(op.run.progress.seconds)
    calls = op.run.cloud.calls
    report.api_calls = {"read": calls.read, "write": calls.write, "by_kind": dict(calls.by_kind)}
    return report


@dataclass(frozen=True)
class _Recovery:
    op: Operation
    work: MemberWork
    source: Source
    report: RecoverReport

    def ways(self) -> list[Rescue]:
        """Looks, and tells in the report what goes on with what, and what is lost. Only starts servers."""
        op, spec = self.op, self.op.run.spec
        with op.run.progress.phase("look"):
            if not self.source.anew:
                self._start()
            look, observed = op.look(spec), op.run.cloud.observe(spec.cluster)
            op.run.refuse_left_open(observed.servers)
            whole = not (trouble := without_majority(look))
            if whole and not self.source.members and self.source.backup is None:
                raise ClusterctlError(
                    f"cluster {spec.cluster} has a majority of every ensemble: there is nothing to recover",
                    hint="`clusterctl repair FILE` shows what else is wrong.",
                )
            ways = self._ways(look, observed) if not (whole and self.source.backup) else []
            key = key_told(op.run, observed.servers, anew=bool(ways) and self.source.anew, consent=self.source.new_key)
            op.can_make([way.group for way in ways if way.first or way.rest])
        self.report.lost = [*trouble, *(line for way in ways for line in way.lines), *self._losses(), *key]
        return ways

    def go(self, ways: Sequence[Rescue]) -> None:
        """Brings the ensembles back on these ways, then all else."""
        op, spec = self.op, self.op.run.spec
        for way in ways:
            self._bring_back(way)
        if self.source.backup is not None:
            self._restore(self.source.backup)
        for way in ways:
            for name in way.rest:
                self._join(name, way.group)
        op.make(spec, everything=True)
        with op.run.progress.phase("verify"):
            op.wait_healthy(spec, True)

    def _ways(self, look: Look, observed: Observed) -> list[Rescue]:
        spec, data = self.op.run.spec, self._data(look)
        if self.source.anew:
            return anew(spec, observed, data)
        return rescue(spec, observed, look, data, self.source.members)

    def _losses(self) -> list[str]:
        if self.source.backup is not None:
            time = checked(self.source.backup, self.op.run.spec.cluster)["time"]
            return [
                f"restored: Marathon's apps of {time}; lost: what was done to apps since, other data in ZooKeeper, "
                "weights and quotas of the masters. Tasks that run stay, as far as the backup has them"
            ]
        if self.source.empty:
            return [
                "lost: all apps and all that ZooKeeper and the masters know. Tasks that run on agents go on without a "
                "scheduler that knows of them: replace the agents, or stop the tasks there"
            ]
        return []

    def _start(self) -> None:
        """Starts members that are shut off, and waits until they answer: they may hold the newest data."""
        op = self.op
        groups = ensemble_groups(op.run.spec)
        off = [s for s in op.run.cloud.servers(op.run.spec.cluster) if s.group in groups and s.status == "SHUTOFF"]
        if not off:
            return
        op.run.progress.note(f"starting {', '.join(sorted(server.name for server in off))}")
        for_each(op.run.cloud.start_server, [server.id for server in off])
        names = {server.node for server in off}

        def answer(look: Look) -> list[str]:
            return [f"{name}: {seen.error}" for name, seen in look.facts.items() if name in names and seen.error]

        self._until(answer, "servers that were shut off to answer", min(_START_S, op.left()))

    def _data(self, look: Look) -> Mapping[str, MemberData | NodeError]:
        where = data_directories(self.op.run.spec)
        members = [node for node in look.expect.control if set(node.services) & set(where)]
        silent = {node.name: NodeError(look.facts[node.name].error) for node in members if look.facts[node.name].error}
        found = self.work.data([node for node in members if node.name not in silent], where)
        return {**silent, **found}

    def _bring_back(self, way: Rescue) -> None:
        """A majority of one group, which goes on with the data of those that are kept."""
        op, spec = self.op, self.op.run.spec
        self.report.kept += way.keep
        if way.discard:
            op.delete(way.discard)
        if way.first:
            op.make(spec, nodes=way.first, groups=[way.group])
            self.report.made += way.first
        together = (*way.keep, *way.first)
        services = ensemble_groups(spec)[way.group]
        if Service.ZOOKEEPER in services:
            with op.run.progress.phase("wait for ZooKeeper"):
                self._until(lambda look: _absent(look, Service.ZOOKEEPER, together), "a majority of ZooKeepers")
        if Service.MESOS_MASTER in services and way.keep:
            with op.run.progress.phase("wait for the masters' log"):
                self._log(together, fresh=way.first)

    def _log(self, names: Sequence[str], *, fresh: Collection[str]) -> None:
        """A majority of full replicas of the masters' log. Empty ones learn from a majority of full ones only.

        Args:
            fresh: members that were just made: their replicas are empty.
        """
        service, clock = Service.MESOS_MASTER, self.op.run.waiter.clock
        began = clock()

        def told(look: Look) -> list[str]:
            """What is not known yet: who has a full replica. One that is only late must not be written over."""
            if not (absent := _absent(look, service, names)):
                return []
            full = serving_members(look, service)
            silent = [text for name in names for text in serves(look, service, name)]
            late = [name for name in names if name not in full and name not in fresh]
            return silent or (absent if not full or (late and clock() - began < _LATE_S) else [])

        look = self._until(told, "the masters to tell of their logs")
        full = [name for name in names if name in serving_members(look, service)]
        lacking = quorum(look.expect.size[service]) - len(full)
        if lacking > 0:
            empty = sorted((name for name in names if name not in full), key=lambda name: name not in fresh)
            targets = empty[:lacking]
            self.op.run.progress.note(f"copying the masters' log of {full[0]} to {', '.join(targets)}")
            self.work.copy_log(full[0], targets)
            self._until(lambda look: _absent(look, service, names), "a majority of the masters' log")

    def _join(self, name: str, group: str) -> None:
        op, spec = self.op, self.op.run.spec
        with op.run.progress.phase(f"make {name}"):
            op.make(spec, nodes=[name], groups=[group])
            self.report.made.append(name)
            self._until(lambda look: lacks(look, name), f"{name} to serve")

    def _restore(self, directory: Path) -> None:
        with self.op.run.progress.phase("restore Marathon's state"):
            look = self._until(without_majority, "a majority of every ensemble")
            self._agents()
            self.work.bring_back(look, directory)

    def _agents(self) -> None:
        """Waits for agents, which may need new credentials: a Marathon that leads asks at once for its tasks, and makes
        those anew whose agents the masters don't know. One that is broken stops nothing.
        """
        op, clock = self.op, self.op.run.waiter.clock
        deadline = clock() + _AGENTS_S
        found: list[str] = []

        def enough() -> bool:
            found[:] = unheard(op)
            if found:
                op.run.progress.note(f"waiting for agents to register: {found[0]}")
            return not found or clock() >= deadline

        op.run.waiter.until(enough, what="agents to register", timeout_s=op.left(), every_s=_TICK_S)
        if found:
            op.run.warn(f"goes on without agents, whose tasks are made anew elsewhere: {'; '.join(found)}")

    def _until(self, problems: Callable[[Look], list[str]], what: str, timeout_s: float | None = None) -> Look:
        """The first look without problems.

        Raises:
            ClusterctlError: there were some when the time was up; names the first.
        """
        op = self.op
        seen: list[Look] = []
        found: list[str] = []

        def good() -> bool:
            seen[:] = [look := op.look(op.run.spec)]
            found[:] = problems(look)
            if found:
                made = [server.id for server in look.servers if server.node in self.report.made]
                op.run.delivery.bring(op.run.spec, look.servers, made)
            return not found

        within_s = op.left() if timeout_s is None else timeout_s
        op.run.waiter.until(good, what=what, timeout_s=within_s, every_s=_TICK_S, told=lambda: "; ".join(found[:3]))
        return seen[0]


def _absent(look: Look, service: Service, names: Collection[str]) -> list[str]:
    """Members of ``names`` that don't take part, each with what is seen of it; none if the others are a majority."""
    serving = [name for name in serving_members(look, service) if name in names]
    if len(serving) >= quorum(look.expect.size[service]):
        return []
    return [
        f"{name}: {'; '.join(serves(look, service, name)) or f'{service} does not take part yet'}"
        for name in names
        if name not in serving
    ]
