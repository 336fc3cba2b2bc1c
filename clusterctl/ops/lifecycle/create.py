"""``create``: plan, preflight, apply, verify (D2). The same loop makes a cluster, finishes a half-made one, or finds
that nothing is to be done.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError, UnhealthyError
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.parallel import for_each
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.lifecycle.apply import apply_plan
from clusterctl.ops.lifecycle.builds import BUILD_TIMEOUT_S, Builds
from clusterctl.ops.lifecycle.differences import differences
from clusterctl.ops.lifecycle.preflight import Lookup, look_up, own_cidrs, preflight
from clusterctl.ops.observe.verify import WaitHealthy
from clusterctl.plan import Plan, failed_build, make_plan
from clusterctl.resources import Observed
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import topology


@dataclass(frozen=True)
class CreateReport:
    """What ``create`` did; ``to_json`` is its ``--json`` form.

    Attributes:
        healthy: None if nobody asked the services.
        rebuilt: names of servers whose first build failed; their successors are not among ``created``.
    """

    cluster: str
    nodes: int
    created: int
    api_calls: dict[str, Any]
    seconds: dict[str, float]
    healthy: bool | None
    problems: tuple[str, ...] = field(default=())
    rebuilt: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """``{"cluster", "nodes", "created", "api_calls": {"read", "write", "by_kind"}, "seconds", "healthy", ...}``."""
        return {
            "cluster": self.cluster,
            "nodes": self.nodes,
            "created": self.created,
            "api_calls": self.api_calls,
            "seconds": self.seconds,
            "healthy": self.healthy,
            "problems": list(self.problems),
            "rebuilt": list(self.rebuilt),
        }


def plan_cluster(spec: ClusterSpec, cloud: Cloud, image: str | None = None) -> tuple[Lookup | None, Observed, Plan]:
    """Observes, plans, and looks up the names of the file, but only if nodes are to be made: reads only.

    A second operator, whose key pair has another name, may look after a cluster that is whole.

    Args:
        image: as of ``look_up``.

    Raises:
        InputError: the file names what the cloud doesn't have.
    """
    observed = cloud.observe(spec.cluster)
    plan = make_plan(spec, observed, own_cidrs(spec, cloud))
    lookup = look_up(spec, cloud, image) if plan.makes_nodes or _building(observed) else None
    found = differences(spec, observed, cloud)
    return lookup, observed, replace(plan, problems=(*plan.problems, *(each.line for each in found)))


def create(
    spec: ClusterSpec,
    cloud: Cloud,
    *,
    progress: Progress,
    wait_healthy: WaitHealthy | None,
    waiter: Waiter | None = None,
    guard: Guard | None = None,
    file: str = "FILE",
    build_timeout_s: float = BUILD_TIMEOUT_S,
    image: str | None = None,
) -> CreateReport:
    """Brings the cluster of ``spec`` up, or finishes it; does nothing to one that is whole.

    Args:
        wait_healthy: None to end when the servers are ACTIVE: nothing is known of their boot and of the services then.
        guard: locks the cluster, but only if there is something to write.
        file: path of the cluster file, for the commands named in messages.
        image: for new servers, instead of the file's, whatever is in it.

    Raises:
        InputError: see ``plan_cluster``.
        LockedError: another command is at work on it.
        ClusterctlError: a step failed; nothing is rolled back, and the message says what exists and how to go on.
    """
    with progress.phase("plan"):
        lookup, observed, plan = plan_cluster(spec, cloud, image)
    with progress.phase("preflight"):
        preflight(spec, plan, lookup, observed, cloud)
    guard = guard or Guard("create", file)
    with ExitStack() as stack:
        # of a run that was killed: a build that fails is made again
        building = _building(observed)
        if plan.empty and not building:
            guard.clear(spec.cluster, cloud)
        else:
            stack.enter_context(guard.hold(spec.cluster, cloud))
            with progress.phase("plan"):
                # what another command did until now
                observed = cloud.observe(spec.cluster)
                plan = replace(make_plan(spec, observed, own_cidrs(spec, cloud)), problems=plan.problems)
                lookup = lookup or (look_up(spec, cloud, image) if plan.makes_nodes or building else None)
        rebuilt: tuple[str, ...] = ()
        try:
            if not plan.empty or building:
                batches = apply_plan(spec, plan, lookup, observed, cloud, progress, waiter=waiter)
                if lookup is not None:
                    builds = Builds(spec, lookup, cloud, progress, waiter or Waiter(), timeout_s=build_timeout_s)
                    rebuilt = builds.finish(batches)
            report = None
            if wait_healthy is not None:
                with progress.phase("verify"):
                    report = wait_healthy(spec, not plan.empty or building)
                if plan.late_rules:
                    # No agent serves there any more. Neutron cuts connections when rules go: asked again
                    for_each(cloud.delete_rule, [stored.id for stored in plan.late_rules])
                    with progress.phase("verify"):
                        report = wait_healthy(spec, True)
        except ClusterctlError as error:
            raise _with_remains(error, spec, cloud, file) from error
    return CreateReport(
        cluster=spec.cluster,
        nodes=topology(spec).size,
        created=plan.new_servers,
        api_calls={"read": cloud.calls.read, "write": cloud.calls.write, "by_kind": dict(cloud.calls.by_kind)},
        seconds=dict(progress.seconds),
        healthy=report.healthy if report else None,
        problems=plan.problems,
        rebuilt=rebuilt,
    )


def _building(observed: Observed) -> bool:
    return any(server.status == "BUILD" for server in observed.servers)


def _with_remains(error: ClusterctlError, spec: ClusterSpec, cloud: Cloud, file: str) -> ClusterctlError:
    """The same error, saying what exists now and which command goes on."""
    broken = False
    try:
        observed = cloud.observe(spec.cluster)
        broken = any(server.status == "ERROR" and not failed_build(server) for server in observed.servers)
        counts = observed.counts
        left = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items())
    except ClusterctlError as second:
        left = f"unknown ({second.message})"
    hint = f"{error.hint} " if error.hint else ""
    # `create` leaves a server alone that once ran
    go_on = f"clusterctl repair {file} --yes" if broken else f"clusterctl create {file}"
    error.hint = f"{hint}Existing now: {left}. `{go_on}` goes on from here; `clusterctl destroy {file}` takes it away."
    if isinstance(error, UnhealthyError):
        error.exit_code = 1  # the operation 'create' failed; 3 is the answer of 'verify'
    return error
