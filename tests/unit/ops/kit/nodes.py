"""Nodes in memory that answer the scripts by which files with secrets are brought and the key is read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from clusterctl.ops.kit.access import Access
from clusterctl.resources import Server
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from clusterctl.ssh.process import Finished
from tests.unit.ssh.keys import ED25519


@dataclass
class Node:
    """``boot`` is the state of its first boot, ``up`` whether ssh answers."""

    boot: str | None = "running"
    up: bool = True
    files: dict[str, str] = field(default_factory=dict)


@dataclass
class Nodes:
    """By address. ``asked`` counts the scripts that ran, by name; ``closing`` answers that of ``secure``."""

    known: KnownHosts
    of: dict[str, Node] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    closing: Callable[[str, Mapping[str, Any]], dict[str, Any]] | None = None

    @classmethod
    def at(cls, directory: Path, servers: Sequence[Server]) -> Nodes:
        made = cls(KnownHosts(directory / "known_hosts"))
        for server in servers:
            made.known.pin(server.id, [ED25519])
            made.of[str(server.address)] = Node()
        return made

    @property
    def access(self) -> Access:
        ssh = Ssh(SshConfig("debian", self.known.path, Path("/r")), self)
        return Access(ssh, HostKeys(self.known, lambda _: "", lambda _: None), prober=None)  # type: ignore[arg-type]

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        node = self.of[argv[-2]]
        if not node.up:
            return Finished(255, "", "ssh: connect to host: Connection refused")
        found = re.findall(r"'\"'\"'(\w+\.py)'\"'\"'", argv[-1])
        script = found[-1]
        self.asked.append((argv[-2], script))
        request = json.loads(stdin.splitlines()[-1])
        answer: dict[str, Any]
        if "paths" in request:
            answer = {"boot": node.boot, "there": [path for path in request["paths"] if path in node.files]}
            answer["texts"] = {path: node.files.get(path) for path in request["files"]}
        elif script == "keyfile.py":
            answer = {name: node.files.get(request[name]) for name in ("key", "epochs")} | {"boot": node.boot}
        elif script == "closing.py":
            assert self.closing is not None
            answer = self.closing(argv[-2], request)
        else:
            answer = {"answer": {}}
            for file in request["files"]:
                changed = node.files.get(file["path"]) != file["text"]
                answer["answer"][file["path"]] = {
                    "sha256": sha256(file["text"].encode()).hexdigest(),
                    "changed": changed,
                }
                if not request["look"]:
                    node.files[file["path"]] = file["text"]
        return Finished(0, json.dumps(answer), "")

    def kill_running(self) -> None:
        raise AssertionError

    def kill_all(self) -> None:
        raise AssertionError
