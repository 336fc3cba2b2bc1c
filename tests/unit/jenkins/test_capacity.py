"""What fits on an agent."""

from __future__ import annotations

import pytest

from clusterctl.jenkins.capacity import Capacity, builds_too_large, room
from clusterctl.spec.settings import AgentReserve
from clusterctl.variables import AgentResources
from tests.unit.jenkins.specs import tier


def agent(vcpus: int, ram_mib: int) -> AgentResources:
    return AgentResources(vcpus=vcpus, ram_mib=ram_mib, disk_gib=10, reserve=AgentReserve(mem_mib=0))


@pytest.mark.parametrize(
    ("vcpus", "ram", "expected"),
    [(2, 8192, Capacity(4, "cpus")), (8, 2048, Capacity(2, "mem")), (1, 512, Capacity(0, "mem"))],
)
def test_masters_on_an_agent(vcpus: int, ram: int, expected: Capacity) -> None:
    jenkins = tier().jenkins
    assert jenkins
    assert room(jenkins, agent(vcpus, ram)) == expected


def test_tenths_of_processors_add_up() -> None:
    jenkins = tier({"master": {"cpus": 0.1}}).jenkins
    assert jenkins
    assert room(jenkins, agent(1, 102400)).masters == 10


def test_builds_that_fit_nowhere() -> None:
    jenkins = tier({"builds": [{"attributes": {"pool": "jenkins-builder"}, "mem_mib": 1024}]}).jenkins
    assert jenkins
    builders = {"pool": "jenkins-builder"}
    assert builds_too_large(jenkins, [(builders, agent(1, 1408))]) == []  # 1.1 * (1024 + 256)
    (message,) = builds_too_large(jenkins, [(builders, agent(1, 1407)), ({}, agent(8, 8192))])
    assert "'mesos' takes 1 cpus and 1408 MiB; its agents offer 1 cpus and 1407 MiB" in message
