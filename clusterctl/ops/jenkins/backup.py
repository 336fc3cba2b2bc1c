"""``jenkins backup``: homes as archives on the operator's machine, or snapshots of their nodes' volumes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clusterctl.errors import ClusterctlError
from clusterctl.ops.jenkins.archives import prune, take
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.outcome import Outcome
from clusterctl.ops.jenkins.quiet import cancel_quiet, quiet_down
from clusterctl.ops.jenkins.snapshots import snapshot_nodes
from clusterctl.ops.jenkins.stop import Manner
from clusterctl.ops.jenkins.survey import Master


def backup(tier: Tier, names: Sequence[str], manner: Manner, directory: Path, taken: str) -> Outcome:
    """Packs the homes of masters, one after the other; of each the newest ``jenkins.backup.keep`` archives stay.

    Or makes snapshots of the volumes of their nodes, if ``jenkins.backup.method`` says so. A running master is quieted
    down before, so that no build writes meanwhile, and goes on after it.

    Args:
        taken: UTC, ``20261126T153000Z``.

    Raises:
        ClusterctlError: there is none of a name.
        PartlyFailed: some have no new archive, or no snapshot.
    """
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    settings = tier.spec.jenkins.backup
    out = Outcome(tier.spec.cluster, "backup")
    with tier.locked():
        survey = tier.survey()
        masters = survey.named(names)
        out.fail({each.name: "; ".join(each.problems) for each in masters if each.problems})
        out.fail({each.name: "it has no home" for each in masters if each.home is None})
        if settings.method == "snapshot":
            snapshot_nodes(tier, survey, [each for each in masters if each.name not in out.failed], manner, taken, out)
            return out.end(tier, "not backed up")
        for master in masters:
            if master.name not in out.failed:
                with tier.run.progress.phase(f"backup of {master.name}"):
                    _one(tier, master, manner, directory, taken, out)
                if master.name not in out.failed:
                    prune(directory, master.name, settings.keep)
    return out.end(tier, "not backed up")


def _one(tier: Tier, master: Master, manner: Manner, directory: Path, taken: str, out: Outcome) -> None:
    running = bool(master.app and master.app.hosts)
    how = "stopped" if not running else "forced" if manner.force else "quiet"
    if how == "quiet" and (busy := quiet_down(tier, [master], timeout_s=manner.quiet_timeout_s)):
        out.fail({name: why.replace("stops", "backs up") for name, why in busy.items()})
        return
    try:
        path, manifest = take(tier, master, directory, taken, how)
    except ClusterctlError as error:
        out.fail({master.name: error.message})
    else:
        out.done[master.name] = f"{path} ({manifest.files} files, {manifest.bytes} bytes, {how})"
    finally:
        if how == "quiet":
            cancel_quiet(tier, [master])
