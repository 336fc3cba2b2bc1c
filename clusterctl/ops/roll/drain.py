"""Draining Mesos agents: their frameworks are told, their tasks end, and only then is an agent touched.

How to call it::

    drains = open_drains(spec, servers, access)         # servers: cloud.servers(spec.cluster)
    agents = drains.agents()                            # by address, which is the agents' host name (D19)
    ids = [agents[node.address].id for node in nodes]
    for task in drains.tasks(ids): ...                  # what will move
    drains.drain(ids, deadline_s=600, note=progress.note)  # DRAIN_AGENT, waits until all are DRAINED
    ...                                                 # work on the nodes
    drains.reactivate(ids)                              # REACTIVATE_AGENT; or drains.mark_gone(ids), for good

A roll, which knows nodes by name, uses ``Drainer(cluster, open_drains(...))`` in the same way.

Mesos can't take a drain back (maintenance documentation): an agent that is DRAINING goes on doing so until its
frameworks have acknowledged the kills; only a DRAINED one can be reactivated. So a drain whose deadline passes leaves
the agents as they are, and calling it again goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from clusterctl.errors import ClusterctlError
from clusterctl.health.expect import expected
from clusterctl.ops.kit.access import Access
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.observe.look import Cluster
from clusterctl.remote.masters import DRAINED, Agent, MasterError, Masters, SshMasters, Task, gone_call
from clusterctl.resources import Server
from clusterctl.secrets.logins import operator_logins
from clusterctl.services import PORTS, Service
from clusterctl.spec.model import ClusterSpec

_TICK_S = 2.0
# A drain whose framework left before it acknowledged ends only when DRAIN_AGENT comes again (seen with Mesos 1.11)
_REPEAT_S = 30.0
_AGENT_END_S = 60.0
_SHOWN = 8  # tasks named in one message


class DrainError(ClusterctlError):
    """Agents were not drained in time; they are draining still."""


class Drains:
    """Drains agents through the leading master."""

    def __init__(self, masters: Masters, waiter: Waiter | None = None) -> None:
        self._masters = masters
        self._waiter = waiter or Waiter()

    def agents(self) -> dict[str, Agent]:
        """All registered agents by address. Raises MasterError."""
        [found] = self._masters.call([{"type": "GET_AGENTS"}])
        agents = (
            Agent(each["id"], each["hostname"], each["active"], each["drain"], tuple(each["bound"])) for each in found
        )
        # of two with one address, the active one: the other is the record of a server that was there before
        return {agent.address: agent for agent in sorted(agents, key=lambda agent: agent.active)}

    def tasks(self, agent_ids: Collection[str]) -> list[Task]:
        """The tasks of those agents that are not over. Raises MasterError."""
        [found] = self._masters.call([{"type": "GET_TASKS"}], sorted(agent_ids))
        return [Task(**task) for task in found]

    def start(self, agent_ids: Iterable[str], *, grace_s: int | None = None) -> None:
        """Tells the agents to drain, if they are registered and not DRAINED; doesn't wait. May be repeated.

        Args:
            grace_s: upper bound of the tasks' own grace periods.

        Raises:
            MasterError: the leader refused it.
        """
        known = {agent.id: agent for agent in self.agents().values()}
        todo = [each for each in agent_ids if each in known and known[each].drain != DRAINED]
        if todo:
            self._masters.call([_drain_call(each, grace_s) for each in todo])

    def drain(
        self,
        agent_ids: Sequence[str],
        *,
        deadline_s: float,
        grace_s: int | None = None,
        note: Callable[[str], None] | None = None,
    ) -> frozenset[str]:
        """Drains all of them at once and waits until each is DRAINED.

        A master that doesn't answer for a while (a change of leaders) is waited for, too.

        Args:
            deadline_s: for all of them together.
            note: told how many are left.

        Returns:
            The ids of those that are not registered any more: they left by themselves, and nothing runs on them that
            the master knows of.

        Raises:
            DrainError: not drained after ``deadline_s``; names the tasks that hold it up.
            MasterError: the leader refused the call, or no master answered until the deadline.
        """
        started = told = self._waiter.clock()
        end = started + deadline_s
        wanted = set(agent_ids)
        self.start(agent_ids, grace_s=grace_s)
        while True:
            try:
                if self._waiter.clock() >= told + _REPEAT_S:
                    told = self._waiter.clock()
                    self.start(agent_ids, grace_s=grace_s)
                known = {agent.id: agent for agent in self.agents().values() if agent.id in wanted}
                left = {each for each, agent in known.items() if agent.drain != DRAINED}
                if not left:
                    return frozenset(wanted - known.keys())
                if note is not None:
                    note(f"{len(wanted) - len(left)} of {len(wanted)} agents are drained")
                if self._waiter.clock() >= end:
                    raise self._late(sorted(left), {agent.id: agent.address for agent in known.values()}, deadline_s)
            except MasterError:
                if self._waiter.clock() >= end:
                    raise
            self._waiter.sleep(_TICK_S)

    def _late(self, left: Sequence[str], address: dict[str, str], deadline_s: float) -> DrainError:
        tasks = [f"{task} on {address[task.agent]}" for task in self.tasks(left)]
        more = [f"and {len(tasks) - _SHOWN} more"] if len(tasks) > _SHOWN else []
        return DrainError(
            f"{len(left)} agents are not drained after {deadline_s:g} s: "
            f"{', '.join(address[each] for each in left[:_SHOWN])}; "
            f"tasks still there: {'; '.join([*tasks[:_SHOWN], *more]) or 'none; kills not acknowledged'}",
            hint="They go on draining: Mesos can't cancel that. Run the same command again to keep waiting.",
        )

    def reactivate(self, agent_ids: Iterable[str]) -> None:
        """Puts DRAINED agents back in service; others are left alone.

        The master says DRAINED about a second before the agent itself has seen its executors off, and until then the
        agent answers a new task with TASK_LOST: so the agents are asked first.

        Raises:
            ClusterctlError: an agent didn't end its drain, or doesn't answer.
            MasterError: the leader refused it.
        """
        wanted = set(agent_ids)
        known = self.agents().values() if wanted else ()
        todo = [agent for agent in known if agent.id in wanted and agent.drain == DRAINED]
        if not todo:
            return
        places = [f"{agent.address}:{PORTS[Service.MESOS_AGENT]}" for agent in todo]

        def ended() -> bool:
            [drains] = self._masters.call([{"type": "AGENT_STATE", "places": places}])
            return not any(each is not False for each in drains)

        self._waiter.until(
            ended, what=f"the end of the drain on {', '.join(places)}", timeout_s=_AGENT_END_S, every_s=_TICK_S / 2
        )
        self._masters.call(
            [{"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": {"value": agent.id}}} for agent in todo]
        )

    def mark_gone(self, agent_ids: Iterable[str]) -> None:
        """Tells the master that the agents never come back: it drops them, and their frameworks replace what ran
        there at once instead of after the time-out for unreachable agents. Can't be undone: only for servers that
        are gone.

        Raises:
            MasterError: the leader refused it.
        """
        if calls := [gone_call(each) for each in agent_ids]:
            self._masters.call(calls)


@dataclass(frozen=True)
class Drainer:
    """``Drains`` by names of nodes, for rolls."""

    cluster: Cluster
    drains: Drains

    def refusals(self, names: Collection[str]) -> dict[str, str]:
        """Name -> why an agent's identity must not be given up.

        Raises:
            MasterError: no master can be asked.
        """
        agents = self.drains.agents()
        return {
            node.name: f"holds {', '.join(agents[node.address].bound)}, which a new identity would lose"
            for node in self.cluster.look().nodes(names)
            if node.address in agents and agents[node.address].bound
        }

    def drain(self, ids: Mapping[str, str], *, timeout_s: float) -> None:
        """Drains agents (node name -> agent id) and waits until all are drained.

        Raises:
            DrainError: some are not within ``timeout_s``, or have left; the drain goes on by itself.
            MasterError: no master can be asked, or it refuses.
        """
        left = self.drains.drain(list(ids.values()), deadline_s=timeout_s, note=self.cluster.note)
        if left:
            names = ", ".join(name for name, agent in ids.items() if agent in left)
            raise DrainError(f"not registered any more: {names}")

    def reactivate(self, agent: str) -> None:
        """Takes a drained agent back into use. Raises ClusterctlError."""
        self.drains.reactivate([agent])


def open_drains(spec: ClusterSpec, servers: Iterable[Server], access: Access, waiter: Waiter | None = None) -> Drains:
    """For the cluster's masters as they are in ``servers``; connects to nothing yet."""
    nodes = expected(spec, servers, ()).running(Service.MESOS_MASTER)
    return Drains(SshMasters(access.ssh, access.host_keys, nodes, operator_logins(spec)), waiter)


def _drain_call(agent_id: str, grace_s: int | None) -> dict[str, object]:
    # google.protobuf.Duration in the form of Mesos' own JSON (operator HTTP API, DRAIN_AGENT)
    grace = {} if grace_s is None else {"max_grace_period": {"seconds": grace_s}}
    return {"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": agent_id}, **grace}}
