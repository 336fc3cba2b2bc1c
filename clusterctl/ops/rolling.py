"""The rolling commands, put together: what is rolled, in which order, with which work, and what is told afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from clusterctl import paths, releases
from clusterctl.cloud.base import Cloud
from clusterctl.errors import InputError
from clusterctl.ops.backup import back_up
from clusterctl.ops.day2.hosts import AnsibleHosts, Hosts
from clusterctl.ops.day2.inventory import cluster_inventory
from clusterctl.ops.drain import Drainer, open_drains
from clusterctl.ops.kit.access import Access, open_access
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.lifecycle.preflight import named_images
from clusterctl.ops.observe.look import Cluster
from clusterctl.ops.reconfigure import Reconfigure, Renewal, classified, consented
from clusterctl.ops.restart import Restart
from clusterctl.ops.roll.changes import AgentChange, Kind
from clusterctl.ops.roll.gates import CHANGED
from clusterctl.ops.roll.nodestate import COMPONENTS, NodeState, Wanted
from clusterctl.ops.roll.order import SERVICES, batch_size, chosen
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.roll.steps import Roll, Work
from clusterctl.ops.upgrade import Ledger, Upgrade, look_at_nodes, stage, unfinished
from clusterctl.ops.upgrade_artifacts import Previous, kept_artifact, wanted_artifacts
from clusterctl.ops.upgrade_marathon import MarathonUpgrade
from clusterctl.spec.artifacts import Artifacts, ImageSpec
from clusterctl.spec.load import load_model
from clusterctl.spec.model import ClusterSpec, Service

Targets = Mapping[Service, Sequence[str]]


@dataclass
class Ground:
    """What a rolling command stands on; nodes and cloud are asked when they are needed first.

    Attributes:
        line: the command as it was given, without ``--only``.
        timeout_s: for the cluster to be whole again after a step.
        warn: tells a person something at once.
    """

    spec: ClusterSpec
    cloud: Cloud
    progress: Progress
    line: str
    timeout_s: float
    warn: Callable[[str], None] = lambda _: None

    @property
    def directory(self) -> Path:
        """The cluster's own on this machine; backups lie there."""
        return paths.state_root() / quote(self.spec.cloud, safe="") / self.spec.cluster

    @cached_property
    def cluster(self) -> Cluster:
        """See ``Cluster``."""
        return Cluster(self.spec, self.cloud, self._access.prober, note=self.progress.note)

    @cached_property
    def hosts(self) -> Hosts:
        """See ``Hosts``. Raises ClusterctlError if the inventory is not complete."""
        inventory = cluster_inventory(self.spec, self.cloud, self._access)
        return AnsibleHosts(inventory, paths.data_root(), self.progress)

    @cached_property
    def drainer(self) -> Drainer:
        """See ``Drainer``."""
        servers = self.cloud.servers(self.spec.cluster)
        return Drainer(self.cluster, open_drains(self.spec, servers, self._access))

    def roll(self, work: Work, journal: Journal, overlook: tuple[str, ...] = ()) -> Roll:
        """A roll of that work over the cluster."""
        return Roll(self.cluster, work, journal, self.progress, self.timeout_s, overlook)

    def end(self, roll: Roll, service: Service) -> Journal:
        """The journal of a roll whose steps all went well, once the whole cluster is healthy; raises RollError."""
        with self.progress.phase("verify"):
            roll.ready(service)
        roll.journal.facts["seconds"] = dict(self.progress.seconds)
        return roll.journal

    @cached_property
    def _access(self) -> Access:
        return open_access(self.spec, self.cloud)


def restart_service(ground: Ground, service: str, only: Sequence[str], *, batch: str, max_failures: int) -> Journal:
    """Restarts a service (a key of ``order.SERVICES``) on all its nodes, or on ``only`` some.

    Raises:
        InputError: a name or the batch is wrong.
        UnhealthyError: the cluster is not healthy; nothing was touched.
        RollError: a step failed.
    """
    look = ground.cluster.look()
    targets = chosen(look.expect, SERVICES[service], only)
    size = batch_size(batch, len(look.expect.agents))
    journal = Journal(
        ground.spec.cluster, f"restart of {service}", lambda names: f"{ground.line} --only {','.join(names)}"
    )
    roll = ground.roll(Restart(ground.hosts), journal)
    _plan(journal, targets)
    for each, names in targets.items():
        roll.run(each, names, batch=size, max_failures=max_failures)
    return ground.end(roll, list(targets)[-1])


def upgrade_service(
    ground: Ground,
    service: str,
    only: Sequence[str],
    *,
    artifacts: Path | None,
    previous: Path | None,
    to: str | None,
    batch: str,
    max_failures: int,
) -> Journal:
    """Upgrades a service (a key of ``order.SERVICES``); nodes that run the version already are skipped.

    Args:
        artifacts: the file that names the new version; needed for Mesos and Marathon.
        previous: one that names the version that runs now.
        to: the version that the user expects.

    Raises:
        InputError: an option or an artifact is wrong, or the step between the versions is not allowed.
        ClusterctlError: the upgrade of some node would fail; nothing was changed.
        UnhealthyError: the cluster is not healthy; nothing was touched.
        RollError: a step failed.
    """
    if service == "all" and to is not None:
        raise InputError("--to: one version can't be that of all services; the artifacts file names them")
    cache = paths.cache_root() / "artifacts"
    with ground.progress.phase("artifacts"):
        names = [COMPONENTS[each] for each in SERVICES[service]]
        named, base = _artifacts(artifacts)
        wanted = wanted_artifacts(names, named, base, cache, to)
        older, older_base = _artifacts(previous)
    look = ground.cluster.look()
    targets = chosen(look.expect, SERVICES[service], only)
    size = batch_size(batch, len(look.expect.agents))
    if Service.MARATHON in targets:  # its order is one over all instances
        targets |= chosen(look.expect, (Service.MARATHON,), ())
    with ground.progress.phase("look at nodes"):
        states, wanted = look_at_nodes(ground.hosts, targets, wanted, to)
    left = unfinished(targets, states, wanted)
    if only and (outside := sorted(set(left.get(Service.MARATHON, ())) - set(only))):
        raise InputError(f"--only: leaves out {', '.join(outside)}; Marathons are upgraded together, in one order")
    journal = Journal(ground.spec.cluster, f"upgrade of {service}", lambda _: ground.line)
    journal.facts["versions"] = {name: each.version for name, each in wanted.items()}
    journal.skipped += [(each, name) for each, all_ in targets.items() for name in all_ if name not in left[each]]
    _plan(journal, left)
    ledger = Ledger(ground.cloud, ground.spec.cluster)
    ledger.enter({name: state.releases for name, state in states.items()})  # a killed run may have come no further
    _tell_image(ground, journal, wanted, artifacts)
    find = kept_artifact(cache, older, older_base)
    _tell_no_way_back(ground, left, states, find)
    if any(left.values()):
        with ground.progress.phase("artifacts to nodes"):
            stage(ground.hosts, left, wanted)
    work = Upgrade(ground.hosts, ledger, wanted, states, find)
    roll = ground.roll(work, journal)
    for each, todo in left.items():
        if each is Service.MARATHON:
            MarathonUpgrade(roll, work, lambda seen: back_up(ground.hosts, seen, ground.directory).directory).run(todo)
        elif todo:
            roll.run(each, todo, batch=size, max_failures=max_failures)
    return ground.end(roll, list(targets)[-1])


def reconfigure_agents(
    ground: Ground,
    only: Sequence[str],
    *,
    allow_drain: bool,
    drain_timeout_s: float,
    batch: str,
    max_failures: int,
) -> Journal:
    """Brings agents to what the cluster file says; those that are so already are left alone.

    Raises:
        InputError: agents would be drained without consent, or an option is wrong; nothing was touched.
        ClusterctlError: a change is refused; nothing was touched.
        UnhealthyError: the cluster is not healthy; nothing was touched.
        RollError: a step failed.
    """
    look = ground.cluster.look()
    changes = classified(look, ground.cluster, only)
    size = batch_size(batch, len(look.expect.agents))
    consented(changes, ground.drainer, allow_drain=allow_drain)
    of_kind = {kind: [change.node for change in changes if change.kind is kind] for kind in Kind}
    journal = Journal(ground.spec.cluster, "reconfigure of agents", lambda _: ground.line)
    journal.facts["agents"] = [change.to_json() for change in changes]
    journal.skipped += [(Service.MESOS_AGENT, name) for name in of_kind[Kind.UNCHANGED]]
    _plan(journal, {Service.MESOS_AGENT: of_kind[Kind.ADDITIVE] + of_kind[Kind.NEW_IDENTITY]})
    roll = ground.roll(Reconfigure(ground.hosts), journal, overlook=CHANGED)
    if of_kind[Kind.ADDITIVE]:
        roll.run(Service.MESOS_AGENT, of_kind[Kind.ADDITIVE], batch=size, max_failures=max_failures)
    if of_kind[Kind.NEW_IDENTITY]:
        Renewal(roll, ground.hosts, ground.drainer, drain_timeout_s).run(of_kind[Kind.NEW_IDENTITY], size=size)
    roll.overlook = () if not only else CHANGED
    return ground.end(roll, Service.MESOS_AGENT)


def plan_agents(spec: ClusterSpec, cloud: Cloud) -> list[AgentChange]:
    """What the cluster file means for each agent; nothing is touched. Raises CloudError."""
    cluster = Cluster(spec, cloud, open_access(spec, cloud).prober)
    return classified(cluster.look(), cluster)


def no_new_identity(spec: ClusterSpec, cloud: Cloud, file: str) -> None:
    """Checks, before files are written to agents, that none of them would refuse to start with them.

    Where no master leads, agents can't be asked about, and nothing is refused: it may be just that that is mended.

    Raises:
        InputError: agents need a new identity.
    """
    lines = [change.line for change in plan_agents(spec, cloud) if change.kind is Kind.NEW_IDENTITY]
    if lines:
        raise InputError(
            "these agents would refuse to start with their new files; nothing was written:\n"
            + "\n".join(f"  {line}" for line in lines),
            hint=f"`clusterctl reconfigure {file} --allow-drain` drains them first.",
        )


def _artifacts(path: Path | None) -> tuple[Artifacts | None, Path]:
    if path is None:
        return None, Path()
    return load_model(path, ImageSpec).artifacts, path.parent


def _plan(journal: Journal, targets: Targets) -> None:
    for service, names in targets.items():
        journal.plan(service, names)


def _tell_image(ground: Ground, journal: Journal, wanted: Mapping[str, Wanted], artifacts: Path | None) -> None:
    """Nodes that are added later get what the others run then: says from which image, or that there is none yet.

    A roll without one is not refused: the image may as well be built once the roll has shown that the version is good.
    """
    new = {name: release for name, each in wanted.items() if (release := each.release)}
    if new:
        spec, images = ground.spec, named_images(ground.cloud, ground.spec.image)
        servers = releases.after_upgrade(ground.cloud.servers(spec.cluster), new)
        found = {
            group: releases.choose(images, releases.running(servers, each.services))
            for group, each in spec.groups.items()
        }
        names = sorted({image.name for image in found.values() if image})
        without = [group for group, image in found.items() if image is None]
        journal.facts["image"] = None if without else ", ".join(names)
        if without:
            text = (
                f"no image {spec.image} has {' and '.join(map(str, new.values()))} beside what else runs: new nodes "
                f"of {', '.join(without)} can't be made until `clusterctl image build {artifacts}`"
            )
            ground.warn(text)
            journal.advice.append(text)
        else:
            journal.advice.append(f"nodes added later get the same versions, from image {', '.join(names)}")
    if "zookeeper" in wanted:
        journal.advice.append("`clusterctl image build --force` brings the same ZooKeeper to nodes added later")


def _tell_no_way_back(ground: Ground, left: Targets, states: Mapping[str, NodeState], find: Previous) -> None:
    """Says beforehand if a failed node could not get its old Mesos again."""
    for service in (Service.MESOS_MASTER, Service.MESOS_AGENT):
        for name in left.get(service, ()):
            record = states[name].records["mesos"]
            if find("mesos", record.sha256) is None:
                ground.warn(
                    f"no copy of mesos {record.version}, which runs now, is at hand: a node whose upgrade fails can't "
                    "get it back; --previous names an artifacts file that has it"
                )
                return
