"""Quieting masters down: they start no builds any more, and those that run are waited for.

A stop loses running builds with every version of the plugin: Mesos removes the framework, its tasks are killed.
"""

from __future__ import annotations

from collections.abc import Sequence

from clusterctl.errors import NodeError
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.survey import Master
from clusterctl.remote.jenkinsnodes import Reply

_TICK_S = 5.0
_QUIET = {"method": "POST", "path": "/quietDown"}
_CANCEL = {"method": "POST", "path": "/cancelQuietDown"}
_BUSY = {"method": "GET", "path": "/computer/api/json?tree=busyExecutors"}


def quiet_down(tier: Tier, masters: Sequence[Master], *, timeout_s: float) -> dict[str, str]:
    """Returns when no build runs on any of these masters, or the time is up; by name, why one is not quiet.

    Those that are not go on as before: their quiet is cancelled. A master without a task has nothing to wait for.
    """
    began = tier.run.waiter.clock()
    todo = {master.name: master for master in masters if master.app and master.app.hosts}
    failed: dict[str, str] = {}
    while todo:
        look = tier.run.waiter.clock()
        # again each time: a master that restarts meanwhile has lost it
        answers = tier.call(list(todo.values()), _QUIET, _BUSY)
        late = tier.run.waiter.clock() >= began + timeout_s
        waiting = []
        for name, master in list(todo.items()):
            busy, why = _busy(answers[name])
            if busy == 0:
                del todo[name]
            elif busy is None:
                failed[name] = f"it is unknown whether builds run on it: {why}; --force stops it anyway"
                del todo[name]
            elif late:
                failed[name] = f"{busy} builds run on it after {timeout_s:g} s; --force stops them"
                del todo[name]
            else:
                waiting.append((master.name, busy))
        if waiting:
            name, busy = waiting[0]
            tier.run.progress.note(f"{len(waiting)} of {len(masters)} have builds running; {name}: {busy}")
            tier.run.waiter.rest(look, _TICK_S)
    cancel_quiet(tier, [master for master in masters if master.name in failed])
    return failed


def cancel_quiet(tier: Tier, masters: Sequence[Master]) -> None:
    """Lets masters start builds again; one that doesn't answer now has lost it when it does again."""
    if masters:
        tier.call(masters, _CANCEL)


def _busy(replies: Sequence[Reply] | NodeError) -> tuple[int | None, str]:
    if isinstance(replies, NodeError):
        return None, replies.message
    quiet, busy = replies
    if not quiet.ok:
        return None, f"/quietDown: {quiet.reason}"
    if busy.status != 200 or not isinstance(busy.body, dict):
        return None, f"/computer: {busy.reason}"
    return int(busy.body.get("busyExecutors", 0)), ""
