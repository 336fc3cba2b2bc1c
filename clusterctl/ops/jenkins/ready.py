"""Waiting for masters to serve: Jenkins answers, lets its administrator in, and takes inbound agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clusterctl.errors import NodeError
from clusterctl.ops.jenkins.ground import Tier, asked
from clusterctl.ops.jenkins.survey import Master, read_apps
from clusterctl.remote.jenkinsnodes import Reply

_TICK_S = 2.0
_APPS_S = 15.0  # between two looks at why tasks fail

LOGIN = {"method": "GET", "path": "/login", "anonymous": True}
API = {"method": "GET", "path": "/api/json?tree=mode"}


def readiness_calls(master: Master) -> tuple[Mapping[str, Any], ...]:
    """What ``unready`` wants the answers of."""
    # The listener for inbound agents answers a browser's request, too (TcpSlaveAgentListener)
    return LOGIN, API, {"method": "GET", "path": "/", "port": master.ports.inbound, "anonymous": True}


def unready(replies: Sequence[Reply] | NodeError) -> str:
    """What a master lacks; '' if it is ready."""
    if isinstance(replies, NodeError):
        return replies.message
    login, api, inbound = replies
    if login.status == 503:
        return "Jenkins is loading"
    if login.status != 200:
        return f"/login: {login.reason}"
    if api.status != 200:
        return f"/api/json with the token: {api.reason}"
    return "" if inbound.ok else f"the port for inbound agents: {inbound.reason}"


def wait_ready(tier: Tier, masters: Sequence[Master], *, timeout_s: float) -> tuple[dict[str, float], dict[str, str]]:
    """Waits until all are ready, or the time is up.

    Returns:
        By name, the seconds until it was ready; and what the others lack.
    """
    began = tier.run.waiter.clock()
    told = began
    failures: dict[str, str] = {}
    lacking = {master.name: "not asked yet" for master in masters}
    seconds: dict[str, float] = {}
    while True:
        look = tier.run.waiter.clock()
        todo = [master for master in masters if master.name in lacking]
        answers = tier.jenkins.call([asked(master, readiness_calls(master)) for master in todo])
        for name in list(lacking):
            why = unready(answers[name])
            if why:
                lacking[name] = why
            else:
                del lacking[name]
                seconds[name] = round(tier.run.waiter.clock() - began, 1)
        if not lacking:
            return seconds, {}
        late = tier.run.waiter.clock() >= began + timeout_s
        if late or tier.run.waiter.clock() >= told + _APPS_S:
            told = tier.run.waiter.clock()
            apps = read_apps(tier.spec, tier.apps())
            failures = {name: apps[name].failure for name in lacking if name in apps and apps[name].failure}
        if late:
            return seconds, {name: _with(why, failures.get(name)) for name, why in lacking.items()}
        first = next(iter(lacking))
        why = _with(lacking[first], failures.get(first))
        tier.run.progress.note(f"{len(seconds)} of {len(masters)} are ready; {first}: {why}")
        tier.run.waiter.rest(look, _TICK_S)


def _with(why: str, failure: str | None) -> str:
    return f"{why}; its last task {failure}" if failure else why
