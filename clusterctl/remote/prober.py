"""Runs the probe script on nodes over ssh."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Protocol

from pydantic import ValidationError

from clusterctl.errors import CloudError
from clusterctl.health.expect import Node
from clusterctl.health.facts import BOOT_FILE, NodeFacts
from clusterctl.services import PORTS, UNITS, Service
from clusterctl.ssh.client import Result, Ssh, SshError, SshFailure
from clusterctl.ssh.config import Target
from clusterctl.ssh.hostkeys import HostKeys, lack

# The script's own budget (probe.BUDGET_S), the start of Python on a slow VM and the connection
TIMEOUT_S = 60.0
# How long a node waits for something new to tell; who asked may be gone, and it notices only then
HOLD_S = 15.0
# Where services write; a data volume may be at any of them
DISKS = ("/", "/var/lib/zookeeper", "/var/lib/mesos", "/srv", "/var", "/var/log", "/tmp", "/var/tmp", "/opt", "/home")  # noqa: S108
_SERVICE_TIMEOUT_S = 10.0
# Of role builder: the script that loads the rules for tenants' users, and what they were when it did
CONFINE = "/usr/lib/clusterctl/confine"
RULES_RECORD = "/run/clusterctl/confined"


class Prober(Protocol):
    """Finds out what runs on nodes."""

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        """By node name; a node that can't be asked has ``error`` set."""


class SshProber:
    """The real prober.

    Args:
        host_keys: pins the key of a node that has none yet, and anew where the pinned one is wrong and Nova says why.
        boot_file: path on the nodes.
        disks: directories on the nodes whose file systems must not fill.
        logins: paths on the nodes, of files that only root can read (``clusterctl.secrets.logins``).
    """

    def __init__(
        self,
        ssh: Ssh,
        host_keys: HostKeys,
        *,
        ports: Mapping[Service, int] = PORTS,
        boot_file: str = BOOT_FILE,
        disks: Sequence[str] = DISKS,
        logins: Mapping[Service, str] | None = None,
    ) -> None:
        self._ssh = ssh
        self._host_keys = host_keys
        self._ports = ports
        self._boot_file = boot_file
        self._disks = disks
        self._logins = logins or {}
        self._script = probe_script()

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        found: dict[str, NodeFacts] = {}
        reachable: list[Node] = []
        for node in nodes:
            if node.status != "ACTIVE":
                found[node.name] = NodeFacts(error=f"its server is {node.status}")
                continue
            try:
                trusted = self._host_keys.find(target(node))
            except CloudError as error:  # a console that can't be read is one node's trouble
                found[node.name] = NodeFacts(error=error.message)
                continue
            if trusted:
                reachable.append(node)
            else:
                found[node.name] = NodeFacts(error=lack(target(node)))
        answers = self._run(reachable)
        changed = [node for node in reachable if _is_key_failure(answers[node.name]) and self._renewed(node)]
        answers |= self._run(changed)
        return found | {name: _facts(answer) for name, answer in answers.items()}

    def hold(self, node: Node, seen: str) -> NodeFacts:
        """Facts of a node with a pinned key, as soon as their digest is not ``seen``; after ``HOLD_S`` any.

        Raises:
            ClusterctlError: there is no ssh here, or ``close`` was called.
        """
        request = self._request(node) | {"hold": {"seen": seen, "for_s": HOLD_S}}
        answer = self._held(node, request)
        if _is_key_failure(answer) and self._renewed(node):
            answer = self._held(node, request)
        return _facts(answer)

    def close(self) -> None:
        """Ends what runs; nothing can be asked any more."""
        self._ssh.close()

    def _held(self, node: Node, request: Mapping[str, object]) -> Result | SshError:
        try:
            words = self._words(request)
            return self._ssh.run(target(node), words, stdin=self._script, timeout_s=HOLD_S + TIMEOUT_S)
        except SshError as error:
            return error

    def _renewed(self, node: Node) -> bool:
        try:
            return self._host_keys.renew(target(node))
        except CloudError:  # the first answer tells what is wrong
            return False

    def _run(self, nodes: Sequence[Node]) -> dict[str, Result | SshError]:
        requests = {node.name: self._request(node) | confinement_request(node) for node in nodes}
        return self._ssh.run_many(
            [target(node) for node in nodes],
            lambda to: self._words(requests[to.name]),
            stdin=self._script,
            timeout_s=TIMEOUT_S,
        )

    def _request(self, node: Node) -> dict[str, object]:
        return probe_request(node, ports=self._ports, boot_file=self._boot_file, disks=self._disks, logins=self._logins)

    def _words(self, request: Mapping[str, object]) -> list[str]:
        root = self._logins or "confinement" in request
        return [*(["sudo", "-n"] if root else []), "python3", "-I", "-S", "-", json.dumps(request)]


def probe_script() -> bytes:
    """What runs on nodes: ``probenode.py`` and ``probe.py`` as one text, without what one takes from the other."""
    texts = [files("clusterctl.remote").joinpath(name).read_text() for name in ("probenode.py", "probe.py")]
    lines = [
        line for text in texts for line in text.splitlines() if not line.startswith(("from __", "from clusterctl"))
    ]
    return "\n".join(["from __future__ import annotations", *lines, ""]).encode()


def probe_request(
    node: Node,
    *,
    ports: Mapping[Service, int] = PORTS,
    boot_file: str = BOOT_FILE,
    disks: Sequence[str] = DISKS,
    logins: Mapping[Service, str] | None = None,
) -> dict[str, object]:
    """What ``probe.py`` takes as its argument, as JSON."""
    mine = {service.value: path for service, path in (logins or {}).items() if service in node.services}
    return {
        "address": node.address,
        "timeout_s": _SERVICE_TIMEOUT_S,
        "boot_file": boot_file,
        "ports": {service.value: ports[service] for service in node.services},
        "units": {service.value: UNITS[service] for service in node.services},
        "disks": [*disks, *node.disks],
        **({"logins": mine} if mine else {}),
        **({"homes": {"directory": node.homes.directory, "port": node.homes.port}} if node.homes else {}),
    }


def confinement_request(node: Node) -> dict[str, object]:
    """What is added where a node must be confined; waits don't ask for it again and again."""
    units = [UNITS[service] for service in node.services] if node.confined.units else []
    if not units and not node.confined.builds:
        return {}
    return {
        "confinement": {"rules": RULES_RECORD if node.confined.builds else None, "confine": CONFINE, "units": units}
    }


def target(node: Node) -> Target:
    """Where ssh finds a node."""
    return Target(node.name, node.server_id, node.address, node.proof, Service.MESOS_AGENT in node.services)


def _is_key_failure(answer: Result | SshError) -> bool:
    return isinstance(answer, SshError) and answer.failure is SshFailure.HOST_KEY


def _facts(answer: Result | SshError) -> NodeFacts:
    if isinstance(answer, SshError):
        return NodeFacts(error=answer.reason)
    if answer.returncode == 0:
        try:
            return _timed(NodeFacts.model_validate_json(answer.stdout), answer)
        except ValidationError as error:
            return NodeFacts(error=f"the probe's answer is not understood: {error.errors()[0]['msg']}")
    said = (answer.stderr.strip() or "nothing").splitlines()[-1]
    return NodeFacts(error=f"the probe ended with {answer.returncode} and said: {said}")


def _timed(seen: NodeFacts, answer: Result) -> NodeFacts:
    if seen.clock is None:
        return seen
    clock = seen.clock.model_copy(update={"asked_s": answer.asked_s, "answered_s": answer.answered_s})
    return seen.model_copy(update={"clock": clock})
