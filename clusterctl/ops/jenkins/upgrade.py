"""``jenkins upgrade``: another war and other plugins for masters, the first alone, then in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.jenkins.combinations import image_problems, tier_problems
from clusterctl.jenkins.manifests import problems
from clusterctl.jenkins.manifests import read as read_manifest
from clusterctl.jenkins.release import mesos_plugin_version, release_name
from clusterctl.ops.day2.hosts import Hosts
from clusterctl.ops.jenkins.archives import take
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.outcome import Outcome
from clusterctl.ops.jenkins.quiet import cancel_quiet, quiet_down
from clusterctl.ops.jenkins.stop import Manner, bring_up
from clusterctl.ops.jenkins.survey import Master, Survey
from clusterctl.ops.jenkins.volumes import unable
from clusterctl.ops.kit.artifacts import local_artifact
from clusterctl.spec.artifacts import ImageSpec


def stage(tier: Tier, hosts: Hosts, spec: ImageSpec, base: Path, cache: Path) -> str:
    """Brings the war and the plugins of an artifacts file to all nodes for masters, checked here first; the release.

    Nothing that runs is touched. New masters get this release from now on.

    Args:
        base: directory that relative paths start from.
        cache: where downloads are kept, by digest.

    Raises:
        InputError: there is no war, a file is missing or another, or they don't go together.
        LockedError: another command is at work on the cluster.
        ClusterctlError: a node did not get them.
    """
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    artifacts = spec.artifacts
    release = release_name(artifacts)
    if artifacts.jenkins is None or release is None:
        raise InputError("--artifacts: the file has no 'jenkins', the war that masters are to run")
    found = [*image_problems(spec), *tier_problems(tier.spec.jenkins, mesos_plugin_version(artifacts) or "none")]
    if found:
        raise InputError("\n".join(found))
    war = local_artifact("jenkins", artifacts.jenkins, base, cache)
    plugins = {
        each.name: (each, local_artifact(f"jenkins_plugins.{each.name}", each, base, cache))
        for each in artifacts.jenkins_plugins
    }
    wrong = problems(
        read_manifest(war, "artifacts.jenkins"),
        artifacts.jenkins.version,
        {name: (each.version, read_manifest(path, f"artifacts.{name}")) for name, (each, path) in plugins.items()},
    )
    if wrong:
        raise InputError("\n".join(wrong))
    variables: dict[str, Any] = {
        "jenkins_release": release,
        "jenkins_artifact": {
            "src": str(war),
            "sha256": artifacts.jenkins.sha256,
            "version": artifacts.jenkins.version,
        },
        "jenkins_plugin_artifacts": [
            {"name": name, "src": str(path), "sha256": each.sha256, "version": each.version}
            for name, (each, path) in plugins.items()
        ],
    }
    with tier.locked():
        hosts.run("jenkins-release", [node.name for node in tier.nodes], variables)
    return release


def upgrade(tier: Tier, names: Sequence[str], release: str, manner: Manner, directory: Path, taken: str) -> Outcome:
    """Restarts masters with another release, which their nodes must have. One alone first; then batches.

    Each home is packed before, while no build runs. A master that doesn't serve with the new release goes back to its
    own, and no further batch is begun. A newer Jenkins may have written files that the older one does not read: the
    archive is the way back then.

    Args:
        directory: of the archives.
        taken: UTC, ``20261126T153000Z``.

    Raises:
        ClusterctlError: there is none of a name, or a node lacks the release; nothing was touched.
        PartlyFailed: some went back, or are not upgraded.
    """
    out = Outcome(tier.spec.cluster, "upgrade")
    with tier.locked():
        survey = tier.survey()
        masters = survey.named(names)
        out.fail({each.name: "; ".join(each.problems) for each in masters if each.problems})
        asleep = [each for each in masters if not each.app or not each.app.instances]
        out.skipped = {each.name: f"it is {each.state}; wake it first" for each in asleep if not each.problems}
        out.skipped |= {
            each.name: f"it has release {release}" for each in masters if each.app and each.app.release == release
        }
        out.fail(unable(tier.spec, survey.hosts, [each for each in masters if each.name not in out.skipped]))
        todo = [each for each in masters if each.name not in out.skipped and each.name not in out.failed]
        _check(survey, todo, release)
        work = _Upgrade(tier, survey, release, manner, directory, taken)
        for number, part in enumerate(_batches(todo, manner.batch)):
            with tier.run.progress.phase(f"batch {number + 1}"):
                work.batch(part, out)
            if out.failed:
                left = [each.name for each in todo if each.name not in out.done and each.name not in out.failed]
                out.skipped |= dict.fromkeys(left, "not tried after the failure of others")
                break
    return out.end(tier, "not upgraded")


@dataclass(frozen=True)
class _Upgrade:
    """The batches of one upgrade; see ``upgrade``."""

    tier: Tier
    survey: Survey
    release: str
    manner: Manner
    directory: Path
    taken: str

    def batch(self, part: Sequence[Master], out: Outcome) -> None:
        if not self.manner.force:
            out.fail(quiet_down(self.tier, part, timeout_s=self.manner.quiet_timeout_s))
        quiet = [each for each in part if each.name not in out.failed]
        archives = self._pack(quiet, out)
        cancel_quiet(self.tier, [each for each in quiet if each.name not in archives])
        going = [each for each in quiet if each.name in archives]
        trial = Outcome(out.cluster, "upgrade")
        wanted = [replace(each, release=self.release) for each in going]
        bring_up(self.tier, self.survey, wanted, self.manner, trial, word="upgraded")
        out.done |= trial.done
        if back := [each for each in going if each.name in trial.failed]:
            for name, state in self._back(back).items():
                out.fail({name: f"{trial.failed[name]}; it {state}; its home before is {archives[name]}"})

    def _pack(self, masters: Sequence[Master], out: Outcome) -> dict[str, Path]:
        """By name the archive of the home as it is."""
        archives: dict[str, Path] = {}
        how = "forced" if self.manner.force else "quiet"
        for master in masters:
            try:
                archives[master.name], _ = take(self.tier, master, self.directory, self.taken, how)
            except ClusterctlError as error:
                out.fail({master.name: f"its home was not packed, so it was left alone: {error.message}"})
        return archives

    def _back(self, masters: Sequence[Master]) -> dict[str, str]:
        """Gives masters their old release again; by name how that went."""
        survey = self.tier.survey()  # what Marathon has now is the new release
        returned = Outcome(self.tier.spec.cluster, "upgrade")
        now = survey.named([each.name for each in masters])
        old = {each.name: each.app.release if each.app else "" for each in masters}
        wanted = [replace(each, release=old[each.name]) for each in now]
        bring_up(self.tier, survey, wanted, self.manner, returned, word="back")
        return {
            name: f"is back at {release}" if name in returned.done else f"does not serve with {release} either"
            for name, release in old.items()
        }


def _check(survey: Survey, masters: Sequence[Master], release: str) -> None:
    for master in masters:
        assert master.node is not None  # noqa: S101  (it has no problems)
        host = survey.host(master.node)
        if release not in host.releases:
            there = ", ".join(sorted(host.releases)) or "none"
            raise ClusterctlError(
                f"node {host.node} does not have release {release}; it has: {there}",
                hint="`clusterctl jenkins upgrade FILE --all --artifacts artifacts.yml` brings one to all nodes.",
            )


def _batches(todo: Sequence[Master], size: int) -> Iterator[Sequence[Master]]:
    if todo:
        yield todo[:1]
    for start in range(1, len(todo), size):
        yield todo[start : start + size]
