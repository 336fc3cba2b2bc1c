"""Backups as snapshots of the nodes' volumes (``jenkins.backup.method: snapshot``), and homes taken out of one.

A snapshot has all homes of a node, so all masters there are quieted down for it. What they wrote is flushed before; the
file system's journal covers what is written meanwhile, and Jenkins replaces its XML files in one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from clusterctl import resources as r
from clusterctl.errors import CloudError, ClusterctlError, InputError
from clusterctl.health.expect import Node
from clusterctl.jenkins.slots import port_plan
from clusterctl.ops.jenkins.archives import ArchiveManifest, take
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.outcome import Outcome
from clusterctl.ops.jenkins.quiet import cancel_quiet, quiet_down
from clusterctl.ops.jenkins.stop import Manner
from clusterctl.ops.jenkins.survey import Master, Survey, read_host

KEY_TAKEN = "clusterctl.taken"
KEY_HOW = "clusterctl.how"
KEY_RELEASE = "clusterctl.release"  # of all masters on the node, if they have one and the same

_SNAPSHOT_TIMEOUT_S = 1800.0
_VOLUME_TIMEOUT_S = 1800.0
_DISK_WAIT_S = 120
_SERIAL = 20  # characters of a volume's id that its disk shows


def snapshot_nodes(
    tier: Tier, survey: Survey, masters: Sequence[Master], manner: Manner, taken: str, out: Outcome
) -> None:
    """A snapshot of the volume of each of these masters' nodes; of each node the newest ``backup.keep`` stay."""
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    volumes = {volume.name: volume for volume in tier.run.cloud.volumes(tier.spec.cluster)}
    nodes = {master.node.name: master.node for master in masters if master.node}
    for name, node in nodes.items():
        mine = [master.name for master in masters if master.node and master.node.name == name]
        if name not in volumes:
            out.fail(dict.fromkeys(mine, f"its node {name} has no volume; with 'method: archive' it can be backed up"))
            continue
        with tier.run.progress.phase(f"snapshot of {name}"):
            try:
                made, how = _one(tier, survey, node, volumes[name], manner, taken)
            except ClusterctlError as error:
                out.fail(dict.fromkeys(mine, error.message))
                continue
        out.done |= dict.fromkeys(mine, f"snapshot {made.name} of the volume of {name} ({made.size_gib} GiB, {how})")
        _keep(tier, made.volume_id, tier.spec.jenkins.backup.keep)


def _one(
    tier: Tier, survey: Survey, node: Node, volume: r.Volume, manner: Manner, taken: str
) -> tuple[r.VolumeSnapshot, str]:
    there = [each for each in survey.masters.values() if each.home and each.node and each.node.name == node.name]
    running = [each for each in there if each.app and each.app.hosts]
    how = "stopped" if not running else "forced" if manner.force else "quiet"
    if how == "quiet" and (busy := quiet_down(tier, running, timeout_s=manner.quiet_timeout_s)):
        cancel_quiet(tier, [each for each in running if each.name not in busy])
        told = "; ".join(f"{name}: {why.replace('stops', 'backs up')}" for name, why in busy.items())
        raise ClusterctlError(f"a snapshot of {node.name} has all homes there, and not all are quiet: {told}")
    releases = {each.app.release for each in there if each.app}
    metadata = {
        r.KEY_CLUSTER: tier.spec.cluster,
        r.KEY_NODE: node.name,
        KEY_TAKEN: taken,
        KEY_HOW: how,
        **({KEY_RELEASE: releases.pop()} if len(releases) == 1 else {}),
    }
    try:
        tier.jenkins.volume(node, {"action": "flush", "mount": tier.request()["mount"]})
        made = tier.run.cloud.create_volume_snapshot(volume.id, f"{node.name}-{taken}", metadata)
        return _finished(tier, made), how
    finally:
        if how == "quiet":
            cancel_quiet(tier, running)


def _finished(tier: Tier, made: r.VolumeSnapshot) -> r.VolumeSnapshot:
    """The snapshot once it is there; one that failed is deleted. Raises ClusterctlError."""
    cloud, found = tier.run.cloud, [made]

    def available() -> bool:
        now = [each for each in cloud.volume_snapshots(tier.spec.cluster) if each.id == made.id]
        if not now or now[0].status.startswith("error"):
            raise CloudError(f"snapshot {made.name} ({made.id}) failed: {now[0].status if now else 'it vanished'}")
        found[:] = now
        return now[0].status == "available"

    try:
        tier.run.waiter.until(available, what=f"snapshot {made.name} to be available", timeout_s=_SNAPSHOT_TIMEOUT_S)
    except ClusterctlError:
        cloud.delete_volume_snapshot(made.id)
        raise
    return found[0]


def _keep(tier: Tier, volume_id: str, keep: int) -> None:
    """Deletes the oldest snapshots of a volume; others' are not among them."""
    mine = [each for each in snapshots(tier) if each.volume_id == volume_id and each.status == "available"]
    for each in mine[:-keep]:
        tier.run.cloud.delete_volume_snapshot(each.id)


def snapshots(tier: Tier) -> list[r.VolumeSnapshot]:
    """Those that ``backup`` made, the oldest first."""
    found = tier.run.cloud.volume_snapshots(tier.spec.cluster)
    return sorted((each for each in found if KEY_TAKEN in each.metadata), key=lambda each: each.metadata[KEY_TAKEN])


def take_out(tier: Tier, snapshot: str, name: str, work: Path) -> tuple[Path, ArchiveManifest]:
    """An archive of a home that a snapshot holds, by a copy of the volume that a node mounts for a while.

    Args:
        snapshot: name or id.
        name: of the master then.
        work: directory for the archive.

    Raises:
        InputError: there is no such snapshot, or no such home in it.
        ClusterctlError: the copy could not be made or read; it was deleted, or the message names it.
    """
    known = snapshots(tier)
    found = next((each for each in known if snapshot in (each.name, each.id)), None)
    if found is None:
        there = ", ".join(each.name for each in known) or "none"
        raise InputError(f"--snapshot: found {snapshot!r}; allowed: {there}")
    # the node of the snapshot has the user numbers and the room; any node for masters does
    nodes = sorted(tier.nodes, key=lambda node: (node.status != "ACTIVE", node.name != found.metadata[r.KEY_NODE]))
    node = nodes[0]
    _clear_copies(tier)
    with _copy(tier, found, node.server_id) as volume:
        request = {"action": "mount", "serial": volume.id[:_SERIAL], "wait_s": _DISK_WAIT_S}
        mounted = tier.jenkins.volume(node, request)
        try:
            return _pack(tier, found, node, mounted, name, work)
        finally:
            tier.jenkins.volume(node, {"action": "unmount"})


def _pack(
    tier: Tier, snapshot: r.VolumeSnapshot, node: Node, mounted: str, name: str, work: Path
) -> tuple[Path, ArchiveManifest]:
    words = tier.request()
    below = PurePosixPath(words["directory"]).relative_to(words["mount"])
    place = {"directory": str(PurePosixPath(mounted) / below), "mount": mounted}
    survey = tier.jenkins.homes({node.name: {"action": "survey", **place}}, [node])[node.name]
    host, homes = read_host(tier.spec, node, survey)
    home = next((each for each in homes if each.name == name), None)
    if home is None or home.marker is None:
        why = host.error or (home.problem if home else f"it holds {', '.join(each.name for each in homes) or 'none'}")
        raise InputError(f"NAME: found {name!r}, and snapshot {snapshot.name} has no such home: {why}")
    slot = home.marker.slot
    master = Master(name=name, slot=slot, node=node, ports=port_plan(tier.spec).of(slot), app=None, home=home)
    taken, how = snapshot.metadata[KEY_TAKEN], snapshot.metadata.get(KEY_HOW, "forced")
    path, manifest = take(tier, master, work, taken, how, place=place)
    return path, replace(manifest, release=snapshot.metadata.get(KEY_RELEASE, ""))


def _copies(tier: Tier) -> str:
    """What the names of copies begin with; a node's has its group there, and no group has this name's '.'."""
    return f"{tier.spec.cluster}.copy-"


def _clear_copies(tier: Tier) -> None:
    """Takes away what a killed run left; the cluster's lock is held, so nobody uses it."""
    cloud = tier.run.cloud
    for volume in cloud.volumes(tier.spec.cluster):
        if not volume.name.startswith(_copies(tier)) or volume.status == "deleting":
            continue
        if volume.attached_to:
            for node in (node for node in tier.nodes if node.server_id == volume.attached_to):
                tier.jenkins.volume(node, {"action": "unmount"})
            cloud.detach_volume(volume.attached_to, volume.id)
            _in_status(tier, volume, ("available", "error"))
        cloud.delete_volume(volume.id)


@contextmanager
def _copy(tier: Tier, snapshot: r.VolumeSnapshot, server_id: str) -> Iterator[r.Volume]:
    """A volume with the snapshot's data, attached to the server for the body; deleted after it."""
    cloud, name = tier.run.cloud, f"{_copies(tier)}{snapshot.id[:8]}"
    zone = next((each.zone for each in cloud.volumes(tier.spec.cluster) if each.id == snapshot.volume_id), "")
    tier.run.progress.note("making a volume of the snapshot")
    volume = cloud.create_volume(
        name=name,
        size_gib=snapshot.size_gib,
        metadata={r.KEY_CLUSTER: tier.spec.cluster, r.KEY_GROUP: "", r.KEY_NODE: name},
        zone=zone or None,
        snapshot_id=snapshot.id,
    )
    try:
        _in_status(tier, volume, ("available",))
        cloud.attach_volume(server_id, volume.id)
        try:
            _in_status(tier, volume, ("in-use",))
            yield volume
        finally:
            cloud.detach_volume(server_id, volume.id)
            _in_status(tier, volume, ("available", "error"))
    except ClusterctlError as error:
        error.hint = f"{error.hint or ''} `clusterctl repair FILE` names volume {name} if it is still there.".strip()
        raise
    finally:
        cloud.delete_volume(volume.id)


def _in_status(tier: Tier, volume: r.Volume, wanted: Sequence[str]) -> None:
    def reached() -> bool:
        now: Mapping[str, str] = {each.id: each.status for each in tier.run.cloud.volumes(tier.spec.cluster)}
        status = now.get(volume.id, "gone")
        if status not in wanted and (status.startswith("error") or status == "gone"):
            raise CloudError(f"volume {volume.name} ({volume.id}) is {status}")
        return status in wanted

    what = f"volume {volume.name} to be {' or '.join(wanted)}"
    tier.run.waiter.until(reached, what=what, timeout_s=_VOLUME_TIMEOUT_S)
