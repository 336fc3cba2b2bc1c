"""Agents that were replaced are marked gone, once each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clusterctl.health.facts import NodeFacts
from clusterctl.ops.kit.access import Access
from clusterctl.ops.observe.farewell import Farewell
from clusterctl.remote.masters import Call, MasterError
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from tests.memory.cloud import MemoryCloud
from tests.unit.health.clusters import SPEC, all_facts, expect, facts


class Masters:
    """Remembers the calls; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[Call] = []
        self.failures = failures

    def call(self, calls: Sequence[Call], agents: Sequence[str] = ()) -> list[Any]:
        if self.failures:
            self.failures -= 1
            raise MasterError("no master leads")
        self.calls += calls
        return [None] * len(calls)


def with_ghosts(*agents: str) -> dict[str, NodeFacts]:
    ghosts = [{"app": "/jenkins/a", "host": "10.0.0.11", "agent": each} for each in agents]
    return all_facts(c2=facts(2, marathon={"ghosts": ghosts}))


def farewell(masters: Masters, notes: list[str], tmp_path: Path) -> Farewell:
    cloud, known = MemoryCloud(), KnownHosts(tmp_path / "known_hosts")
    ssh = Ssh(SshConfig("debian", known.path, Path("/r")))
    access = Access(ssh, HostKeys(known, cloud.console, cloud.rebuilt), lambda _nodes: {})  # type: ignore[arg-type]
    return Farewell(SPEC, access, notes.append, masters=lambda _expect: masters)


def marked(masters: Masters) -> list[tuple[str, str]]:
    return [(str(call["type"]), call["mark_agent_gone"]["agent_id"]["value"]) for call in masters.calls]


def test_each_is_marked_once(tmp_path: Path) -> None:
    masters, notes = Masters(), list[str]()
    told = farewell(masters, notes, tmp_path)
    for seen in (all_facts(), with_ghosts("S-1"), with_ghosts("S-1"), with_ghosts("S-1", "S-2")):
        told.tell(expect(), seen)
    assert marked(masters) == [("MARK_AGENT_GONE", "S-1"), ("MARK_AGENT_GONE", "S-2")]
    assert notes == []


def test_a_master_that_can_not_be_asked_is_asked_again(tmp_path: Path) -> None:
    masters, notes = Masters(failures=1), list[str]()
    told = farewell(masters, notes, tmp_path)
    told.tell(expect(), with_ghosts("S-1"))
    assert notes == ["agents that were replaced can't be marked gone yet: no master leads"]
    told.tell(expect(), with_ghosts("S-1"))
    assert marked(masters) == [("MARK_AGENT_GONE", "S-1")]
