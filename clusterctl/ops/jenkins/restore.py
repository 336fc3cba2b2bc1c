"""``jenkins restore`` and ``jenkins move``: a home comes to a node, from an archive or from another node."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from clusterctl.errors import ClusterctlError, InputError, NodeError
from clusterctl.health.expect import Node
from clusterctl.jenkins.home import NAME, NOT_RESTORED, Marker
from clusterctl.jenkins.slots import free_slots, master_user, port_plan
from clusterctl.ops.jenkins.archives import ArchiveManifest, read, take
from clusterctl.ops.jenkins.create import put_app, release_on
from clusterctl.ops.jenkins.ground import PartlyFailed, Tier
from clusterctl.ops.jenkins.outcome import Outcome
from clusterctl.ops.jenkins.placement import place, rooms, told_room
from clusterctl.ops.jenkins.snapshots import take_out
from clusterctl.ops.jenkins.stop import Manner, bring_up, release_of, stop
from clusterctl.ops.jenkins.survey import Master, Survey


def restore(tier: Tier, archive: Path, manner: Manner, *, name: str | None = None, node: str | None = None) -> Outcome:
    """Makes a master of an archive and starts it. A home of that name is set aside, its master stopped before.

    Under another name it gets new ids and new secrets: two frameworks with one id would evict each other.

    Args:
        name: by default the archive's.
        node: by default that of the master of this name; for a new one where there is most room.

    Raises:
        InputError: the archive is incomplete, or there is no such node.
        ClusterctlError: it does not fit, or what is there doesn't fit together.
        PartlyFailed: the master doesn't serve.
    """
    return restore_from(tier, archive, read(archive), manner, name=name, node=node)


def restore_snapshot(
    tier: Tier, snapshot: str, of: str, manner: Manner, *, name: str | None = None, node: str | None = None
) -> Outcome:
    """Takes the home of master ``of`` out of a snapshot of a node's volume, then goes on as ``restore``.

    Raises:
        InputError: there is no such snapshot or home, or as ``restore``.
        ClusterctlError: the snapshot could not be read, or as ``restore``.
    """
    with tempfile.TemporaryDirectory(prefix="clusterctl-") as work:
        with tier.locked(), tier.run.progress.phase("read the snapshot"):
            archive, manifest = take_out(tier, snapshot, of, Path(work))
        return restore_from(tier, archive, manifest, manner, name=name, node=node)


def restore_from(
    tier: Tier,
    archive: Path,
    manifest: ArchiveManifest,
    manner: Manner,
    *,
    name: str | None = None,
    node: str | None = None,
) -> Outcome:
    """``restore`` of an archive whose manifest is known."""
    wanted = name or manifest.name
    if not NAME.fullmatch(wanted):
        raise InputError(f"--name: found {wanted!r}; allowed: up to 32 lower-case letters, digits and '-'")
    out = Outcome(tier.spec.cluster, "restore")
    with tier.locked():
        survey = tier.survey()
        there = survey.masters.get(wanted)
        target = _named_node(survey, node) if node else None
        master = _aim(tier, survey, wanted, there, target, manifest)
        marker = manifest.home
        copied = (wanted, tier.spec.cluster) != (manifest.name, manifest.cluster)
        if copied:
            marker = replace(marker.renewed(name=wanted, slot=master.slot), cluster=tier.spec.cluster)
        aside = _clear(tier, there, manner, out)
        with tier.run.progress.phase("unpack"):
            try:
                _unpack(tier, master, archive, manifest, replace(marker, slot=master.slot), renew=copied)
            except NodeError as error:
                _undo(tier, survey, there, aside, manner)
                raise ClusterctlError(f"{wanted} was not restored: {error.message}", hint=error.hint) from error
        with tier.run.progress.phase("start"):
            bring_up(tier, survey, [master], manner, out, word="restored")
    _tell_aside(out, wanted, aside)
    return out.end(tier, "not restored")


def move(tier: Tier, name: str, node: str, manner: Manner) -> Outcome:
    """Brings a master to another node: stopped, copied through this machine, checked, bound anew, started.

    The home on the old node is set aside, so the way back is there.

    Raises:
        InputError: there is no such node.
        ClusterctlError: there is none of that name, or it does not fit there.
        PartlyFailed: it doesn't serve.
    """
    out = Outcome(tier.spec.cluster, "move")
    with tier.locked():
        survey = tier.survey()
        [there] = survey.named([name])
        target = _named_node(survey, node)
        if there.problems or there.home is None or there.app is None:
            raise ClusterctlError(f"{name} can't be moved: {'; '.join(there.problems) or f'it is {there.state}'}")
        if there.node is not None and there.node.name == target.name:
            out.skipped[name] = f"it is on {node}"
            return out.end(tier, "not moved")
        asleep = not there.app.instances
        _room(tier, survey, target)
        stop(tier, [there], manner, out)
        if out.failed:
            return out.end(tier, "not moved")
        moved = replace(_stopped(there), node=target)
        with tempfile.TemporaryDirectory(prefix="clusterctl-") as work, tier.run.progress.phase("copy"):
            try:
                archive, manifest = take(tier, there, Path(work), "19700101T000000Z", "stopped")
                _unpack(tier, moved, archive, manifest, manifest.home, renew=False)
            except ClusterctlError as error:
                if not asleep:
                    bring_up(
                        tier, survey, [_stopped(there)], manner, Outcome(tier.spec.cluster, "move"), word="started"
                    )
                raise ClusterctlError(f"{name} was not moved, and is where it was: {error.message}") from error
        assert there.node is not None  # noqa: S101
        aside = tier.home(there.node, "set_aside", name=name)
        with tier.run.progress.phase("start"):
            if asleep:
                call = put_app(tier, moved, target, release_of(survey, moved), instances=0)
                out.fail(tier.deploy({name: call}))
                out.done |= dict.fromkeys(out.going([name]), "moved; it hibernates")
            else:
                bring_up(tier, survey, [moved], manner, out, word="moved")
    _tell_aside(out, name, (there.node, aside))
    return out.end(tier, "not moved")


def _aim(
    tier: Tier, survey: Survey, name: str, there: Master | None, target: Node | None, manifest: ArchiveManifest
) -> Master:
    """The master that is to be: its slot and node."""
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    if there is not None:
        if there.slot == 0:
            raise ClusterctlError(f"{name} can't be restored: {'; '.join(there.problems)}")
        node = target or there.node
        if node is None:
            raise ClusterctlError(f"{name} has no node; name one with --node")
        if target is not None and (there.node is None or target.name != there.node.name):
            _room(tier, survey, target)
        return _with_release(survey, replace(_stopped(there), node=node, home=None), manifest)
    spaces = rooms(survey, tier.agents())
    if target is not None:
        spaces = {target.name: spaces[target.name]}
    node, slot = place(survey, spaces, [name])[name]
    wanted = manifest.home.slot
    if (manifest.name, manifest.cluster) == (name, tier.spec.cluster) and wanted in free_slots(
        survey.slots, tier.spec.jenkins.max_masters
    ):
        slot = wanted
    new = Master(name=name, slot=slot, node=node, ports=port_plan(tier.spec).of(slot), app=None, home=None)
    return _with_release(survey, new, manifest)


def _with_release(survey: Survey, master: Master, manifest: ArchiveManifest) -> Master:
    """Checks that the node can run what the archive ran: an older Jenkins does not read a newer one's home."""
    assert master.node is not None  # noqa: S101
    host = survey.host(master.node)
    if manifest.release and manifest.release not in host.releases:
        raise ClusterctlError(
            f"the archive is of release {manifest.release}, which node {host.node} does not have; it has: "
            f"{', '.join(sorted(host.releases)) or 'none'}",
            hint="Use an image with that release, or name a node that has it with --node.",
        )
    return replace(master, release=manifest.release or release_on(host))


def _clear(tier: Tier, there: Master | None, manner: Manner, out: Outcome) -> tuple[Node, str] | None:
    """Stops the master that is there, and sets its home aside; where that is."""
    if there is None:
        return None
    if there.app:
        stop(tier, [there], manner, out)
        if out.failed:
            raise PartlyFailed("not stopped", out, 1, tier.run.command)
        out.done.clear()
    if there.home is None:
        return None
    return there.home.node, tier.home(there.home.node, "set_aside", name=there.name)


def _unpack(
    tier: Tier, master: Master, archive: Path, manifest: ArchiveManifest, marker: Marker, *, renew: bool
) -> Mapping[str, Any]:
    assert master.node is not None  # noqa: S101
    request = tier.request(
        name=master.name,
        user=master_user(master.slot),
        sha256=manifest.sha256,
        marker=marker.text(),
        remove=list(NOT_RESTORED),
        renew=renew,
    )
    with archive.open("rb") as file:
        found: Mapping[str, Any] = tier.jenkins.unpack(master.node, request, file)
    return found


def _undo(tier: Tier, survey: Survey, there: Master | None, aside: tuple[Node, str] | None, manner: Manner) -> None:
    """Puts back what was set aside, and starts it again if it ran."""
    if there is None or aside is None:
        return
    tier.home(aside[0], "put_back", name=there.name, path=aside[1])
    if there.app and there.app.instances:
        bring_up(tier, survey, [_stopped(there)], manner, Outcome(tier.spec.cluster, "restore"), word="started")


def _stopped(master: Master) -> Master:
    """As it is after ``stop``."""
    return replace(master, app=replace(master.app, instances=0) if master.app else None)


def _room(tier: Tier, survey: Survey, node: Node) -> None:
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    room = rooms(survey, tier.agents())[node.name]
    if not room.fits(tier.spec.jenkins):
        raise ClusterctlError(f"there is no room; nothing was touched:\n{told_room(room, tier.spec.jenkins)}")


def _named_node(survey: Survey, name: str) -> Node:
    nodes = {host.node.name: host.node for host in survey.hosts}
    if name not in nodes:
        raise InputError(f"NODE: found {name!r}; allowed: {', '.join(nodes)}")
    return nodes[name]


def _tell_aside(out: Outcome, name: str, aside: tuple[Node, str] | None) -> None:
    if aside and name in out.done:
        out.done[name] += f"; the home that was there is {aside[1]} on {aside[0].name}"
