"""``jenkins create``: masters by name, one or hundreds; what is there already is left alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clusterctl.errors import ClusterctlError, InputError, NodeError
from clusterctl.health.expect import Node
from clusterctl.jenkins.app import app, app_id
from clusterctl.jenkins.home import SECURITY, new_marker
from clusterctl.jenkins.slots import master_user, port_plan
from clusterctl.ops.jenkins.ground import PartlyFailed, Tier
from clusterctl.ops.jenkins.placement import place, rooms, told_room
from clusterctl.ops.jenkins.probe import Probe, probe_builds
from clusterctl.ops.jenkins.ready import wait_ready
from clusterctl.ops.jenkins.survey import Host, Master, Survey
from clusterctl.remote.marathons import Call
from clusterctl.spec.jenkins import JenkinsSettings

READY_TIMEOUT_S = 600
BATCH = 10


@dataclass(frozen=True)
class NewMaster:
    """A master to make, or to finish: it may have its home already."""

    master: Master
    node: Node
    release: str


@dataclass
class NewMastersReport:
    """What became of the names.

    Attributes:
        there: masters that were there already, and were not touched.
        ready_s: by name, seconds from the start of its batch until it was ready.
        failed: by name, what it lacks.
        calls: requests to Marathon that write.
    """

    cluster: str
    masters: dict[str, Master] = field(default_factory=dict)
    there: list[str] = field(default_factory=list)
    ready_s: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    calls: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """``{"cluster", "created": [{"name", "slot", "node", "url", "ready_s", "probe"}], "there", "failed", ...}``.

        Those that were created are in the order of their slots, whoever was ready first.
        """
        return {
            "cluster": self.cluster,
            "created": [
                {
                    "name": name,
                    "slot": self.masters[name].slot,
                    "node": node.name if (node := self.masters[name].node) else None,
                    "url": self.masters[name].url,
                    "ready_s": seconds,
                    "probe": self.probes[name].to_json() if name in self.probes else None,
                }
                for name, seconds in sorted(self.ready_s.items(), key=lambda each: self.masters[each[0]].slot)
            ],
            "there": self.there,
            "failed": self.failed,
            "marathon_writes": self.calls,
            "seconds": self.seconds,
        }


def create(
    tier: Tier, names: Sequence[str], *, batch: int = BATCH, timeout_s: float = READY_TIMEOUT_S, probe: bool = False
) -> NewMastersReport:
    """Makes the masters of these names that are missing, and waits until each is ready.

    A home is made before its app: killed in between, the next run finds the home and goes on with it.

    Args:
        batch: how many start at a time; a starting Jenkins keeps a processor busy for a minute.
        timeout_s: for a batch to be ready.
        probe: run one build on each new master.

    Raises:
        InputError: a file that the cluster file names is not there.
        ClusterctlError: they don't fit, something that is there doesn't fit together, or the cluster was made open, and
            the file closes it.
        PartlyFailed: some did not become ready; those that did stay.
    """
    files = home_files(_settings(tier), tier.base)
    report = NewMastersReport(tier.spec.cluster)
    tier.run.refuse_left_open()
    survey = tier.survey()
    if _missing(survey, names):
        with tier.locked():
            _create(tier, names, files, report, batch, timeout_s)
    else:
        report.there = list(names)
    known = [survey.masters[name] for name in report.there if name in survey.masters]
    report.masters |= {master.name: master for master in known}
    if awake := [master for master in known if master.app and master.app.instances]:
        with tier.run.progress.phase("check"):
            # those of a run that was killed or ran out of time may still be starting
            report.failed |= wait_ready(tier, awake, timeout_s=timeout_s)[1]
    if probe and (fresh := [report.masters[name] for name in report.ready_s]):
        with tier.run.progress.phase("probe"):
            report.probes = probe_builds(tier, fresh)
        report.failed |= {name: each.error for name, each in report.probes.items() if each.error}
    report.seconds = round(sum(tier.run.progress.seconds.values()), 1)
    if report.failed:
        raise PartlyFailed("not ready", report, len(names), tier.run.command)
    return report


def _create(
    tier: Tier,
    names: Sequence[str],
    files: Mapping[str, str],
    report: NewMastersReport,
    batch: int,
    timeout_s: float,
) -> None:
    with tier.run.progress.phase("plan"):
        survey = tier.survey()  # again: what was seen before the lock may have changed
        todo = _plan(tier, survey, names)
        report.there = [name for name in names if name not in {each.master.name for each in todo}]
    for number, part in enumerate(_batches(todo, batch), 1):
        many = len(todo) > batch
        with tier.run.progress.phase(f"batch {number} of {-(-len(todo) // batch)}" if many else "start"):
            make_homes(tier, [(each.master, each.node) for each in part], files)
            calls = {each.master.name: put_app(tier, each.master, each.node, each.release) for each in part}
            refused = tier.deploy(calls)
            report.calls += len(calls)
            started = [each.master for each in part if each.master.name not in refused]
            ready, lacking = wait_ready(tier, started, timeout_s=timeout_s) if started else ({}, {})
        report.masters |= {each.master.name: each.master for each in part}
        report.ready_s |= ready
        report.failed |= refused | lacking
        if not ready:
            break  # nothing of a whole batch came up: what is wrong is wrong with all


def home_files(jenkins: JenkinsSettings, base: Path) -> dict[str, str]:
    """Files that a home gets of the operator's machine: path in the home -> text.

    Raises:
        InputError: one is not there.
    """
    wanted = {}
    if jenkins.security.file is not None:
        wanted[SECURITY] = ("jenkins.security.file", jenkins.security.file)
    for number, each in enumerate(jenkins.security.extra_groovy):
        wanted[f"init.groovy.d/{Path(each).name}"] = (f"jenkins.security.extra_groovy.{number}", each)
    found = {}
    for path, (key, name) in wanted.items():
        try:
            found[path] = (base / Path(name).expanduser()).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{key}: found {name!r}, which can't be read: {error}") from error
    return found


def differs(wanted: Any, found: Any) -> bool:
    """Whether an app's definition lacks something of what is wanted; what Marathon adds by itself doesn't count."""
    if isinstance(wanted, Mapping):
        return not isinstance(found, Mapping) or any(differs(each, found.get(key)) for key, each in wanted.items())
    if isinstance(wanted, list):
        return (
            not isinstance(found, list)
            or len(found) != len(wanted)
            or any(differs(*pair) for pair in zip(wanted, found, strict=True))
        )
    return bool(wanted != found)


def put_app(tier: Tier, master: Master, node: Node, release: str, *, instances: int = 1) -> Call:
    """The call that gives Marathon a master's app."""
    definition = app(tier.spec, master.name, master.slot, node.address, release=release, instances=instances)
    return Call("PUT", f"/v2/apps{app_id(master.name)}?force=true", definition)


def make_homes(tier: Tier, wanted: Sequence[tuple[Master, Node]], files: Mapping[str, str]) -> None:
    """Makes homes that are missing, with marker and secrets, and brings these files into all of them.

    Raises:
        NodeError: a node refused it, or can't be reached; those of other nodes are made.
    """
    requests: dict[str, dict[str, Any]] = {}
    for master, node in wanted:
        marker = master.home.marker if master.home else None
        marker = marker or new_marker(tier.spec.cluster, master.name, master.slot, _settings(tier).security.admin)
        home = {"name": master.name, "user": master_user(master.slot), "marker": marker.text(), "files": dict(files)}
        requests.setdefault(node.name, tier.request(action="make", homes=[]))["homes"].append(home)
    answers = tier.jenkins.homes(requests, tier.nodes)
    if failures := [answer.message for answer in answers.values() if isinstance(answer, NodeError)]:
        raise NodeError("homes could not be made:\n" + "\n".join(failures))


def _missing(survey: Survey, names: Sequence[str]) -> bool:
    return any(
        name not in survey.masters or survey.masters[name].app is None or survey.masters[name].problems
        for name in names
    )


def _plan(tier: Tier, survey: Survey, names: Sequence[str]) -> list[NewMaster]:
    """What is to be made, in the order of the names."""
    known = {name: survey.masters[name] for name in names if name in survey.masters}
    if broken := [f"  {name}: {'; '.join(each.problems)}" for name, each in known.items() if each.problems]:
        raise ClusterctlError("these Jenkins masters are inconsistent; nothing was made:\n" + "\n".join(broken))
    spaces = rooms(survey, tier.agents())
    kept = [each for each in known.values() if each.app is None and each.node is not None]
    for master in kept:
        assert master.node is not None  # noqa: S101
        room = spaces[master.node.name]
        if not room.fits(_settings(tier), home=False):
            raise ClusterctlError(
                f"the home of {master.name} is on {master.node.name}, and there is no room for its master; nothing was "
                f"made:\n{told_room(room, _settings(tier))}"
            )
        spaces[master.node.name] = room.less(_settings(tier), home=False)
    placed = place(survey, spaces, [name for name in names if name not in known])
    found = {each.name: _wanted(survey, each) for each in kept}
    found |= {name: _wanted(survey, _new(tier, name, *at)) for name, at in placed.items()}
    return [found[name] for name in names if name in found]


def _wanted(survey: Survey, master: Master) -> NewMaster:
    assert master.node is not None  # noqa: S101
    return NewMaster(master, master.node, release_on(survey.host(master.node)))


def release_on(host: Host) -> str:
    """The release that a new master on a node gets; named, so that it stays when another becomes the current one.

    Raises:
        ClusterctlError: the node has none.
    """
    if host.current is None or host.current not in host.releases:
        raise ClusterctlError(
            f"node {host.node} has no Jenkins: its image was built without one",
            hint="Add `jenkins` to artifacts.yml, build an image, and replace the node.",
        )
    return host.current


def _new(tier: Tier, name: str, node: Node, slot: int) -> Master:
    return Master(name=name, slot=slot, node=node, ports=port_plan(tier.spec).of(slot), app=None, home=None)


def _settings(tier: Tier) -> JenkinsSettings:
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    return tier.spec.jenkins


def _batches(todo: Sequence[NewMaster], size: int) -> Iterator[Sequence[NewMaster]]:
    for start in range(0, len(todo), size):
        yield todo[start : start + size]
