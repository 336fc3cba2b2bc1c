"""Calls of Marathon's REST API, made on a control node over ssh: nothing but ssh is open to us."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from clusterctl.errors import ClusterctlError
from clusterctl.health.expect import Node
from clusterctl.remote.prober import target
from clusterctl.remote.standardinput import sent
from clusterctl.services import PORTS, Service
from clusterctl.ssh.client import Ssh, SshError
from clusterctl.ssh.hostkeys import HostKeys, lack

_CALL_TIMEOUT_S = 30.0
# Hundreds of apps go in one call; Marathon writes each to ZooKeeper before it answers
_SSH_TIMEOUT_S = 600.0


class MarathonError(ClusterctlError):
    """No Marathon took a call, or it refused it."""


@dataclass(frozen=True)
class Call:
    """One request. All that we send may be sent twice with the same outcome: GET, PUT, DELETE of a name, restart."""

    method: str
    path: str
    body: Any = None

    def to_json(self) -> dict[str, Any]:
        """As ``marathoncall.py`` takes it."""
        body = {} if self.body is None else {"body": self.body}
        return {"method": self.method, "path": self.path, **body}


@dataclass(frozen=True)
class Answer:
    """Status and body, parsed if it is JSON."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """Whether Marathon did what was asked."""
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """Why not, in one line."""
        said = self.body.get("message", self.body) if isinstance(self.body, Mapping) else self.body
        details = self.body.get("details") if isinstance(self.body, Mapping) else None
        return f"HTTP {self.status}: {said}{f' ({json.dumps(details)})' if details else ''}"[:400]


class Marathon(Protocol):
    """The REST API of the leading Marathon."""

    def call(self, calls: Sequence[Call]) -> list[Answer]:
        """Makes the calls in order and gives all answers, refusals among them.

        Raises:
            MarathonError: no Marathon could be asked for all of them.
        """


class SshMarathon:
    """The real one.

    Args:
        nodes: those that run a Marathon; asked in order until one answers.
        logins: paths on those nodes, of files that only root can read (``clusterctl.secrets.logins``).
    """

    def __init__(
        self, ssh: Ssh, host_keys: HostKeys, nodes: Sequence[Node], logins: Mapping[Service, str] | None = None
    ) -> None:
        self._login = (logins or {}).get(Service.MARATHON)
        self._ssh = ssh
        self._host_keys = host_keys
        self._nodes = [node for node in nodes if Service.MARATHON in node.services and node.status == "ACTIVE"]

    def call(self, calls: Sequence[Call]) -> list[Answer]:
        failures: list[str] = []
        for node in self._nodes:
            if not self._host_keys.find(target(node)):
                failures.append(f"{node}: {lack(target(node))}")
                continue
            try:
                found = self._ask(node, calls)
            except SshError as error:
                failures.append(f"{node}: {error.reason}")
                continue
            if "answers" in found:
                return [Answer(each["status"], each["body"]) for each in found["answers"]]
            failures.append(f"{node}: {found['error']}")
        raise MarathonError(
            "Marathon can't be asked:\n" + "\n".join(failures or ["no Marathon has a running server"]),
            hint="`clusterctl verify FILE` shows what it lacks.",
        )

    def _ask(self, node: Node, calls: Sequence[Call]) -> dict[str, Any]:
        request = {
            "address": node.address,
            "port": PORTS[Service.MARATHON],
            "timeout_s": _CALL_TIMEOUT_S,
            "calls": [each.to_json() for each in calls],
            **({"login": self._login} if self._login else {}),
        }
        script = sent("marathoncall.py", request, root=self._login is not None)
        done = self._ssh.run(target(node), script.command, stdin=script.stdin, timeout_s=_SSH_TIMEOUT_S)
        if done.returncode != 0:
            said = (done.stderr.strip() or "nothing").splitlines()[-1]
            return {"error": f"the call ended with {done.returncode} and said: {said}"}
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
