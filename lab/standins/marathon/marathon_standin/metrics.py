"""/metrics: Marathon's names (docs/metrics.md) in Dropwizard's JSON, and the same for Prometheus."""

from __future__ import annotations

import re
from typing import Any

from .instance import RUNNING, STAGING
from .scheduler import Scheduler

_COUNTERS = (
    "deployments",
    "tasks.launched",
    "mesos.calls.revive",
    "mesos.calls.suppress",
    "mesos.offers.incoming",
    "mesos.offers.used",
    "mesos.offers.declined",
)


def snapshot(
    prefix: str, uptime_s: float, scheduler: Scheduler | None, leading_s: float, streams: int
) -> dict[str, Any]:
    """Return the metrics; ``streams`` is the number of clients of /v2/events."""
    gauges: dict[str, float] = {"uptime.gauge.seconds": uptime_s, "leadership.duration.gauge.seconds": leading_s}
    counters: dict[str, int] = {}
    if scheduler is not None:
        state = scheduler.state
        states = [i.state for i in state.instances.values()]
        parents = {app_id.rpartition("/")[0] for app_id in state.apps}
        groups = {"/".join(p.split("/")[: n + 1]) for p in parents for n in range(p.count("/") + 1)} | {""}
        stopping = [i for i in state.instances.values() if i.dying]
        gauges |= {
            "http.event-streams.active.gauge": streams,
            "apps.active.gauge": len(state.apps),
            "groups.active.gauge": len(groups),
            "deployments.active.gauge": len(state.deployments),
            "instances.running.gauge": states.count(RUNNING),
            "instances.staged.gauge": states.count(STAGING),
            "instances.inflight-kills.gauge": len(stopping),
            "instances.inflight-kill-attempts.gauge": sum(i.kills_sent for i in stopping),
        }
        counters = {f"{name}.counter": scheduler.outbox.count[name] for name in _COUNTERS}
        counters |= {f"{name}.counter": n for name, n in scheduler.outbox.count.items() if name not in _COUNTERS}
    return {
        "version": "4.0.0",  # of the format
        "gauges": {f"{prefix}.{name}": {"value": value} for name, value in sorted(gauges.items())},
        "counters": {f"{prefix}.{name}": {"count": count} for name, count in sorted(counters.items())},
        "histograms": {},
        "meters": {},
        "timers": {},
    }


def prometheus(metrics: dict[str, Any]) -> str:
    """Return ``metrics`` in Prometheus' text format; dots and dashes become underscores, as in Marathon."""
    lines = []
    for kind, member, of_kind in (("gauge", "value", "gauges"), ("counter", "count", "counters")):
        for name, entry in metrics[of_kind].items():
            flat = re.sub(r"[.-]", "_", name)
            lines += [f"# TYPE {flat} {kind}", f"{flat} {entry[member]}"]
    return "\n".join(lines) + "\n"
