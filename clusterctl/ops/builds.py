"""From the create calls to servers that run: waits for Nova's builds, and makes a failed one again, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from clusterctl.cloud.base import Cloud
from clusterctl.errors import NodeError
from clusterctl.ops.apply import apply_plan
from clusterctl.ops.preflight import Ground
from clusterctl.ops.progress import Progress
from clusterctl.ops.waiting import Waiter
from clusterctl.plan import failed_build, make_plan
from clusterctl.resources import Server
from clusterctl.spec.model import ClusterSpec

BUILD_TIMEOUT_S = 1200.0


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

    def finish(self) -> tuple[str, ...]:
        """Waits until nothing is being built; the names of those whose build failed and that were made again.

        A build that failed is deleted and asked for once more. It then goes to another host if there is one: Nova's
        scheduler puts hosts where builds failed lately last (its BuildFailureWeigher, on by default). Nova forgets the
        host of a failed server, so no hint could name it.

        Raises:
            NodeError: a second build failed, too; names the servers and Nova's reasons.
            ClusterctlError: builds took too long, or a call failed.
        """
        first = self._built()
        if not first:
            return ()
        self.progress.note(f"made again after a failed build: {_told(first)}")
        observed = self.cloud.observe(self.spec.cluster)
        plan = make_plan(self.spec, observed).limited(
            nodes={server.node for server in first if server.node},
            groups={server.group for server in first if not server.node},
        )
        apply_plan(self.spec, plan, self.ground, observed, self.cloud, self.progress, waiter=self.waiter)
        if second := self._built():
            raise NodeError(
                f"the cloud can't build {len(second)} servers; each was tried twice: {_told(second)}",
                hint=f"The first time it said: {_told(first)}.",
            )
        return tuple(sorted(server.node or server.name for server in first))

    def _built(self) -> list[Server]:
        """Those whose build failed, once no other is in BUILD."""
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
        return [server for server in seen if failed_build(server)]


def _told(servers: list[Server]) -> str:
    """Names with Nova's reasons, the first few."""
    reasons = [f"{server.node or server.name} ({server.fault or 'Nova gives no reason'})" for server in servers[:8]]
    more = [f"and {len(servers) - 8} more"] if len(servers) > 8 else []
    return "; ".join(reasons + more)
