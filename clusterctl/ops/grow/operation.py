"""What operations on a running cluster (scale, replace, repair) have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.parallel import for_each
from clusterctl.ops.kit.run import Run
from clusterctl.ops.lifecycle.apply import apply_plan
from clusterctl.ops.lifecycle.builds import BUILD_TIMEOUT_S, Builds
from clusterctl.ops.lifecycle.majorities import refuse_lost
from clusterctl.ops.lifecycle.preflight import image_for, look_up, own_cidrs, preflight
from clusterctl.ops.lifecycle.removal import DELETABLE, DELETE_S, delete_servers
from clusterctl.ops.observe.healthy import healthy_within
from clusterctl.ops.observe.look import Cluster, Look
from clusterctl.ops.observe.verify import VerifyReport, WaitHealthy
from clusterctl.ops.roll.drain import Drains, open_drains
from clusterctl.plan import make_plan
from clusterctl.resources import Observed, Server
from clusterctl.spec.model import ClusterSpec

# Shows what is about to happen, and returns only with consent
Confirm = Callable[[Sequence[str]], None]

_DETACH_S = 120.0  # for the volumes of servers that are gone


@dataclass(frozen=True)
class Operation:
    """A change of a running cluster.

    Attributes:
        wait_healthy: see ``create``.
        drains: the drains of a cluster with these servers.
        image: for new servers, instead of the file's, whatever is in it.
        left: seconds that a wait may take: what is left of ``--timeout`` where it bounds all waits together, else all.
    """

    run: Run
    wait_healthy: WaitHealthy
    drains: Callable[[Sequence[Server]], Drains]
    build_timeout_s: float = BUILD_TIMEOUT_S
    image: str | None = None
    left: Callable[[], float] = lambda: float("inf")

    def observe(self) -> Observed:
        """All that the cluster has now.

        Raises:
            ClusterctlError: it has no server.
        """
        observed = self.run.cloud.observe(self.run.spec.cluster)
        if not observed.servers:
            raise ClusterctlError(
                f"cluster {self.run.spec.cluster} has no server in cloud {self.run.spec.cloud}",
                hint="`clusterctl create FILE` makes it.",
            )
        return observed

    def look(self, spec: ClusterSpec, also: Collection[str] = ()) -> Look:
        """Asks the control nodes once, and ``also`` these agents' nodes."""
        return Cluster(spec, self.run.cloud, self.run.access.prober, self.run.waiter).look(also)

    def can_make(self, groups: Collection[str]) -> None:
        """Checks that new servers of these groups could be made: before anything is taken away for them.

        Raises:
            InputError: a name of the file is unknown to the cloud.
            ClusterctlError: there is no image for them (``preflight.image_for``).
        """
        if groups:
            lookup = look_up(self.run.spec, self.run.cloud, self.image)
            servers = self.run.cloud.servers(self.run.spec.cluster)
            for group in groups:
                image_for(self.run.spec, lookup, group, servers)

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
            LostMajorityError: with ``everything``: members are missing that only ``recover`` may make.
        """

        def mine(server: Server) -> bool:
            return everything or (server.node in nodes if server.node else server.group in groups)

        with self.run.progress.phase("plan"):
            observed = self.observe()
            if everything:
                refuse_lost(spec, observed)
            plan = make_plan(spec, observed, own_cidrs(spec, self.run.cloud) if everything else ())
            if not everything:
                plan = plan.limited(nodes=nodes, groups=groups)
            building = any(mine(server) and server.status == "BUILD" for server in observed.servers)
            lookup = look_up(spec, self.run.cloud, self.image) if plan.makes_nodes or building else None
            preflight(spec, plan, lookup, observed, self.run.cloud)
        if not plan.empty or building:
            run = replace(self.run, spec=spec)
            batches = apply_plan(run, plan, lookup, observed)
            if lookup is not None:
                Builds(run, lookup, mine, min(self.build_timeout_s, self.left())).finish(batches)
        return plan.new_servers

    def delete(self, servers: Sequence[Server]) -> None:
        """Deletes servers and waits until they are surely gone."""
        with self.run.progress.phase("delete servers"):
            ids = [server.id for server in servers]
            run, within_s = self.run, min(DELETE_S, self.left())
            delete_servers(run.spec.cluster, ids, run.cloud, run.waiter, timeout_s=within_s)

    def release_identity(self, nodes: Collection[str], *, with_volumes: bool) -> None:
        """Deletes the ports of named nodes that have no server any more, and their volumes if asked."""
        observed = self.run.cloud.observe(self.run.spec.cluster)
        present = {server.node for server in observed.servers}
        gone = set(nodes) - present
        for_each(self.run.cloud.delete_port, (port.id for port in observed.ports if port.name in gone))
        volumes = [volume for volume in observed.volumes if volume.name in gone] if with_volumes else []
        if volumes:
            ids = {volume.id for volume in volumes}
            self.run.waiter.until(
                lambda: all(
                    v.status in DELETABLE for v in self.run.cloud.volumes(self.run.spec.cluster) if v.id in ids
                ),
                what=f"the volumes of {', '.join(sorted(gone))} to be detached",
                timeout_s=min(_DETACH_S, self.left()),
            )
            for_each(self.run.cloud.delete_volume, sorted(ids))


def open_operation(run: Run, *, timeout_s: float, image: str | None = None, together: bool = False) -> Operation:
    """On the real cluster; connects to nothing yet.

    Args:
        timeout_s: for builds, and for the cluster to be healthy again.
        together: it bounds all waits of the operation together, from now on; else each wait by itself.
    """
    end = run.waiter.clock() + timeout_s

    def left() -> float:
        return max(0.0, end - run.waiter.clock()) if together else timeout_s

    def wait(spec: ClusterSpec, fresh: bool) -> VerifyReport:
        return healthy_within(run, min(timeout_s, left()))(spec, fresh)

    return Operation(
        run,
        wait_healthy=wait,
        drains=lambda servers: open_drains(run.spec, servers, run.access, run.waiter),
        build_timeout_s=timeout_s,
        image=image,
        left=left,
    )
