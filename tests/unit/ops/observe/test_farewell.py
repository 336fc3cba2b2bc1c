"""Agents that were replaced or whose servers were deleted are marked gone, once each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
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
from tests.unit.health.clusters import SPEC, agent, agents, all_facts, expect, facts, servers


class Masters:
    """Remembers the calls; fails as often as it is told to.

    Args:
        living: places where a host answers.
    """

    def __init__(self, failures: int = 0, living: Collection[str] = ()) -> None:
        self.calls: list[Call] = []
        self.failures = failures
        self.living = living
        self.asked: list[str] = []

    def call(self, calls: Sequence[Call], agents: Sequence[str] = ()) -> list[Any]:
        if self.failures:
            self.failures -= 1
            raise MasterError("no master leads")
        if calls[0]["type"] == "HOST_ANSWERS":
            self.asked += calls[0]["places"]
            return [[place in self.living for place in calls[0]["places"]]]
        self.calls += calls
        return [None] * len(calls)


def with_ghosts(*agents: str) -> dict[str, NodeFacts]:
    ghosts = [{"app": "/jenkins/a", "host": "10.0.0.11", "agent": each} for each in agents]
    return all_facts(c2=facts(2, marathon={"ghosts": ghosts}))


def with_strays(*strays: dict[str, Any]) -> dict[str, NodeFacts]:
    return all_facts(c1=facts(1, mesos_master={"agents": [*agents(), *strays]}))


STRAY = agent("10.0.0.29", "jenkins-builder", None)


def farewell(masters: Masters, notes: list[str], tmp_path: Path, used: Collection[str] = ()) -> Farewell:
    cloud, known = MemoryCloud(), KnownHosts(tmp_path / "known_hosts")
    ssh = Ssh(SshConfig("debian", known.path, Path("/r")))
    access = Access(ssh, HostKeys(known, cloud.console, cloud.rebuilt), lambda _nodes: {})  # type: ignore[arg-type]
    return Farewell(SPEC, access, set(used).intersection, notes.append, masters=lambda _expect: masters)


def marked(masters: Masters) -> list[tuple[str, str]]:
    return [(str(call["type"]), call["mark_agent_gone"]["agent_id"]["value"]) for call in masters.calls]


def test_each_is_marked_once(tmp_path: Path) -> None:
    masters, notes = Masters(), list[str]()
    told = farewell(masters, notes, tmp_path)
    for seen in (all_facts(), with_ghosts("S-1"), with_ghosts("S-1"), with_ghosts("S-1", "S-2")):
        told.tell(expect(), seen, servers())
    assert marked(masters) == [("MARK_AGENT_GONE", "S-1"), ("MARK_AGENT_GONE", "S-2")]
    assert notes == []


def test_a_master_that_can_not_be_asked_is_asked_again(tmp_path: Path) -> None:
    masters, notes = Masters(failures=1), list[str]()
    told = farewell(masters, notes, tmp_path)
    told.tell(expect(), with_ghosts("S-1"), servers())
    assert notes == ["agents whose servers are gone can't be marked so yet: no master leads"]
    told.tell(expect(), with_ghosts("S-1"), servers())
    assert marked(masters) == [("MARK_AGENT_GONE", "S-1")]


def test_the_agent_of_a_server_that_was_deleted_is_not_waited_for(tmp_path: Path) -> None:
    masters, notes = Masters(), list[str]()
    told = farewell(masters, notes, tmp_path)
    for seen in (all_facts(), with_strays(STRAY), with_strays(STRAY)):
        told.tell(expect(), seen, servers())
    assert marked(masters) == [("MARK_AGENT_GONE", "S-10.0.0.29")]
    assert masters.asked == ["10.0.0.29:5051"]
    assert notes == []


def test_an_agent_whose_server_is_only_missing_in_novas_list_is_left_alone(tmp_path: Path) -> None:
    masters = Masters()
    told = farewell(masters, [], tmp_path, used=["10.0.0.29"])
    told.tell(expect(), with_strays(STRAY), servers())
    assert (marked(masters), masters.asked) == ([], [])


def test_a_host_of_others_that_answers_is_left_alone_and_asked_once(tmp_path: Path) -> None:
    masters = Masters(living=["10.0.0.29:5051"])
    told = farewell(masters, [], tmp_path)
    for _ in range(2):
        told.tell(expect(), with_strays(STRAY), servers())
    assert (marked(masters), masters.asked) == ([], ["10.0.0.29:5051"])


def test_an_agent_with_attributes_of_no_group_is_left_alone(tmp_path: Path) -> None:
    masters = Masters()
    other = agent("10.0.0.29", "somebody-elses", None)
    farewell(masters, [], tmp_path).tell(expect(), with_strays(other), servers())
    assert (marked(masters), masters.asked) == ([], [])


def test_an_agent_whose_server_is_being_deleted_is_left_alone(tmp_path: Path) -> None:
    masters = Masters()
    *others, last = servers()
    listed = [*others, replace(last, task_state="deleting")]
    farewell(masters, [], tmp_path).tell(expect(of=listed), all_facts(), listed)
    assert (marked(masters), masters.asked) == ([], [])


def test_hosts_that_can_not_be_asked_about_are_asked_about_again(tmp_path: Path) -> None:
    masters, notes = Masters(failures=1), list[str]()
    told = farewell(masters, notes, tmp_path)
    for _ in range(2):
        told.tell(expect(), with_strays(STRAY), servers())
    assert notes == ["agents whose servers are gone can't be marked so yet: no master leads"]
    assert marked(masters) == [("MARK_AGENT_GONE", "S-10.0.0.29")]


def test_of_many_fifty_a_look_are_asked_about(tmp_path: Path) -> None:
    masters = Masters()
    told = farewell(masters, [], tmp_path)
    strays = [agent(f"10.0.1.{number}", "jenkins-builder", None) for number in range(1, 61)]
    numbers = []
    for _ in range(3):
        told.tell(expect(), with_strays(*strays), servers())
        numbers.append(len(masters.asked))
    assert numbers == [50, 60, 60]
    assert len(set(marked(masters))) == 60
