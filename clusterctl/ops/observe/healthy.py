"""Waits until a cluster is healthy, or says what it lacks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from clusterctl.cloud.base import Cloud
from clusterctl.errors import NodeError, UnhealthyError
from clusterctl.health.expect import Expected, Node, expected
from clusterctl.health.facts import NodeFacts
from clusterctl.health.judge import boot_text, judge, node_ready
from clusterctl.health.mesos import AGENT_CHECKS, agent_checks, leading_master
from clusterctl.ops.kit.access import Access
from clusterctl.ops.kit.delivery import Delivery
from clusterctl.ops.kit.run import Run
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.observe.bootwatch import BootWatch, indented
from clusterctl.ops.observe.farewell import Farewell
from clusterctl.ops.observe.lookout import Lookout
from clusterctl.ops.observe.verify import VerifyReport, WaitHealthy
from clusterctl.remote.prober import target
from clusterctl.resources import Flavor, Server
from clusterctl.services import UNITS, Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.console import console_tail
from clusterctl.ssh.hostkeys import lack
from clusterctl.topology import topology

TICK_S = 2.5
ANYWAY_S = 10.0  # after which all are asked again though nobody told anything new
_SETTLE_S = 120  # for a cluster that nothing was added to
ASKED_AGENTS = 8  # as many as one detail names (health.check)


def healthy_within(run: Run, timeout_s: float) -> WaitHealthy:
    """Waits for a cluster of ``run``: up to ``timeout_s`` if servers were just made, else two minutes at most."""

    def wait(spec: ClusterSpec, fresh: bool) -> VerifyReport:
        deadline_s = timeout_s if fresh else min(timeout_s, _SETTLE_S)
        delivery = run.delivery if spec.has_secrets else None
        farewell = Farewell(spec, run.access, run.cloud.used_addresses, run.progress.note)
        return wait_healthy(
            spec,
            run.cloud,
            run.access,
            deadline_s=deadline_s,
            waiter=run.waiter,
            note=run.progress.note,
            helpers=Helpers(delivery, farewell),
        )

    return wait


@dataclass(frozen=True)
class Helpers:
    """What is done for a cluster while it is waited for; whoever gives them holds its lock.

    Attributes:
        delivery: brings files with secrets to nodes that boot; None for a cluster without.
        farewell: tells the masters of agents whose servers are gone.
    """

    delivery: Delivery | None = None
    farewell: Farewell | None = None


def wait_healthy(
    spec: ClusterSpec,
    cloud: Cloud,
    access: Access,
    *,
    deadline_s: float,
    waiter: Waiter | None = None,
    note: Callable[[str], None] | None = None,
    helpers: Helpers = Helpers(),
) -> VerifyReport:
    """Waits until the cluster is healthy: one server list a tick, and looks at the control nodes that are not ready.

    When each of them is, all are asked again, so that the verdict is over one moment. A look lasts until its node has
    something new to tell (``Lookout``), where the way to the nodes allows that; else it is taken anew each tick.

    Args:
        note: told what is waited for.
        helpers: see there.

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
    lookout = Lookout(access.watcher()) if access.watcher else None
    flavors = tuple(cloud.flavors())
    wait = _Wait(spec, cloud, access, watch, flavors, helpers=helpers, lookout=lookout, clock=waiter.clock)
    deadline = waiter.clock() + deadline_s
    try:
        while True:
            began = waiter.clock()
            report = wait.tick()
            if report.healthy and wait.complete:
                return report
            if note is not None:
                note(wait.waiting_for(report))
            if waiter.clock() >= deadline:
                break
            if lookout:
                lookout.rest(TICK_S)
            else:
                waiter.rest(began, TICK_S)
    finally:
        if lookout:
            lookout.close()
    report = wait.with_silent_agents()
    delivery = helpers.delivery
    late = "".join(f"\ncredentials: {name}: {why}" for name, why in delivery.failed.items()) if delivery else ""
    units = " ".join(f"-u {unit}" for unit in UNITS.values())
    raise UnhealthyError(
        f"cluster {spec.cluster} is not healthy after {round(deadline_s, 1):g} s:\n"
        + indented("\n".join(f"{check.name}: {check.detail}" for check in report.failed) + late),
        hint=f"A node's logs: `clusterctl ssh FILE {topology(spec).nodes[0].name} -- journalctl -b {units}`.",
    )


@dataclass
class _Wait:
    """What is known from the ticks so far.

    Attributes:
        lookout: None: nodes are asked anew each tick.
        complete: every control node was asked in this tick.
        only_agents: the last complete verdict lacked nothing but agents.
        listed_at: when servers were listed.
        judged_at: when all control nodes were asked.
    """

    spec: ClusterSpec
    cloud: Cloud
    access: Access
    watch: BootWatch
    flavors: tuple[Flavor, ...]
    helpers: Helpers = Helpers()
    lookout: Lookout | None = None
    clock: Callable[[], float] = time.monotonic
    servers: Sequence[Server] = ()
    facts: dict[str, NodeFacts] = field(default_factory=dict)
    complete: bool = False
    only_agents: bool = False
    listed_at: float = -math.inf
    judged_at: float = -math.inf

    def tick(self) -> VerifyReport:
        between = bool(self.lookout) and self.clock() < self.listed_at + TICK_S
        if not between:
            self._list()
        servers = self.servers
        expect = expected(self.spec, servers, self.flavors)
        if not between:
            self._watch_boots(servers, expect)
        if self.lookout and self.facts:
            self._listen(expect, self.lookout)
        else:
            self._probe(expect)
            if self.lookout:
                self.judged_at = self.clock()
                self._watch(self._unready(expect) or expect.control, self.lookout)
        self._deliver(servers, expect)
        if self.helpers.farewell:
            self.helpers.farewell.tell(expect, self.facts, servers)
        self._fail_on_failed_boot(expect)
        report = self._report(expect)
        if self.complete:
            self.only_agents = all(check.name.startswith(AGENT_CHECKS) for check in report.failed)
        return report

    def _list(self) -> None:
        self.listed_at = self.clock()
        self.servers = self.cloud.servers(self.spec.cluster)
        _fail_on_error(self.servers)
        self.access.host_keys.known_hosts.keep_only(server.id for server in self.servers)

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
        if self.helpers.delivery is None:
            return
        lacking = {node.server_id for node in self._unready(expect)}
        lacking |= {server.id for server in self._absent(servers, expect)}
        self.helpers.delivery.bring(self.spec, servers, lacking)

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
        if self.helpers.delivery is not None:
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

    def _listen(self, expect: Expected, lookout: Lookout) -> None:
        """Hears what nodes tell; asks all of them for the last word when each is ready, and again when one of them has
        news, or after ``ANYWAY_S``.
        """
        self.complete = False
        news = lookout.told()
        self.facts |= news
        pinned = self.access.host_keys.known_hosts.aliases()
        unready = self._unready(expect)
        unpinned = [node for node in unready if node.server_id not in pinned]
        self.facts |= {node.name: NodeFacts(error=lack(target(node))) for node in unpinned}
        if unready:
            self._watch(unready, lookout)
            return
        leader = leading_master(expect, self.facts) if self.only_agents else None
        if leader and not all(check.ok for check in agent_checks(expect, self.facts)):
            self._watch([leader[0]], lookout)
            return
        if news or self.clock() >= self.judged_at + ANYWAY_S:
            self.facts |= self.access.prober.probe(expect.control)
            self.judged_at = self.clock()
            self.complete = True
        self._watch(expect.control, lookout)

    def _watch(self, nodes: Sequence[Node], lookout: Lookout) -> None:
        pinned = self.access.host_keys.known_hosts.aliases()
        lookout.watch([node for node in nodes if node.server_id in pinned and node.status == "ACTIVE"], self.facts)

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


class ShutOffError(NodeError):
    """A server of the cluster is shut off, and nobody is about to start it: waiting for it would be for nothing."""


def fail_on_shut_off(servers: Iterable[Server]) -> None:
    """Raises: ShutOffError: names the first."""
    for server in servers:
        if server.status == "SHUTOFF" and server.task_state is None:
            raise ShutOffError(
                f"server {server.node or server.name} is shut off",
                hint="`clusterctl repair FILE --apply` starts it.",
            )


def _fail_on_error(servers: Iterable[Server]) -> None:
    servers = list(servers)
    fail_on_shut_off(servers)
    for server in servers:
        if server.status == "ERROR":
            raise NodeError(
                f"server {server.node or server.name} is in ERROR: {server.fault or 'Nova gives no reason'}",
                hint="`clusterctl repair FILE` shows what it needs.",
            )
