"""``verify``: asks the services, not the VMs, whether the cluster is healthy; and waits until it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clusterctl.cloud.base import Cloud
from clusterctl.errors import NodeError, UnhealthyError
from clusterctl.health.check import Check
from clusterctl.health.expect import Expected, Node, expected
from clusterctl.health.facts import NodeFacts
from clusterctl.health.judge import boot_text, judge, node_ready, server_check
from clusterctl.health.mesos import AGENT_CHECKS, agent_checks, leading_master
from clusterctl.ops.kit.access import Access
from clusterctl.ops.kit.delivery import Delivery
from clusterctl.ops.kit.run import Run
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.observe.bootwatch import BootWatch, indented
from clusterctl.remote.prober import Prober, target
from clusterctl.resources import Flavor, Server
from clusterctl.services import UNITS, Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.config import KEY_VARIABLE
from clusterctl.ssh.console import console_tail
from clusterctl.ssh.hostkeys import lack
from clusterctl.topology import topology

TICK_S = 2.5
_SETTLE_S = 120  # for a cluster that nothing was added to
ASKED_AGENTS = 8  # as many as one detail names (health.check)


@dataclass(frozen=True)
class VerifyReport:
    """What was checked; ``healthy`` if every check holds. ``insecure``: parts open to whoever reaches them."""

    checks: tuple[Check, ...]
    insecure: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that don't hold."""
        return tuple(check for check in self.checks if not check.ok)

    def to_json(self) -> dict[str, Any]:
        """``{"healthy", "checks": [{"name", "ok", "detail"}], "insecure": [...]}``."""
        checks = [check.to_json() for check in self.checks]
        return {"healthy": self.healthy, "checks": checks, "insecure": list(self.insecure)}


# Waits until the cluster serves, or raises. Given the spec; ``fresh`` tells that servers were just made.
WaitHealthy = Callable[[ClusterSpec, bool], VerifyReport]


def healthy_within(run: Run, timeout_s: float) -> WaitHealthy:
    """Waits for a cluster of ``run``: up to ``timeout_s`` if servers were just made, else two minutes at most."""

    def wait(spec: ClusterSpec, fresh: bool) -> VerifyReport:
        deadline_s = timeout_s if fresh else min(timeout_s, _SETTLE_S)
        delivery = run.delivery if spec.has_secrets else None
        return wait_healthy(
            spec, run.cloud, run.access, deadline_s=deadline_s, note=run.progress.note, delivery=delivery
        )

    return wait


def verify(
    spec: ClusterSpec,
    servers: Sequence[Server],
    flavors: Iterable[Flavor],
    prober: Prober,
    *,
    deep: bool = False,
) -> VerifyReport:
    """Probes once and judges.

    Args:
        servers: those of the cluster (``cloud.servers``).
        deep: asks every agent's node, too; otherwise only those for Jenkins masters, for their homes. The rest are
            judged by what the leading master says.

    Raises:
        NodeError: no control node could be asked, though their servers run: that is not known to be unhealthy.
    """
    expect = expected(spec, servers, flavors)
    facts = prober.probe((*expect.control, *(node for node in expect.agents if deep or node.homes)))
    _fail_on_nothing_reached(spec, servers, expect, facts)
    return VerifyReport(tuple(judge(spec, servers, expect, facts)), spec.security.open_parts)


def _fail_on_nothing_reached(
    spec: ClusterSpec, servers: Sequence[Server], expect: Expected, facts: Mapping[str, NodeFacts]
) -> None:
    """Raises: NodeError: all servers are as they should be, and no control node could be asked: nothing is known."""
    reasons = {facts[node.name].error for node in expect.control}
    if not expect.control or "" in reasons or not server_check(spec, servers).ok:
        return
    raise NodeError(
        f"none of the {len(expect.control)} control nodes could be asked, so whether cluster {spec.cluster} is "
        f"healthy is unknown: {'; '.join(sorted(reasons))}",
        hint=f"If you are not let in, load the cluster's private key into your ssh agent, or set {KEY_VARIABLE} to its "
        f"path; else look at the way to the nodes: `clusterctl ssh FILE {expect.control[0].name}`.",
    )


def wait_healthy(
    spec: ClusterSpec,
    cloud: Cloud,
    access: Access,
    *,
    deadline_s: float,
    waiter: Waiter | None = None,
    note: Callable[[str], None] | None = None,
    delivery: Delivery | None = None,
) -> VerifyReport:
    """Polls until the cluster is healthy: one server list a tick, and probes of the control nodes that are not ready.

    When each of them is, all are asked again, so that the verdict is over one moment.

    Args:
        note: told what is waited for.
        delivery: brings files with secrets to nodes that boot; None for a cluster without.

    Returns:
        A healthy report.

    Raises:
        NodeError: a server is in ERROR, or a boot failed; without waiting for the deadline.
        UnhealthyError: not healthy after ``deadline_s``; names the failed checks.
    """
    waiter = waiter or Waiter()
    direct = spec.access.bastion is None
    watch = BootWatch(
        cloud.console, access.host_keys, ports_open=access.ports_open if direct else None, clock=waiter.clock
    )
    wait = _Wait(spec, cloud, access, watch, tuple(cloud.flavors()), delivery)
    deadline = waiter.clock() + deadline_s
    while True:
        began = waiter.clock()
        report = wait.tick()
        if report.healthy and wait.complete:
            return report
        if note is not None:
            note(wait.waiting_for(report))
        if waiter.clock() >= deadline:
            break
        waiter.rest(began, TICK_S)
    report = wait.with_silent_agents()
    late = "".join(f"\ncredentials: {name}: {why}" for name, why in delivery.failed.items()) if delivery else ""
    units = " ".join(f"-u {unit}" for unit in UNITS.values())
    raise UnhealthyError(
        f"cluster {spec.cluster} is not healthy after {deadline_s:g} s:\n"
        + indented("\n".join(f"{check.name}: {check.detail}" for check in report.failed) + late),
        hint=f"A node's logs: `clusterctl ssh FILE {topology(spec).nodes[0].name} -- journalctl -b {units}`.",
    )


class _Wait:
    """What is known from the ticks so far."""

    def __init__(
        self,
        spec: ClusterSpec,
        cloud: Cloud,
        access: Access,
        watch: BootWatch,
        flavors: tuple[Flavor, ...],
        delivery: Delivery | None = None,
    ) -> None:
        self.delivery = delivery
        self.spec = spec
        self.cloud = cloud
        self.access = access
        self.watch = watch
        self.flavors = flavors
        self.servers: Sequence[Server] = ()
        self.facts: dict[str, NodeFacts] = {}
        self.complete = False  # every control node was asked in this tick
        self.only_agents = False  # the last complete verdict lacked nothing but agents

    def tick(self) -> VerifyReport:
        servers = self.cloud.servers(self.spec.cluster)
        _fail_on_error(servers)
        self.servers = servers
        self.access.host_keys.known_hosts.keep_only(server.id for server in servers)
        expect = expected(self.spec, servers, self.flavors)
        self._watch_boots(servers, expect)
        self._probe(expect)
        self._deliver(servers, expect)
        self._fail_on_failed_boot(expect)
        report = self._report(expect)
        if self.complete:
            self.only_agents = all(check.name.startswith(AGENT_CHECKS) for check in report.failed)
        return report

    def with_silent_agents(self) -> VerifyReport:
        """The report of the last tick, with what some of the agents that the master misses say themselves."""
        expect = expected(self.spec, self.servers, self.flavors)
        unheard = self._unheard(expect)
        silent = [node for node in expect.agents if node.address in unheard]
        self.facts |= self.access.prober.probe(silent[:ASKED_AGENTS])
        return self._report(expect)

    def _report(self, expect: Expected) -> VerifyReport:
        return VerifyReport(tuple(judge(self.spec, self.servers, expect, self.facts)), self.spec.security.open_parts)

    def _unheard(self, expect: Expected) -> set[str]:
        """Addresses of the agents that the leading master doesn't know; none as long as nobody leads."""
        leader = leading_master(expect, self.facts)
        if leader is None:
            return set()
        return {node.address for node in expect.agents} - {agent.hostname for agent in leader[1].agents or ()}

    def waiting_for(self, report: VerifyReport) -> str:
        """One line for a human: how many checks hold, and the first that doesn't."""
        passed = len(report.checks) - len(report.failed)
        missing = next((f"; {check.name}: {check.detail.split('; ')[0]}" for check in report.failed), "")
        return f"{passed} of {len(report.checks)} checks hold{missing}"

    def _deliver(self, servers: Sequence[Server], expect: Expected) -> None:
        if self.delivery is None:
            return
        lacking = {node.server_id for node in self._unready(expect)}
        lacking |= {server.id for server in self._absent(servers, expect)}
        self.delivery.bring(self.spec, servers, lacking)

    def _absent(self, servers: Sequence[Server], expect: Expected) -> list[Server]:
        """Servers of agents that the leading master doesn't know; of all agents as long as nobody leads."""
        known = {node.address for node in expect.agents} - self._unheard(expect)
        if leading_master(expect, self.facts) is None:
            known = set()
        agents = [server for server in servers if Service.MESOS_AGENT in server.services]
        return [server for server in agents if server.address not in known]

    def _watch_boots(self, servers: Sequence[Server], expect: Expected) -> None:
        control = {node.server_id for node in expect.control}
        unheard = self._unheard(expect)
        pinned = self.access.host_keys.known_hosts.aliases()
        wanted = [server for server in servers if server.id in control]
        if self.delivery is not None:
            # They wait for their files, which only ssh brings
            wanted += self._absent(servers, expect)
        self.watch.look(
            unpinned=[server for server in wanted if server.id not in pinned],
            silent=[server for server in servers if server.id not in control and server.address in unheard],
        )

    def _probe(self, expect: Expected) -> None:
        """Asks as few nodes as can change the verdict: those that are not ready; then, if agents are all that is
        missing, the leading master, which alone knows when they come; all of them for the last word.
        """
        self.complete = False
        first: Sequence[Node] = self._unready(expect)
        if not first:
            leader = leading_master(expect, self.facts) if self.only_agents else None
            first = [leader[0]] if leader else expect.control
        pinned = self.access.host_keys.known_hosts.aliases()
        self.facts |= {node.name: NodeFacts(error=lack(target(node))) for node in first if node.server_id not in pinned}
        self.facts |= self.access.prober.probe([node for node in first if node.server_id in pinned])
        if self._unready(expect):
            return
        if self.only_agents and not all(check.ok for check in agent_checks(expect, self.facts)):
            return
        self.facts |= self.access.prober.probe([node for node in expect.control if node not in first])
        self.complete = True

    def _unready(self, expect: Expected) -> list[Node]:
        return [node for node in expect.control if not node_ready(expect, node, self.facts.get(node.name))]

    def _fail_on_failed_boot(self, expect: Expected) -> None:
        for node in expect.control:
            seen = self.facts.get(node.name)
            if seen is not None and seen.boot.state == "failed":
                console = console_tail(self.cloud.console(node.server_id))
                raise NodeError(
                    f"node {node.name}: {boot_text(seen.boot)}\nThe last lines of its console:\n{indented(console)}"
                )


def _fail_on_error(servers: Iterable[Server]) -> None:
    for server in servers:
        if server.status == "ERROR":
            raise NodeError(
                f"server {server.node or server.name} is in ERROR: {server.fault or 'Nova gives no reason'}",
                hint="`clusterctl repair FILE` shows what it needs.",
            )
