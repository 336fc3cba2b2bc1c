"""Homes and REST APIs of Jenkins masters, reached on their nodes over ssh."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Protocol

from clusterctl.errors import NodeError
from clusterctl.health.expect import Node
from clusterctl.remote.nospace import no_space
from clusterctl.remote.prober import target
from clusterctl.remote.standardinput import Sent, sent
from clusterctl.ssh.client import Result, Ssh, SshError
from clusterctl.ssh.hostkeys import HostKeys, lack

CALL_TIMEOUT_S = 20.0
# A large home takes minutes to be measured or deleted
_SSH_TIMEOUT_S = 900.0
_TRANSFER_TIMEOUT_S = 4 * 3600.0

Json = Any


@dataclass(frozen=True)
class Reply:
    """A master's answer to one call; ``status`` 0: none, and ``body`` says why."""

    status: int
    headers: Mapping[str, str]
    body: Json

    @property
    def ok(self) -> bool:
        """Done; redirects are how Jenkins says so for many calls."""
        return 200 <= self.status < 400

    @property
    def reason(self) -> str:
        """Why not, in one line."""
        if self.status == 0:
            return str(self.body)
        said = self.headers.get("x-error") or (self.body if isinstance(self.body, str) and len(self.body) < 200 else "")
        words = " ".join(said.split())
        return f"HTTP {self.status}{f': {words}' if words else ''}"


@dataclass(frozen=True)
class Asked:
    """Calls to one master: see ``jenkinscall.py``."""

    name: str
    node: Node
    port: int
    calls: Sequence[Mapping[str, Any]]


class JenkinsNodes(Protocol):
    """The nodes of Jenkins masters."""

    def homes(self, requests: Mapping[str, Mapping[str, Any]], nodes: Sequence[Node]) -> dict[str, Json | NodeError]:
        """An action of ``jenkinshome.py`` on each node, all at once.

        Args:
            requests: by node name; others of ``nodes`` are left out.
        """

    def call(self, asked: Sequence[Asked]) -> dict[str, list[Reply] | NodeError]:
        """Calls to masters, those of all nodes at once; by master."""

    def pack(self, node: Node, request: Mapping[str, Any], into: IO[bytes]) -> Json:
        """Writes the archive of a home into a file; the answer of ``jenkinsarchive.pack``. Raises NodeError."""

    def volume(self, node: Node, request: Mapping[str, Any]) -> Json:
        """An action of ``jenkinsvolume.py``. Raises NodeError."""

    def unpack(self, node: Node, request: Mapping[str, Any], archive: IO[bytes]) -> Json:
        """Makes a home of an archive; the answer of ``jenkinsarchive.unpack``. Raises NodeError."""


class SshJenkinsNodes:
    """The real ones.

    Args:
        directory: of the homes on the nodes.
    """

    def __init__(self, ssh: Ssh, host_keys: HostKeys, directory: str) -> None:
        self._ssh = ssh
        self._host_keys = host_keys
        self._directory = directory

    def homes(self, requests: Mapping[str, Mapping[str, Any]], nodes: Sequence[Node]) -> dict[str, Json | NodeError]:
        return self._act("jenkinshome.py", requests, nodes)

    def volume(self, node: Node, request: Mapping[str, Any]) -> Json:
        answer = self._act("jenkinsvolume.py", {node.name: request}, [node])[node.name]
        if isinstance(answer, NodeError):
            raise answer
        return answer

    def _act(
        self, script: str, requests: Mapping[str, Mapping[str, Any]], nodes: Sequence[Node]
    ) -> dict[str, Json | NodeError]:
        asked = [node for node in nodes if node.name in requests]
        scripts = {node.name: sent(script, requests[node.name], root=True) for node in asked}
        found: dict[str, Json | NodeError] = {}
        for name, answer in self._run(asked, scripts).items():
            if isinstance(answer, NodeError):
                found[name] = answer
            elif "error" in answer:
                found[name] = NodeError(f"node {name}: {no_space(name, answer['error'], self._directory)}")
            else:
                found[name] = answer["answer"]
        return found

    def call(self, asked: Sequence[Asked]) -> dict[str, list[Reply] | NodeError]:
        by_node: dict[str, list[Asked]] = {}
        for each in asked:
            by_node.setdefault(each.node.name, []).append(each)
        scripts = {
            name: sent(
                "jenkinscall.py",
                {
                    "timeout_s": CALL_TIMEOUT_S,
                    "directory": self._directory,
                    "masters": [
                        {"name": one.name, "address": one.node.address, "port": one.port, "calls": list(one.calls)}
                        for one in masters
                    ],
                },
                root=True,
            )
            for name, masters in by_node.items()
        }
        answers = self._run([masters[0].node for masters in by_node.values()], scripts)
        found: dict[str, list[Reply] | NodeError] = {}
        for name, masters in by_node.items():
            answer = answers[name]
            for number, each in enumerate(masters):
                found[each.name] = answer if isinstance(answer, NodeError) else _replies(each, answer[number])
        return found

    def pack(self, node: Node, request: Mapping[str, Any], into: IO[bytes]) -> Json:
        with tempfile.TemporaryFile() as given:
            script = self._archive(node, {**request, "action": "pack"})
            given.write(script.stdin)
            given.seek(0)
            return self._stream(node, script.command, given, into)

    def unpack(self, node: Node, request: Mapping[str, Any], archive: IO[bytes]) -> Json:
        script = self._archive(node, {**request, "action": "unpack"})
        reading, writing = os.pipe()
        feeder = threading.Thread(target=_feed, args=(writing, script.stdin, archive))
        with os.fdopen(reading, "rb") as given, tempfile.TemporaryFile() as nothing:
            feeder.start()
            try:
                return self._stream(node, script.command, given, nothing)
            finally:
                given.close()  # a feeder that nobody reads from any more ends by that
                feeder.join()

    def _archive(self, node: Node, request: Mapping[str, Any]) -> Sent:
        self._host_keys.require(target(node))
        return sent("jenkinsarchive.py", request, root=True, modules=["jenkinshome"])

    def _stream(self, node: Node, command: Sequence[str], given: IO[bytes], out: IO[bytes]) -> Json:
        done = self._ssh.stream(target(node), command, given=given, out=out, timeout_s=_TRANSFER_TIMEOUT_S)
        said = (done.stderr.strip() or "nothing").splitlines()[-1]
        try:
            answer = json.loads(said)
        except ValueError:
            ended = no_space(node.name, f"the script ended with {done.returncode} and said: {said}", self._directory)
            raise NodeError(f"node {node}: {ended}") from None
        if "answer" not in answer:
            raise NodeError(f"node {node}: {no_space(node.name, answer['error'], self._directory)}")
        return answer["answer"]

    def _run(self, nodes: Sequence[Node], scripts: Mapping[str, Sent]) -> dict[str, Json | NodeError]:
        found: dict[str, Json | NodeError] = {}
        reachable = []
        for node in nodes:
            if node.status != "ACTIVE":
                found[node.name] = NodeError(f"node {node}: its server is {node.status}")
            elif self._host_keys.find(target(node)):
                reachable.append(node)
            else:
                found[node.name] = NodeError(f"node {node}: {lack(target(node))}")
        answers = self._ssh.run_many(
            [target(node) for node in reachable],
            lambda to: scripts[to.name].command,
            stdin=lambda to: scripts[to.name].stdin,
            timeout_s=_SSH_TIMEOUT_S,
        )
        return found | {name: _answer(name, result) for name, result in answers.items()}


def _feed(writing: int, first: bytes, then: IO[bytes]) -> None:
    with suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
        pipe.write(first)
        shutil.copyfileobj(then, pipe, 1 << 20)


def _answer(name: str, result: Result | SshError) -> Json | NodeError:
    if isinstance(result, SshError):
        return result
    if result.returncode != 0:
        said = (result.stderr.strip() or "nothing").splitlines()[-1]
        ended = f"the script ended with {result.returncode} and said: {said}"
        return NodeError(f"node {name}: {no_space(name, ended)}")
    return json.loads(result.stdout)


def _replies(asked: Asked, answer: Json) -> list[Reply] | NodeError:
    if "error" in answer:
        return NodeError(f"master {asked.name} on node {asked.node}: {answer['error']}")
    return [Reply(each["status"], each["headers"], each["body"]) for each in answer["answers"]]
