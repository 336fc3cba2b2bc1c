"""How many masters fit on an agent, and whether a build fits on one at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from clusterctl.amounts import amount
from clusterctl.spec.jenkins import JenkinsSettings


class Offered(Protocol):
    """What an agent offers; ``variables.AgentResources`` tells it."""

    cpus: float
    mem_mib: int


@dataclass(frozen=True)
class Capacity:
    """Masters that fit on one agent, and what bounds them: ``cpus`` or ``mem``."""

    masters: int
    bound: str


def room(jenkins: JenkinsSettings, resources: Offered) -> Capacity:
    """Room of an agent that hosts nothing else."""
    # Mesos counts processors in thousandths
    cpus = round(resources.cpus * 1000) // round(jenkins.master.cpus * 1000)
    mem = resources.mem_mib // jenkins.master.mem_mib
    return Capacity(min(cpus, mem), "cpus" if cpus <= mem else "mem")


def builds_too_large(jenkins: JenkinsSettings, agents: Iterable[tuple[dict[str, str], Offered]]) -> list[str]:
    """Kinds of builds for which no agent is large enough.

    Args:
        agents: attributes and resources of each group of agents for builds.
    """
    listed = list(agents)
    found = []
    for build in jenkins.builds:
        cpus, mem = build.task_cpus, build.task_mem_mib(jenkins.plugin)
        fitting = [each for attributes, each in listed if build.attributes.items() <= attributes.items()]
        if not any(cpus <= each.cpus and mem <= each.mem_mib for each in fitting):
            largest = ", ".join(f"{amount(each.cpus)} cpus and {each.mem_mib} MiB" for each in fitting)
            found.append(
                f"jenkins.builds: a build with label {build.label!r} takes {amount(cpus)} cpus and {amount(mem)} MiB; "
                f"its agents offer {largest or 'nothing'}"
            )
    return found
