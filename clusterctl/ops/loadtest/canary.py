"""Marathon's canary: an app that is scaled up now and then, to see how long Marathon waits for an offer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from clusterctl.load.plan import NAME_PREFIX, Canary
from clusterctl.load.result import Turn
from clusterctl.remote.marathons import Answer, Call

LABEL = "clusterctl.loadtest"  # value: the id of the run


class MarathonCanary:
    """The app of one run. Its waits are Marathon's own figures: from the scaling to the staging of the new task.

    Args:
        user: Unix user of its tasks, which Marathon's framework must be allowed.
    """

    def __init__(self, canary: Canary, run: str, user: str) -> None:
        self.id = f"/{NAME_PREFIX}{run}"
        self.turns: list[Turn] = []
        self.trouble = ""
        self._canary, self._run, self._user = canary, run, user
        self._known: set[str] = set()  # ids of the tasks of before this turn
        self._since: float | None = None  # when the open turn began
        self._up = False

    @property
    def done(self) -> bool:
        """Whether each turn has met an offer."""
        return self._since is None and len(self.turns) == self._canary.turns

    def first(self) -> Call:
        """Makes the app with what runs all the time."""
        return self._scale(self._canary.base)

    def calls(self, now: float) -> list[Call]:
        """What is due: scaling up for the next turn, or down after one; then a look."""
        found = []
        due = self._canary.start_s + len(self.turns) * self._canary.every_s
        if self._since is None and not self._up and len(self.turns) < self._canary.turns and now >= due:
            self._since, self._up = now, True
            found.append(self._scale(self._canary.base + 1))
        elif self._since is None and self._up:
            self._up = False
            found.append(self._scale(self._canary.base))
        return [*found, Call("GET", f"/v2/apps{self.id}?embed=app.tasks")]

    def take(self, answers: Sequence[Answer]) -> None:
        """The answers to ``calls``."""
        bad = [answer.reason for answer in answers if not answer.ok]
        self.trouble = bad[0] if bad else ""
        if bad:
            return
        app = answers[-1].body["app"]
        staged = {task["id"]: task["stagedAt"] for task in app.get("tasks", []) if task.get("stagedAt")}
        if self._since is None:
            self._known |= staged.keys()
            return
        scaled = _seconds(app["versionInfo"]["lastScalingAt"])
        new = [_seconds(at) for task, at in staged.items() if task not in self._known and _seconds(at) >= scaled]
        if new:
            self.turns.append(Turn(at_s=round(self._since, 3), wait_s=round(min(new) - scaled, 4)))
            self._known |= staged.keys()
            self._since = None

    def ended(self) -> tuple[Turn, ...]:
        """All turns; one that is open has met no offer."""
        still = [] if self._since is None else [Turn(at_s=round(self._since, 3), wait_s=None)]
        return (*self.turns, *still)

    def _scale(self, instances: int) -> Call:
        body: dict[str, Any] = {
            "id": self.id,
            "cmd": "exec sleep 86400",
            "user": self._user,
            "cpus": self._canary.cpus,
            "mem": self._canary.mem_mib,
            "instances": instances,
            "acceptedResourceRoles": [self._canary.role],
            "labels": {LABEL: self._run},
        }
        return Call("PUT", f"/v2/apps{self.id}?force=true", body)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
