"""``upgrade``, put together: what is upgraded, from what to what, and what is told before and afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from clusterctl import paths, releases
from clusterctl.errors import InputError
from clusterctl.ops.backup.backup import back_up, bring_back
from clusterctl.ops.lifecycle.preflight import named_images
from clusterctl.ops.roll.ground import Rolling, Targets
from clusterctl.ops.roll.order import batch_size, chosen
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.roll.window import roll_service
from clusterctl.ops.upgrade.artifacts import Previous, kept_artifact, wanted_artifacts
from clusterctl.ops.upgrade.marathon import MarathonUpgrade
from clusterctl.ops.upgrade.nodestate import NodeState, WantedArtifact
from clusterctl.ops.upgrade.survey import look_at_nodes, stage, unfinished
from clusterctl.ops.upgrade.work import Ledger, Upgrade
from clusterctl.services import COMPONENTS, ROLLS, Service
from clusterctl.spec.artifacts import Artifacts, ImageSpec
from clusterctl.spec.load import load_model


@dataclass(frozen=True)
class Versions:
    """Where the versions of an upgrade stand.

    Attributes:
        artifacts: the file that names the new version; needed for Mesos and Marathon.
        previous: one that names the version that runs now.
        to: the version that the user expects.
    """

    artifacts: Path | None = None
    previous: Path | None = None
    to: str | None = None


def upgrade_service(
    rolling: Rolling, service: str, only: Sequence[str], versions: Versions, *, batch: str, max_failures: int
) -> Journal:
    """Upgrades a service (a key of ``order.ROLLS``); nodes that run the version already are skipped.

    Raises:
        InputError: an option or an artifact is wrong, or the step between the versions is not allowed.
        ClusterctlError: the upgrade of some node would fail; nothing was changed.
        UnhealthyError: the cluster is not healthy; nothing was touched.
        RollError: a step failed.
    """
    to = versions.to
    if service == "all" and to is not None:
        raise InputError("--to: one version can't be that of all services; the artifacts file names them")
    cache = paths.cache_root() / "artifacts"
    with rolling.run.progress.phase("artifacts"):
        names = [COMPONENTS[each] for each in ROLLS[service]]
        named, base = _artifacts(versions.artifacts)
        wanted = wanted_artifacts(names, named, base, cache, to)
        older, older_base = _artifacts(versions.previous)
    rolling.run.refuse_left_open()
    look = rolling.cluster.look()
    targets = chosen(look.expect, ROLLS[service], only)
    size = batch_size(batch, len(look.expect.agents))
    if Service.MARATHON in targets:  # its order is one over all instances
        targets |= chosen(look.expect, (Service.MARATHON,), ())
    with rolling.run.progress.phase("look at nodes"):
        states, wanted = look_at_nodes(rolling.hosts, targets, wanted, to)
    left = unfinished(targets, states, wanted)
    if only and (outside := sorted(set(left.get(Service.MARATHON, ())) - set(only))):
        raise InputError(f"--only: leaves out {', '.join(outside)}; Marathons are upgraded together, in one order")
    journal = Journal(rolling.run.spec.cluster, f"upgrade of {service}", lambda _: str(rolling.run.command))
    journal.facts["versions"] = {name: each.version for name, each in wanted.items()}
    journal.skipped += [(each, name) for each, all_ in targets.items() for name in all_ if name not in left[each]]
    for each, todo in left.items():
        journal.plan(each, todo)
    ledger = Ledger(rolling.run.cloud, rolling.run.spec.cluster)
    ledger.enter({name: state.releases for name, state in states.items()})  # a killed run may have come no further
    _tell_image(rolling, journal, wanted, versions.artifacts)
    find = kept_artifact(cache, older, older_base)
    _tell_no_way_back(rolling, left, states, find)
    if any(left.values()):
        with rolling.run.progress.phase("artifacts to nodes"):
            stage(rolling.hosts, left, wanted)
    work = Upgrade(rolling.hosts, ledger, wanted, states, find)
    roll = rolling.roll(work, journal)
    for each, todo in left.items():
        if each is Service.MARATHON:
            MarathonUpgrade(
                roll,
                work,
                lambda seen: back_up(rolling.hosts, seen, rolling.directory).directory,
                lambda seen, backup: bring_back(rolling.hosts, seen, backup),
            ).run(todo)
        elif todo:
            roll_service(roll, each, todo, batch=size, max_failures=max_failures)
    return rolling.end(roll, list(targets)[-1])


def _artifacts(path: Path | None) -> tuple[Artifacts | None, Path]:
    if path is None:
        return None, Path()
    return load_model(path, ImageSpec).artifacts, path.parent


def _tell_image(
    rolling: Rolling, journal: Journal, wanted: Mapping[str, WantedArtifact], artifacts: Path | None
) -> None:
    """Nodes that are added later get what the others run then: says from which image, or that there is none yet.

    A roll without one is not refused: the image may as well be built once the roll has shown that the version is good.
    """
    new = {name: release for name, each in wanted.items() if (release := each.release)}
    if new:
        spec = rolling.run.spec
        images = named_images(rolling.run.cloud, spec.image, spec.image_owner)
        servers = releases.after_upgrade(rolling.run.cloud.servers(spec.cluster), new)
        found = {
            group: releases.newest_fitting(images, releases.running(servers, each.services))
            for group, each in spec.groups.items()
        }
        names = sorted({image.name for image in found.values() if image})
        without = [group for group, image in found.items() if image is None]
        journal.facts["image"] = None if without else ", ".join(names)
        if without:
            text = (
                f"no image {spec.image} has {' and '.join(map(str, new.values()))} beside what else runs: new nodes "
                f"of {', '.join(without)} can't be made until `clusterctl image build {quote(str(artifacts))}`"
            )
            rolling.run.warn(text)
            journal.advice.append(text)
        else:
            journal.advice.append(f"nodes added later get the same versions, from image {', '.join(names)}")
    if "zookeeper" in wanted:
        journal.advice.append("`clusterctl image build --force` brings the same ZooKeeper to nodes added later")


def _tell_no_way_back(rolling: Rolling, left: Targets, states: Mapping[str, NodeState], find: Previous) -> None:
    """Says beforehand if a failed node could not get its old Mesos again."""
    for service in (Service.MESOS_MASTER, Service.MESOS_AGENT):
        for name in left.get(service, ()):
            record = states[name].records["mesos"]
            if find("mesos", record.sha256) is None:
                rolling.run.warn(
                    f"no copy of mesos {record.version}, which runs now, is at hand: a node whose upgrade fails can't "
                    "get it back; --previous names an artifacts file that has it"
                )
                return
