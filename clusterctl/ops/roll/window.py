"""A roll of agents: as many at once as are wanted, and the next one as soon as one is back.

One slow agent holds up its own place only. No group is emptied, whatever is wanted: of several agents one stays,
however many have failed or are away. Before an agent is taken, the cluster is healthy but for those that are away.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from clusterctl.ansible.playbook import PlaybookError
from clusterctl.errors import ClusterctlError, UnhealthyError
from clusterctl.ops.day2.hosts import reasons
from clusterctl.ops.observe.look import Look
from clusterctl.ops.roll import gates
from clusterctl.ops.roll.order import spread
from clusterctl.ops.roll.steps import Roll
from clusterctl.services import Service

RUNS = 6  # playbooks at once: each is a process of its own, with a second of CPU before it does anything
TICK_S = 0.5  # between two looks at those that come back; longer where a look takes longer
_AGENT = Service.MESOS_AGENT


@dataclass
class Window:
    """Pure: who may be taken next.

    Attributes:
        group_of: agent -> its group, of all agents of the cluster.
        size: agents at once.
        left: names in their order.
        away: names of those that are being worked on.
        failed: names of those that did not come back.
    """

    group_of: Mapping[str, str]
    size: int
    left: list[str]
    away: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def take(self) -> list[str]:
        """Moves as many from ``left`` to ``away`` as may be."""
        taken = []
        for name in list(self.left):
            if len(self.away) >= self.size:
                break
            if self._room(self.group_of[name]):
                self.left.remove(name)
                self.away.add(name)
                taken.append(name)
        return taken

    def _room(self, group: str) -> bool:
        names = [name for name, its in self.group_of.items() if its == group]
        gone = sum(name in self.away for name in names)
        if not gone:
            return True  # also the only one of its group, or the last that serves: it is what was asked for
        serving = sum(name not in self.away and name not in self.failed for name in names)
        return serving > 1 and gone < math.ceil(self.size * len(names) / len(self.group_of))


@dataclass
class AgentRoll:
    """One run over agents.

    Attributes:
        max_failures: more failed agents than that let no new one be taken.
    """

    roll: Roll
    size: int
    max_failures: int
    _ids: dict[str, str] = field(default_factory=dict)  # of agents that are away, from before
    _runs: dict[Future[None], list[str]] = field(default_factory=dict)
    _deadline: dict[str, float] = field(default_factory=dict)  # of agents that should come back

    def run(self, names: Sequence[str]) -> None:
        """Rolls agents.

        Raises:
            UnhealthyError: the cluster was not healthy to begin with, or an agent's disk is full; nothing was touched.
            RollError: agents failed, the cluster is not healthy, or Ctrl-C; those that were away are back in service.
        """
        alone = names if len(names) == 1 else ()  # it may be the one that is sick: no reason to leave it so
        look = self.roll.ready(_AGENT, absent=alone)
        self._refuse_full(names)
        everyone = {node.name: node.group for node in look.expect.agents}
        window = Window(everyone, self.size, spread(look.nodes(names)))
        with self.roll.executor(RUNS) as threads:
            try:
                self._all(window, threads, look, alone)
            except KeyboardInterrupt as stop:
                threads.shutdown(wait=True, cancel_futures=True)
                states = {name: self.roll.put_back(_AGENT, name) for name in sorted(window.away)}
                text = ", ".join(f"{name} {state}" for name, state in states.items()) or "nobody was away"
                raise self.roll.journal.stopped(f"Ctrl-C at {_AGENT}: {text}") from stop
        if window.failed:
            first = self.roll.journal.failed[-1]
            allowed = f", {self.max_failures} are allowed" if self.max_failures else ""
            raise self.roll.journal.stopped(
                f"{len(window.failed)} agents failed{allowed}: {first.node}: {first.reason}"
            )

    def _refuse_full(self, names: Sequence[str]) -> None:
        """The checks before a roll ask control nodes only; an agent on a full disk would not come back."""
        if problems := gates.full(self.roll.cluster.look(names), names):
            raise UnhealthyError(
                f"cluster {self.roll.journal.cluster} has agents without room; nothing was touched:\n"
                + "\n".join(f"  {problem}" for problem in problems),
                hint="Make room there first. `restart`, `upgrade`, `reconfigure` leave agents out: `--without AGENT`.",
            )

    def _all(self, window: Window, threads: Executor, look: Look, alone: Collection[str]) -> None:
        waiter, unhealthy_since = self.roll.cluster.waiter, None
        total = len(window.left)
        while True:
            began = waiter.clock()
            problems = gates.healthy(
                look, _AGENT, absent={*window.away, *window.failed, *alone}, overlook=self.roll.overlook
            )
            if not problems and len(window.failed) <= self.max_failures and len(self._runs) < RUNS:
                self._start(window, threads, look)
            unhealthy_since = (began if unhealthy_since is None else unhealthy_since) if problems else None
            if not window.away:
                if not window.left or len(window.failed) > self.max_failures:
                    return
                if unhealthy_since is not None and began - unhealthy_since >= self.roll.patience.whole:
                    text = "\n".join(f"  {problem}" for problem in problems)
                    raise self.roll.journal.stopped(f"the cluster is not healthy:\n{text}")
            self._hear(window)
            coming = [name for name in self._deadline if name in window.away]
            look = self.roll.cluster.look(coming)
            self._judge(window, look)
            self.roll.progress.note(
                f"{total - len(window.left) - len(window.away)} of {total} agents done, "
                + (f"{problems[0]}" if problems else f"{len(window.away)} away")
            )
            if window.away or problems:
                waiter.rest(began, TICK_S)

    def _start(self, window: Window, threads: Executor, look: Look) -> None:
        """Takes agents, in as many runs of a playbook as are free: a slow one holds up those of its run only."""
        taken = window.take()
        ids = look.agent_ids
        self._ids |= {name: ids[name] for name in taken if name in ids}
        each = math.ceil(len(taken) / (RUNS - len(self._runs))) if taken else 1
        for first in range(0, len(taken), each):
            names = taken[first : first + each]
            self._runs[threads.submit(self.roll.work.apply, _AGENT, names)] = names

    def _hear(self, window: Window) -> None:
        """Runs that have ended: their agents should come back now, or have failed."""
        mesos = self.roll.cluster.spec.mesos
        # The masters take an agent for lost after so many unanswered pings (Mesos: --max_agent_ping_timeouts)
        patience_s = float(mesos.agent_ping_timeout_s * mesos.max_agent_ping_timeouts)
        for run, names in list(self._runs.items()):
            if not run.done():
                continue
            del self._runs[run]
            bad: dict[str, str] = {}
            try:
                run.result()
            except PlaybookError as error:
                bad = {name: self.roll.true_reason(text, name) for name, text in reasons(error, names).items()}
            except ClusterctlError as error:
                bad = dict.fromkeys(names, error.message)
            now = self.roll.cluster.waiter.clock()
            self._deadline |= {name: now + patience_s for name in names if name not in bad}
            self._fail(window, bad)

    def _judge(self, window: Window, look: Look) -> None:
        """Agents that are back, and those whose time is up."""
        missing = gates.agents(look, list(self._deadline), self._ids)
        now = self.roll.cluster.waiter.clock()
        for name in [name for name in self._deadline if name not in missing]:
            del self._deadline[name]
            window.away.discard(name)
            self.roll.journal.finish(_AGENT, name)
        late = {name: reason for name, reason in missing.items() if now >= self._deadline[name]}
        for name in late:
            del self._deadline[name]
        self._fail(window, late)

    def _fail(self, window: Window, bad: Mapping[str, str]) -> None:
        waiter = self.roll.cluster.waiter
        for name, reason in bad.items():
            began = waiter.clock()
            window.failed.add(name)
            self.roll.journal.fail(_AGENT, name, reason, self.roll.put_back(_AGENT, name))
            window.away.discard(name)
            # nobody looked at the others meanwhile
            lost = waiter.clock() - began
            self._deadline = {other: at + lost for other, at in self._deadline.items()}


def roll_service(
    roll: Roll, service: Service, names: Sequence[str], *, batch: int, max_failures: int, out: Collection[str] = ()
) -> None:
    """Rolls one service: members one by one (``out``: see ``Roll.members``), agents ``batch`` at a time.

    Raises:
        UnhealthyError: the cluster was not healthy to begin with; nothing was touched.
        RollError: a step failed.
    """
    if service is _AGENT:
        AgentRoll(roll, batch, max_failures).run(names)
    else:
        roll.members(service, names, out=out)
