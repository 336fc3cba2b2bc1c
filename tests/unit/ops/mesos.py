"""The operator API of a leading master in memory, for operations that drain agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clusterctl.remote.masters import MasterError


class MemoryMasters:
    """Implements ``remote.masters.Masters``.

    Args:
        agents: id -> address.
        tasks: id -> agent id; one whose id begins with ``deaf`` never ends.

    A drain ends the tasks of its agent one a look (GET_AGENTS), then the agent is DRAINED.
    """

    def __init__(self, agents: Mapping[str, str], tasks: Mapping[str, str] | None = None) -> None:
        self.agents = dict(agents)
        self.tasks = dict(tasks or {})
        self.drain: dict[str, str] = {}
        self.lost: set[str] = set()  # agents without a connection
        self.gone: list[str] = []
        self.calls: list[tuple[str, str]] = []  # (type, agent id)
        self.failures: list[str] = []  # of the next calls; '' for none
        self.ending = 0  # looks until an agent has ended its drain itself

    def call(self, calls: Sequence[Mapping[str, Any]], agents: Sequence[str] = ()) -> list[Any]:
        if self.failures and (failure := self.failures.pop(0)):
            raise MasterError(failure)
        return [self._one(call, agents) for call in calls]

    def _one(self, call: Mapping[str, Any], agents: Sequence[str]) -> Any:
        kind = call["type"]
        agent = call.get(kind.lower(), {}).get("agent_id", {}).get("value", "")
        self.calls.append((kind, agent))
        if kind == "GET_AGENTS":
            self._tick()
            return [
                {
                    "id": each,
                    "hostname": at,
                    "active": each not in self.drain and each not in self.lost,
                    "drain": self.drain.get(each),
                    "bound": [],
                }
                for each, at in self.agents.items()
            ]
        if kind == "GET_TASKS":
            found = [(task, at) for task, at in self.tasks.items() if at in agents]
            return [
                {"id": task, "name": task.split(".")[0], "agent": at, "framework": "f", "state": "TASK_RUNNING"}
                for task, at in found
            ]
        if kind == "AGENT_STATE":
            self.ending -= 1
            return [self.ending >= 0 for _ in call["places"]]
        if kind != "MARK_AGENT_GONE" and agent not in self.agents:
            raise MasterError(f"HTTP 400: unknown agent {agent}")
        if kind == "DRAIN_AGENT":
            self.drain.setdefault(agent, "DRAINING")
        elif kind == "REACTIVATE_AGENT":
            if self.drain.pop(agent, "") != "DRAINED":
                raise MasterError("HTTP 400: still in the DRAINING state")
        elif kind == "MARK_AGENT_GONE":
            self.gone.append(agent)
            self.agents.pop(agent, None)
            self.tasks = {task: at for task, at in self.tasks.items() if at != agent}
        return None

    def _tick(self) -> None:
        for agent, state in self.drain.items():
            mine = [task for task, at in self.tasks.items() if at == agent and not task.startswith("deaf")]
            if mine:
                del self.tasks[mine[0]]
            elif state == "DRAINING" and agent not in self.tasks.values():
                self.drain[agent] = "DRAINED"
