"""From the create calls to servers that run: waits for Nova's builds, makes a failed one again, once, and takes agents
away again that turn out to be too many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from clusterctl.cloud.base import Cloud
from clusterctl.errors import NodeError
from clusterctl.ops.apply import apply_plan
from clusterctl.ops.preflight import Ground
from clusterctl.ops.progress import Progress
from clusterctl.ops.removal import delete_servers
from clusterctl.ops.waiting import Waiter
from clusterctl.plan import failed_build, make_plan
from clusterctl.resources import KEY_BATCH, Server
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import topology

BUILD_TIMEOUT_S = 1200.0
_SHOWN = 8  # servers named in one message


@dataclass(frozen=True)
class Builds:
    """The servers of one cluster, or of a part of it, on their way to ACTIVE.

    Attributes:
        mine: whether a server is waited for, and made again if its build fails.
        timeout_s: for each of the two tries.
    """

    spec: ClusterSpec
    ground: Ground
    cloud: Cloud
    progress: Progress
    waiter: Waiter = field(default_factory=Waiter)
    mine: Callable[[Server], bool] = lambda _server: True
    timeout_s: float = BUILD_TIMEOUT_S

    def finish(self, batches: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """Waits until nothing is being built; the names of those whose build failed and that were made again.

        Args:
            batches: of agents that this run made, and may take away again: see ``_trim``.

        A build that failed is deleted and asked for once more. It then goes to another host if there is one: Nova's
        scheduler puts hosts where builds failed lately last (its BuildFailureWeigher, on by default). Nova forgets the
        host of a failed server, so no hint could name it.

        Raises:
            NodeError: a second build failed, too; names the servers and Nova's reasons.
            ClusterctlError: builds took too long, or a call failed.
        """
        seen = self._built()
        first = [server for server in seen if failed_build(server)]
        if not first:
            self._trim(seen, batches)
            return ()
        reasons = self._told(first)
        self.progress.note(f"made again after a failed build: {reasons}")
        observed = self.cloud.observe(self.spec.cluster)
        plan = make_plan(self.spec, observed).limited(
            nodes={server.node for server in first if server.node},
            groups={server.group for server in first if not server.node},
        )
        batches |= apply_plan(self.spec, plan, self.ground, observed, self.cloud, self.progress, waiter=self.waiter)
        seen = self._built()
        if second := [server for server in seen if failed_build(server)]:
            raise NodeError(
                f"of {len(seen)} servers the cloud can't build {len(second)}, tried twice: {self._told(second)}",
                hint=f"The first time it said: {reasons}.",
            )
        self._trim(seen, batches)
        return tuple(sorted(server.node or server.name for server in first))

    def _trim(self, seen: Sequence[Server], batches: frozenset[str]) -> None:
        """Deletes agents of ``batches`` that are too many.

        The request of a run that was killed may have been under way still when this run counted; nothing tells when
        the cloud has done with it. What this run made itself has hardly begun to boot, so nothing runs on it.
        """
        surplus: list[Server] = []
        for pool in topology(self.spec).pools:
            have = [server for server in seen if server.group == pool.group and server.node is None]
            own = [server for server in have if server.metadata.get(KEY_BATCH) in batches]
            surplus += own[: max(0, len(have) - pool.count)]
        if surplus:
            self.progress.note(f"{len(surplus)} agents too many, a killed run had asked for them as well")
            with self.progress.phase("delete servers"):
                ids = [server.id for server in surplus]
                delete_servers(self.spec.cluster, ids, self.cloud, self.progress, self.waiter)

    def _built(self) -> list[Server]:
        """All of them, once none is in BUILD."""
        seen: list[Server] = []

        def over() -> bool:
            seen[:] = [server for server in self.cloud.servers(self.spec.cluster) if self.mine(server)]
            left = [server.name for server in seen if server.status == "BUILD"]
            if left:
                self.progress.note(f"{len(seen) - len(left)} of {len(seen)} servers are built")
            return not left

        with self.progress.phase("build"):
            self.waiter.until(
                over,
                what=f"the servers of {self.spec.cluster} to be built",
                timeout_s=self.timeout_s,
                hint="`openstack server list` shows those in BUILD; the cloud's operators can see what holds them up.",
            )
        return seen

    def _told(self, servers: Sequence[Server]) -> str:
        """Names with Nova's reasons, the first few."""
        shown = [(server, server.fault or self.cloud.fault(server.id)) for server in servers[:_SHOWN]]
        reasons = [f"{server.node or server.name} ({fault or 'Nova gives no reason'})" for server, fault in shown]
        more = [f"and {len(servers) - _SHOWN} more"] if len(servers) > _SHOWN else []
        return "; ".join(reasons + more)
