"""Seeing the cluster between the steps of a roll: one server list and one probe a look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError, InputError
from clusterctl.health.check import Check
from clusterctl.health.expect import Expected, Node, expected, without
from clusterctl.health.facts import AgentFacts, Deployment, NodeFacts
from clusterctl.health.judge import judge, judge_all
from clusterctl.health.leaders import leader_of
from clusterctl.health.marathon import leading_marathon
from clusterctl.health.mesos import leading_master
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.remote.prober import Prober
from clusterctl.resources import Flavor, Server
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec

TICK_S = 0.5  # longer where a look takes longer


class GateError(ClusterctlError):
    """A condition of a step did not come true in time; ``problems`` says what was still seen."""

    def __init__(self, what: str, timeout_s: float, problems: Sequence[str]) -> None:
        super().__init__(f"{what} not within {timeout_s:g} s: " + "; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Look:
    """What was seen at one moment; ``facts`` are by node name."""

    spec: ClusterSpec
    servers: tuple[Server, ...]
    expect: Expected
    facts: Mapping[str, NodeFacts]

    @property
    def failed(self) -> list[Check]:
        """The checks that don't hold, of those that gates go by."""
        return [check for check in judge(self.spec, self.servers, self.expect, self.facts) if not check.ok]

    @property
    def sick(self) -> list[Check]:
        """The checks of ``verify`` that don't hold."""
        return [check for check in judge_all(self.spec, self.servers, self.expect, self.facts) if not check.ok]

    @property
    def agents(self) -> dict[str, AgentFacts]:
        """Registered agents by address, as the leading master lists them; empty where nobody leads.

        Of two with one address, the active one.
        """
        leader = leading_master(self.expect, self.facts)
        listed = sorted(leader[1].agents or (), key=lambda agent: agent.active) if leader else ()
        return {agent.hostname: agent for agent in listed}

    @property
    def agent_ids(self) -> dict[str, str]:
        """Node name -> id of the active agents."""
        known = self.agents
        return {node.name: known[node.address].id for node in self.expect.agents if _is_active(known, node)}

    @property
    def framework(self) -> str | None:
        """Marathon's framework id, if its instances agree on a leader."""
        leader = leading_marathon(self.expect, self.facts)
        return leader[1].framework_id if leader else None

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """Marathon's deployments under way."""
        leader = leading_marathon(self.expect, self.facts)
        return leader[1].deployments if leader else ()

    def leader(self, service: Service) -> str | None:
        """Name of the node that leads ``service`` now; None where there is no single leader (as for agents)."""
        return leader_of(service, self.expect, self.facts)

    def nodes(self, names: Collection[str]) -> list[Node]:
        """The nodes of these names."""
        return [node for node in (*self.expect.control, *self.expect.agents) if node.name in names]


def _is_active(known: Mapping[str, AgentFacts], node: Node) -> bool:
    return node.address in known and known[node.address].active


@dataclass
class Cluster:
    """A cluster that is looked at again and again.

    Attributes:
        note: told what is waited for.
        left_out: names of agents that are not judged.
    """

    spec: ClusterSpec
    cloud: Cloud
    prober: Prober
    waiter: Waiter = field(default_factory=Waiter)
    note: Callable[[str], None] = lambda _: None
    left_out: Collection[str] = ()

    def __post_init__(self) -> None:
        self.flavors: tuple[Flavor, ...] = tuple(self.cloud.flavors())

    def look(self, also: Collection[str] = ()) -> Look:
        """Asks all control nodes, and ``also`` these agents' nodes.

        Raises:
            CloudError: the servers can't be listed.
        """
        servers = tuple(self.cloud.servers(self.spec.cluster))
        expect = expected(self.spec, servers, self.flavors)
        if self.left_out:
            expect = without(expect, self._left_out(servers))
        asked = (*expect.control, *(node for node in expect.agents if node.name in also))
        return Look(self.spec, servers, expect, self.prober.probe(asked))

    def _left_out(self, servers: Sequence[Server]) -> dict[str, str | None]:
        """Name -> address. Raises InputError: a name is not an agent's: members of ensembles are never left out."""
        known = {s.node or s.name: s.address for s in servers if Service.MESOS_AGENT in s.services}
        for name in self.left_out:
            if name not in known:
                raise InputError(f"--without: found {name!r}; allowed: agents, which are {', '.join(sorted(known))}")
        return {name: known[name] for name in self.left_out}

    def wait(
        self,
        problems: Callable[[Look], Sequence[str]],
        *,
        what: str,
        timeout_s: float,
        also: Collection[str] = (),
        stays: Callable[[str], bool] = lambda _: False,
    ) -> Look:
        """Looks until ``problems`` finds none; returns that look.

        Args:
            stays: whether a problem is of a kind that waiting doesn't end.

        Raises:
            GateError: there were some still after ``timeout_s``, or one that stays.
        """
        deadline = self.waiter.clock() + timeout_s
        while True:
            began = self.waiter.clock()
            look = self.look(also)
            found = problems(look)
            if not found:
                return look
            self.note(f"{what}: {found[0]}")
            if self.waiter.clock() >= deadline or any(stays(each) for each in found):
                raise GateError(what, timeout_s, found)
            self.waiter.rest(began, TICK_S)
