"""Which masters did nothing for long: most personal ones are idle most of the day."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from clusterctl.errors import InputError, NodeError
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.survey import Master

_UNITS = {"m": 60, "h": 3600, "d": 86400}
# Jobs lie in folders, three deep at most for this question
_LAST = "lastBuild[timestamp,duration,building]"
_JOBS = f"/api/json?tree=jobs[{_LAST},jobs[{_LAST},jobs[{_LAST}]]]"
_CALLS = (
    {"method": "GET", "path": _JOBS},
    {"method": "GET", "path": "/computer/api/json?tree=busyExecutors"},
    {"method": "GET", "path": "/queue/api/json?tree=items[id]"},
)


def span_s(text: str) -> int:
    """Seconds of ``90m``, ``4h`` or ``2d``. Raises InputError."""
    found = re.fullmatch(r"([1-9]\d{0,4})([mhd])", text)
    if not found:
        raise InputError(f"--idle: found {text!r}; allowed: minutes, hours or days, such as 90m, 4h or 2d")
    return int(found.group(1)) * _UNITS[found.group(2)]


def idle_masters(tier: Tier, for_s: float, now: float) -> list[str]:
    """Names of masters that run, run no build, have none waiting, and ended the last one ``for_s`` seconds ago.

    One that started later than that counts as used. One that doesn't answer is not idle: nothing is known of it.

    Args:
        now: seconds since the epoch.
    """
    running = [each for each in tier.survey().masters.values() if each.state == "running"]
    answers = tier.call(running, *_CALLS)
    found = []
    for master in running:
        replies = answers[master.name]
        if isinstance(replies, NodeError) or any(
            each.status != 200 or not isinstance(each.body, dict) for each in replies
        ):
            continue
        jobs, computer, queue = (each.body for each in replies)
        busy = computer.get("busyExecutors", 0) or queue.get("items")
        last = max([_started(master), *_ends(jobs)])
        if not busy and last <= now - for_s:
            found.append(master.name)
    return found


def _started(master: Master) -> float:
    try:
        return datetime.fromisoformat(master.app.started).timestamp() if master.app else 0.0
    except ValueError:
        return 0.0


def _ends(found: Mapping[str, Any]) -> Iterator[float]:
    """When the last builds of all jobs ended, in seconds since the epoch."""
    for job in found.get("jobs", []):
        if last := job.get("lastBuild"):
            yield (last.get("timestamp", 0) + last.get("duration", 0)) / 1000
        yield from _ends(job)
