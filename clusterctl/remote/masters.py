"""Calls of the leading Mesos master's operator API, made on a control node over ssh: nothing but ssh is open to us."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol

from clusterctl.errors import CloudError, ClusterctlError
from clusterctl.health.expect import Node
from clusterctl.remote.prober import target
from clusterctl.services import PORTS, Service
from clusterctl.ssh.client import Ssh, SshError
from clusterctl.ssh.hostkeys import HostKeys, lack

DRAINED = "DRAINED"

Call = Mapping[str, Any]

# A master answers in milliseconds; a new leader may take seconds to recover its registry
_CALL_TIMEOUT_S = 15.0
_SSH_TIMEOUT_S = 120.0
_ROLES = {Service.MESOS_MASTER: "master", Service.MESOS_AGENT: "agent"}  # as mastercall.py names them


class MasterError(ClusterctlError):
    """No master took a call, or the leader refused it."""


@dataclass(frozen=True)
class Agent:
    """An agent as the leading master knows it.

    Attributes:
        drain: DRAINING, DRAINED or None.
        bound: what its identity holds and a new one would lose: persistent volumes and dynamic reservations.
    """

    id: str
    address: str
    active: bool
    drain: str | None = None
    bound: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """A task that is not over; ``agent`` and ``framework`` are ids."""

    id: str
    name: str
    agent: str
    framework: str
    state: str

    def __str__(self) -> str:
        return f"{self.name or self.id} ({self.state.removeprefix('TASK_').lower()})"


class Masters(Protocol):
    """The operator API of the leading master."""

    def call(self, calls: Sequence[Call], agents: Sequence[str] = ()) -> list[Any]:
        """Makes the calls in order; of each the answer as ``mastercall.cut`` gives it.

        Args:
            agents: ids; GET_TASKS answers with their tasks only.

        Raises:
            MasterError: the leader refused a call (those before it were made), or no master could be asked.
        """


class SshMasters:
    """The real one.

    Args:
        nodes: those that run a master; asked in order until one answers.
        logins: paths on those nodes, of files that only root can read (``clusterctl.secrets.logins``).
    """

    def __init__(
        self, ssh: Ssh, host_keys: HostKeys, nodes: Sequence[Node], logins: Mapping[Service, str] | None = None
    ) -> None:
        self._logins = {_ROLES[service]: path for service, path in (logins or {}).items() if service in _ROLES}
        self._ssh = ssh
        self._host_keys = host_keys
        self._nodes = [node for node in nodes if Service.MESOS_MASTER in node.services and node.status == "ACTIVE"]

    def call(self, calls: Sequence[Call], agents: Sequence[str] = ()) -> list[Any]:
        failures: list[str] = []
        for node in self._nodes:
            try:
                if not self._host_keys.find(target(node)):
                    failures.append(f"{node}: {lack(target(node))}")
                    continue
                answer = self._ask(node, calls, agents)
            except SshError as error:
                failures.append(f"{node}: {error.reason}")
                continue
            except CloudError as error:  # its console can't be read
                failures.append(f"{node}: {error.message}")
                continue
            if "answers" in answer:
                return list(answer["answers"])
            failures.append(f"{node}: {answer['error']}")
            if answer["made"]:
                break  # the rest must not be made without knowing what became of it
        raise MasterError(
            "the leading Mesos master can't be asked:\n" + "\n".join(failures or ["no master has a running server"]),
            hint="`clusterctl verify FILE` shows what the masters lack.",
        )

    def _ask(self, node: Node, calls: Sequence[Call], agents: Sequence[str]) -> dict[str, Any]:
        request = {
            "address": node.address,
            "port": PORTS[Service.MESOS_MASTER],
            "timeout_s": _CALL_TIMEOUT_S,
            "calls": list(calls),
            "agents": list(agents),
            "logins": self._logins,
        }
        root = ["sudo", "-n"] if self._logins else []
        done = self._ssh.run(
            target(node),
            [*root, "python3", "-I", "-S", "-", json.dumps(request)],
            stdin=mastercall_script(),
            timeout_s=_SSH_TIMEOUT_S,
        )
        if done.returncode != 0:
            said = (done.stderr.strip() or "nothing").splitlines()[-1]
            return {"error": f"the call ended with {done.returncode} and said: {said}", "made": 0}
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def gone_call(agent_id: str) -> Call:
    """Tells the master that an agent never comes back."""
    return {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent_id}}}


def hosts_call(places: Sequence[str]) -> Call:
    """Asks whether hosts (``host:port``) answer a connection, yes or no; of each a boolean."""
    return {"type": "HOST_ANSWERS", "places": list(places)}


def mastercall_script() -> bytes:
    """The text of ``mastercall.py``, which runs on nodes."""
    return files("clusterctl.remote").joinpath("mastercall.py").read_bytes()
