"""``create``: plan, preflight, apply, verify (D2). The same loop makes a cluster, finishes a half-made one, or finds
that nothing is to be done.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from clusterctl.cloud.base import Cloud
from clusterctl.ops.kit.clusterkey import store_key
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.run import Run
from clusterctl.ops.lifecycle.apply import apply_plan
from clusterctl.ops.lifecycle.builds import BUILD_TIMEOUT_S, Builds
from clusterctl.ops.lifecycle.cutoff import CutOff, Restart
from clusterctl.ops.lifecycle.differences import differences
from clusterctl.ops.lifecycle.majorities import refuse_lost
from clusterctl.ops.lifecycle.networks import close_down
from clusterctl.ops.lifecycle.preflight import Lookup, look_up, own_cidrs, own_network, preflight
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

    A second operator, whose key pair has another name, may look after a complete cluster.

    Args:
        image: see ``look_up``.

    Raises:
        InputError: the file names what the cloud doesn't have.
        LostMajorityError: members are missing that only ``recover`` may make.
    """
    with ThreadPoolExecutor(1) as threads:
        told = threads.submit(own_network, spec, cloud)
        observed = cloud.observe(spec.cluster)
    refuse_lost(spec, observed)
    network = told.result()
    plan = make_plan(spec, observed, network.cidrs if network else ())
    with ThreadPoolExecutor(1) as threads:
        differing = threads.submit(differences, spec, observed, cloud)
        lookup = look_up(spec, cloud, image, network) if plan.makes_nodes or _building(observed) else None
    found = differing.result()
    return lookup, observed, replace(plan, problems=(*plan.problems, *(each.line for each in found)))


def create(
    run: Run,
    *,
    wait_healthy: WaitHealthy | None,
    build_timeout_s: float = BUILD_TIMEOUT_S,
    image: str | None = None,
    restart: Restart | None = None,
) -> CreateReport:
    """Brings the cluster up, or finishes it; does nothing to a complete one, and locks it only if it writes.

    Args:
        wait_healthy: None to end when the servers are ACTIVE: nothing is known of their boot and of the services then.
        image: for new servers, instead of the file's, whatever is in it.
        restart: of members that were cut off when rules went; see ``CutOff``.

    Raises:
        InputError, LostMajorityError: see ``plan_cluster``.
        LockedError: another command is at work on it.
        ClusterctlError: the cluster was made open, and the file closes it; nothing was touched.
        ClusterctlError: a step failed; nothing is rolled back, and the message says what exists and how to go on.
    """
    spec, cloud, progress = run.spec, run.cloud, run.progress
    with progress.phase("plan"):
        lookup, observed, plan = plan_cluster(spec, cloud, image)
    with progress.phase("preflight"):
        preflight(spec, plan, lookup, observed, cloud)
        if observed.servers:
            run.refuse_left_open(observed.servers)
    with ExitStack() as stack:
        # of a run that was killed: a build that fails is made again
        building = _building(observed)
        if plan.empty and not building:
            run.guard.clear(spec.cluster, cloud)
        else:
            stack.enter_context(run.guard.hold(spec.cluster, cloud))
            with progress.phase("plan"):
                # what another command did until now
                observed = cloud.observe(spec.cluster)
                refuse_lost(spec, observed)
                cidrs = lookup.network.cidrs if lookup else own_cidrs(spec, cloud)
                plan = replace(make_plan(spec, observed, cidrs), problems=plan.problems)
                lookup = lookup or (look_up(spec, cloud, image) if plan.makes_nodes or building else None)
                if spec.has_secrets and spec.secrets.source == "barbican" and store_key(spec, cloud, observed.servers):
                    progress.note("made the cluster's key; the cloud's key manager keeps it")
        stack.enter_context(run.going_on(undo=run.command.other("destroy"), instead=_repair_of(run.command)))
        rebuilt: tuple[str, ...] = ()
        if not plan.empty or building:
            batches = apply_plan(run, plan, lookup, observed)
            if lookup is not None:
                rebuilt = Builds(run, lookup, timeout_s=build_timeout_s).finish(batches)
        report = None
        if wait_healthy is not None:
            cut_off = CutOff(run, wait_healthy, restart)
            made = plan.makes_nodes or building
            with progress.phase("verify"):
                if plan.network.early_rules:
                    report = cut_off.settle(fresh=made)
                else:
                    report = wait_healthy(spec, not plan.empty or building)
            if plan.network.late:
                # no agent serves there any more
                close_down(spec, plan.network, observed, cloud)
                with progress.phase("verify"):
                    report = cut_off.settle(fresh=False)
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


def _repair_of(command: Command) -> Callable[[Observed], Command | None]:
    """``create`` leaves a server alone that once ran, in ERROR or shut off: then ``repair`` goes on."""

    def instead(observed: Observed) -> Command | None:
        broken = any(
            server.status == "SHUTOFF" or (server.status == "ERROR" and not failed_build(server))
            for server in observed.servers
        )
        return command.other("repair", apply=True) if broken else None

    return instead
