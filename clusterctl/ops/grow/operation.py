"""What operations on a running cluster (scale, replace, repair) have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError, UnhealthyError
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.parallel import for_each
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.lifecycle.apply import apply_plan
from clusterctl.ops.lifecycle.builds import BUILD_TIMEOUT_S, Builds
from clusterctl.ops.lifecycle.preflight import image_for, look_up, own_cidrs, preflight
from clusterctl.ops.lifecycle.removal import DELETABLE, delete_servers
from clusterctl.ops.observe.look import Cluster, Look
from clusterctl.ops.observe.verify import WaitHealthy
from clusterctl.ops.roll.drain import Drains
from clusterctl.plan import failed_build, make_plan
from clusterctl.remote.prober import Prober
from clusterctl.resources import Observed, Server
from clusterctl.spec.model import ClusterSpec

# Shows what is about to happen, and returns only with consent
Confirm = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Operation:
    """One operation at work on the cluster of ``spec``, which is the file's.

    Attributes:
        wait_healthy: as of ``create``.
        drains: the drains of a cluster with these servers.
        go_on: the command that goes on after a failure.
        image: for new servers, instead of the file's, whatever is in it.
    """

    spec: ClusterSpec
    cloud: Cloud
    prober: Prober
    progress: Progress
    wait_healthy: WaitHealthy
    drains: Callable[[Sequence[Server]], Drains]
    guard: Guard
    go_on: str
    waiter: Waiter = field(default_factory=Waiter)
    build_timeout_s: float = BUILD_TIMEOUT_S
    image: str | None = None

    def observe(self) -> Observed:
        """All that the cluster has now.

        Raises:
            ClusterctlError: it has no server.
        """
        observed = self.cloud.observe(self.spec.cluster)
        if not observed.servers:
            raise ClusterctlError(
                f"cluster {self.spec.cluster} has no server in cloud {self.spec.cloud}",
                hint="`clusterctl create` makes it.",
            )
        return observed

    def look(self, spec: ClusterSpec) -> Look:
        """Asks the control nodes once."""
        return Cluster(spec, self.cloud, self.prober, self.waiter).look()

    def can_make(self, groups: Collection[str]) -> None:
        """Checks that new servers of these groups could be made: before anything is taken away for them.

        Raises:
            InputError: a name of the file is unknown to the cloud.
            ClusterctlError: there is no image for them (``preflight.image_for``).
        """
        if groups:
            lookup, servers = look_up(self.spec, self.cloud, self.image), self.cloud.servers(self.spec.cluster)
            for group in groups:
                image_for(self.spec, lookup, group, servers)

    def make(
        self,
        spec: ClusterSpec,
        *,
        nodes: Collection[str] = (),
        groups: Collection[str] = (),
        everything: bool = False,
    ) -> int:
        """Makes what is missing of these named nodes and of the agents of these groups; the number of servers made.

        Args:
            everything: not only of these.

        Raises:
            ClusterctlError: see ``preflight``, ``apply_plan`` and ``Builds.finish``.
        """

        def mine(server: Server) -> bool:
            return everything or (server.node in nodes if server.node else server.group in groups)

        with self.progress.phase("plan"):
            observed = self.observe()
            plan = make_plan(spec, observed, own_cidrs(spec, self.cloud) if everything else ())
            if not everything:
                plan = plan.limited(nodes=nodes, groups=groups)
            building = any(mine(server) and server.status == "BUILD" for server in observed.servers)
            lookup = look_up(spec, self.cloud, self.image) if plan.makes_nodes or building else None
            preflight(spec, plan, lookup, observed, self.cloud)
        if not plan.empty or building:
            batches = apply_plan(spec, plan, lookup, observed, self.cloud, self.progress, waiter=self.waiter)
            if lookup is not None:
                builds = Builds(
                    spec, lookup, self.cloud, self.progress, self.waiter, mine, timeout_s=self.build_timeout_s
                )
                builds.finish(batches)
        return plan.new_servers

    def delete(self, servers: Sequence[Server]) -> None:
        """Deletes servers and waits until they are surely gone."""
        with self.progress.phase("delete servers"):
            ids = [server.id for server in servers]
            delete_servers(self.spec.cluster, ids, self.cloud, self.progress, self.waiter)

    def release_identity(self, nodes: Collection[str], *, with_volumes: bool) -> None:
        """Deletes the ports of named nodes that have no server any more, and their volumes if asked."""
        observed = self.cloud.observe(self.spec.cluster)
        present = {server.node for server in observed.servers}
        gone = set(nodes) - present
        for_each(self.cloud.delete_port, (port.id for port in observed.ports if port.name in gone))
        volumes = [volume for volume in observed.volumes if volume.name in gone] if with_volumes else []
        if volumes:
            ids = {volume.id for volume in volumes}
            self.waiter.until(
                lambda: all(v.status in DELETABLE for v in self.cloud.volumes(self.spec.cluster) if v.id in ids),
                what=f"the volumes of {', '.join(sorted(gone))} to be detached",
                timeout_s=120,
            )
            for_each(self.cloud.delete_volume, sorted(ids))

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Errors of the body say how to go on; an unhealthy cluster is a failed operation (exit code 1)."""
        try:
            yield
        except ClusterctlError as error:
            hint = f"{error.hint} " if error.hint else ""
            error.hint = f"{hint}What was made stays; `{self.go_on}` goes on from here."
            if isinstance(error, UnhealthyError):
                error.exit_code = 1
            raise


def alive(observed: Observed) -> list[Server]:
    """The servers that count: no failed build, none being deleted."""
    return [
        server
        for server in observed.servers
        if not failed_build(server) and server.status != "DELETED" and server.task_state != "deleting"
    ]
