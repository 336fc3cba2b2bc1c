"""``jenkins restart``, ``hibernate`` and ``wake``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clusterctl.errors import ClusterctlError, NodeError
from clusterctl.jenkins.app import app, app_id
from clusterctl.ops.jenkins.create import BATCH, READY_TIMEOUT_S, differs, home_files, make_homes, put_app, release_on
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.outcome import Outcome
from clusterctl.ops.jenkins.placement import rooms, told_room
from clusterctl.ops.jenkins.quiet import quiet_down
from clusterctl.ops.jenkins.ready import wait_ready
from clusterctl.ops.jenkins.survey import App, Master, Survey, read_apps
from clusterctl.ops.jenkins.volumes import unable
from clusterctl.remote.marathons import Call

# Beside the seconds that a master gets to save its queue: Mesos' and Marathon's own
_STOP_MARGIN_S = 60.0
_TICK_S = 1.0


@dataclass(frozen=True)
class Manner:
    """How masters are stopped. ``force``: running builds are not waited for, and lost."""

    force: bool = False
    quiet_timeout_s: float = 600.0
    ready_timeout_s: float = READY_TIMEOUT_S
    batch: int = BATCH


def hibernate(tier: Tier, names: Sequence[str], manner: Manner) -> Outcome:
    """Stops masters, whose homes and apps stay: they take nothing but disk.

    Raises:
        ClusterctlError: there is none of a name.
        PartlyFailed: some were not stopped, and go on.
    """
    out = Outcome(tier.spec.cluster, "hibernate")
    with tier.locked():
        masters = tier.survey().named(names)
        asleep = [each for each in masters if each.app is None or (not each.app.instances and not each.app.hosts)]
        out.skipped = {each.name: f"it is {each.state}" for each in asleep}
        stop(tier, [each for each in masters if each.name not in out.skipped], manner, out)
    return out.end(tier, "not stopped")


def wake(tier: Tier, names: Sequence[str], manner: Manner) -> Outcome:
    """Starts masters that hibernate, where they were, and waits until each serves.

    Raises:
        ClusterctlError: there is none of a name, or they don't fit on their nodes.
        PartlyFailed: some don't serve.
    """
    out = Outcome(tier.spec.cluster, "wake")
    with tier.locked():
        survey = tier.survey()
        masters = survey.named(names)
        out.skipped = {each.name: f"it is {each.state}" for each in masters if each.app and each.app.instances}
        out.fail({each.name: "; ".join(each.problems) for each in masters if each.problems})
        out.fail(
            {
                each.name: f"it has no app; `clusterctl jenkins create FILE {each.name}` starts it"
                for each in masters
                if not each.app
            }
        )
        out.fail(unable(tier.spec, survey.hosts, [each for each in masters if each.name not in out.skipped]))
        todo = [each for each in masters if each.name not in out.skipped and each.name not in out.failed]
        _fit(tier, survey, todo)
        for start in range(0, len(todo), manner.batch):
            with tier.run.progress.phase("start"):
                bring_up(tier, survey, todo[start : start + manner.batch], manner, out, word="started")
    return out.end(tier, "not started")


def restart(tier: Tier, names: Sequence[str], manner: Manner) -> Outcome:
    """Restarts masters, with what the cluster file says now: sizes, options, the operator's files.

    Raises:
        ClusterctlError: there is none of a name.
        PartlyFailed: some were not restarted.
    """
    out = Outcome(tier.spec.cluster, "restart")
    with tier.locked():
        survey = tier.survey()
        masters = survey.named(names)
        out.skipped = {each.name: f"it is {each.state}" for each in masters if not each.app or not each.app.instances}
        out.fail({each.name: "; ".join(each.problems) for each in masters if each.problems})
        out.fail(unable(tier.spec, survey.hosts, [each for each in masters if each.name not in out.skipped]))
        todo = [each for each in masters if each.name not in out.skipped and each.name not in out.failed]
        for start in range(0, len(todo), manner.batch):
            part = todo[start : start + manner.batch]
            with tier.run.progress.phase("quiet"):
                if not manner.force:
                    out.fail(quiet_down(tier, part, timeout_s=manner.quiet_timeout_s))
            with tier.run.progress.phase("restart"):
                left = [each for each in part if each.name not in out.failed]
                bring_up(tier, survey, left, manner, out, word="restarted")
    return out.end(tier, "not restarted")


def stop(tier: Tier, masters: Sequence[Master], manner: Manner, out: Outcome) -> None:
    """Quiets masters down and scales their apps to 0, all at once; waits until their tasks are gone."""
    with tier.run.progress.phase("quiet"):
        if not manner.force:
            out.fail(quiet_down(tier, masters, timeout_s=manner.quiet_timeout_s))
    with tier.run.progress.phase("stop"):
        names = out.going(each.name for each in masters)
        out.fail(tier.deploy({name: scale_to_0(name) for name in names}))
        names = out.going(names)
        out.fail(wait_gone(tier, names))
        out.done |= dict.fromkeys(out.going(names), "stopped")


def scale_to_0(name: str) -> Call:
    """Stops a master's app; whatever deployment it has under way is given up."""
    return Call("PUT", f"/v2/apps{app_id(name)}?force=true", {"instances": 0})


def bring_up(tier: Tier, survey: Survey, masters: Sequence[Master], manner: Manner, out: Outcome, *, word: str) -> None:
    """Starts masters, or starts those that run anew: the operator's files, the apps, and waiting until each serves.

    Args:
        word: what is told of those that do: ``started``.
    """
    if not masters:
        return
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    try:
        pairs = [(each, each.node) for each in masters if each.node]
        make_homes(tier, pairs, home_files(tier.spec.jenkins, tier.base))
    except NodeError as error:
        out.fail({each.name: error.message for each in masters})
        return
    out.fail(tier.deploy({each.name: _start_call(tier, survey, each) for each in masters}))
    old = {each.name: each.app.tasks for each in masters if each.app and each.name not in out.failed}
    out.fail(wait_gone(tier, list(old), lambda now: not set(now.tasks) & set(old[now.name])))
    left = [each for each in masters if each.name not in out.failed]
    if left:
        seconds, lacking = wait_ready(tier, left, timeout_s=manner.ready_timeout_s)
        out.fail(lacking)
        out.done |= {name: f"{word}, ready after {taken} s" for name, taken in seconds.items()}


def wait_gone(
    tier: Tier, names: Sequence[str], gone: Callable[[App], bool] = lambda now: not now.hosts
) -> dict[str, str]:
    """Waits until the tasks of these masters are gone; by name, of which they are not.

    Args:
        gone: whether one's are.
    """
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    began = tier.run.waiter.clock()
    timeout_s = min(tier.spec.jenkins.master.kill_grace_s + _STOP_MARGIN_S, tier.run.waiter.left())
    left = set(names)
    while left:
        look = tier.run.waiter.clock()
        apps = read_apps(tier.spec, tier.apps())
        left = {name for name in left if name in apps and not gone(apps[name])}
        if not left:
            break
        tier.run.progress.note(f"{len(names) - len(left)} of {len(names)} have stopped")
        if tier.run.waiter.clock() >= began + timeout_s:
            return dict.fromkeys(sorted(left), f"its task is still there after {timeout_s:g} s")
        tier.run.waiter.rest(look, _TICK_S)
    return {}


def _start_call(tier: Tier, survey: Survey, master: Master) -> Call:
    """A restart if nothing else is needed: the same definition would change nothing."""
    assert master.node is not None  # noqa: S101
    release = release_of(survey, master)
    wanted = app(tier.spec, master.name, master.slot, master.node.address, release=release)
    if master.app and master.app.instances and not differs(wanted, master.app.definition):
        return Call("POST", f"/v2/apps{app_id(master.name)}/restart?force=true")
    return put_app(tier, master, master.node, release)


def release_of(survey: Survey, master: Master) -> str:
    """The release of a master; one whose app names none gets that of new masters."""
    assert master.node is not None  # noqa: S101
    return master.release or (master.app.release if master.app else "") or release_on(survey.host(master.node))


def _fit(tier: Tier, survey: Survey, masters: Sequence[Master]) -> None:
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    spaces = rooms(survey, tier.agents())
    for master in masters:
        assert master.node is not None  # noqa: S101
        room = spaces[master.node.name]
        if not room.fits(tier.spec.jenkins, home=False):
            raise ClusterctlError(
                f"{master.name} does not fit on its node any more; nothing was started:\n"
                + told_room(room, tier.spec.jenkins),
                hint="Hibernate others there.",
            )
        spaces[master.node.name] = room.less(tier.spec.jenkins, home=False)
