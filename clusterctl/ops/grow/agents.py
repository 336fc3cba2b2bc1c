"""Taking agents out of a cluster: which ones, what moves, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clusterctl.ops.grow.operation import Operation
from clusterctl.plan import alive
from clusterctl.remote.masters import Agent, MasterError, Task
from clusterctl.resources import Server
from clusterctl.services import Service


@dataclass(frozen=True)
class Victim:
    """A server with an agent that is to leave; ``agent`` is None where the leading master doesn't know it."""

    server: Server
    agent: Agent | None
    tasks: tuple[Task, ...]

    @property
    def line(self) -> str:
        """For a person: one line."""
        if self.agent is None:
            return f"- {self.server.name} ({self.server.address or 'no address'}): not registered, nothing moves"
        moves = ", ".join(map(str, self.tasks[:8])) + (f" and {len(self.tasks) - 8} more" * (len(self.tasks) > 8))
        state = f", {self.agent.drain.lower()} already" if self.agent.drain else ""
        count = f"{len(self.tasks)} tasks move: {moves}" if self.tasks else "no task"
        return f"- {self.server.name} ({self.server.address}{state}): {count}"


def victims(op: Operation, servers: Sequence[Server]) -> list[Victim]:
    """What is known of the agents on these servers. Raises MasterError."""
    drains = op.drains(op.run.cloud.servers(op.run.spec.cluster))
    by_address = drains.agents()
    agents = [by_address.get(server.address or "") for server in servers]
    ids = [agent.id for agent in agents if agent]
    tasks: dict[str, list[Task]] = {}
    for task in drains.tasks(ids) if ids else ():
        tasks.setdefault(task.agent, []).append(task)
    return [
        Victim(server, agent, tuple(tasks.get(agent.id, ())) if agent else ())
        for server, agent in zip(servers, agents, strict=True)
    ]


def unheard(op: Operation) -> list[str]:
    """Agents that should run and that the leading master doesn't know, each with that; brings those their files."""
    observed = op.observe()
    servers = [s for s in alive(observed) if Service.MESOS_AGENT in s.services and s.status == "ACTIVE"]
    op.run.delivery.bring(op.run.spec, observed.servers, [server.id for server in servers])
    try:
        known = op.drains(observed.servers).agents()
    except MasterError as error:
        return [error.message]
    return [f"{s.node or s.name}: not registered" for s in servers if s.address not in known]


def choose_victims(candidates: Sequence[Victim], count: int) -> list[Victim]:
    """Those to go: first what serves no more or drains already, then the emptiest, of them the youngest."""
    youngest = sorted(candidates, key=lambda each: (each.server.created, each.server.name), reverse=True)

    def cost(each: Victim) -> tuple[bool, int]:
        serves = each.server.status == "ACTIVE" and each.agent is not None and each.agent.drain is None
        return serves, len(each.tasks)

    return sorted(youngest, key=cost)[:count]


def remove(op: Operation, leaving: Sequence[Victim], *, deadline_s: float, force: bool) -> None:
    """Drains agents, has the master drop them, and deletes their servers.

    A drained agent is marked gone before its server is deleted: killed in between, the next run finds a server that
    serves nothing, and never an agent without a server.

    Args:
        force: tells the frameworks, but doesn't wait for them.

    Raises:
        DrainError: not drained in time; nothing was deleted.
        ClusterctlError: from the master or the cloud.
    """
    drains = op.drains(op.run.cloud.servers(op.run.spec.cluster))
    ids = [each.agent.id for each in leaving if each.agent]
    # An agent without a connection to its master can't be drained: it would have to say that its tasks are over
    reachable = [each.agent.id for each in leaving if each.agent and (each.agent.active or each.agent.drain)]
    servers = [each.server for each in leaving]
    if force:
        drains.start(reachable)
        op.delete(servers)
        drains.mark_gone(ids)
        return
    if reachable:
        with op.run.progress.phase("drain"):
            drains.drain(reachable, deadline_s=deadline_s, note=op.run.progress.note)
    drains.mark_gone(ids)
    op.delete(servers)


def moved(leaving: Sequence[Victim]) -> dict[str, list[str]]:
    """Server name -> names of the tasks that ran there, for reports."""
    return {each.server.name: [task.name or task.id for task in each.tasks] for each in leaving}
