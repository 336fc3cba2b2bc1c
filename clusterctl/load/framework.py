"""A simulated framework: it is told what happens and says what to do. No connection, no clock.

It behaves as the Jenkins plugin's generations do: one task an offer, a new build revives, and what an idle one does
depends on its kind (``plan.Group``). Actions are to be carried out in order; a call lacks only ``framework_id``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clusterctl.load.calls import Json, accept, acknowledge, decline, sleep_task, take
from clusterctl.load.plan import FrameworkGroup
from clusterctl.load.result import FrameworkResult

# The plugin's filter with a launch, and Mesos' default for one that is not given, in seconds
LAUNCH_FILTER_S = 1.0
NO_MATCH_FILTER_S = 5.0

TERMINAL = frozenset(
    f"TASK_{state}"
    for state in ("FINISHED", "FAILED", "KILLED", "ERROR", "LOST", "DROPPED", "GONE", "GONE_BY_OPERATOR", "UNKNOWN")
)


@dataclass(frozen=True)
class Register:
    """Subscribe, without an id."""


@dataclass(frozen=True)
class Leave:
    """TEARDOWN, and close the connection."""


@dataclass(frozen=True)
class MesosCall:
    """One call."""

    body: Json


Action = Register | Leave | MesosCall


@dataclass
class SimulatedBuild:
    """One build; moments as in ``result.BuildResult``."""

    framework: int
    queued_s: float
    run_s: float
    cpus: float
    mem_mib: float
    offered_s: float | None = None
    launched_s: float | None = None
    agent_s: float | None = None
    finished_s: float | None = None
    state: str = "queued"
    tries: int = 0


@dataclass
class Framework:
    """One framework through all of its registrations.

    Attributes:
        id: of the running registration, None while there is none.
        queue: builds without a task, oldest first.
        tasks: builds that have one, by task id.
    """

    group: FrameworkGroup
    seen: FrameworkResult
    id: str | None = None
    queue: deque[SimulatedBuild] = field(default_factory=deque)
    tasks: dict[str, SimulatedBuild] = field(default_factory=dict)
    offers: int = 0
    offers_wanted: int = 0
    registrations: int = 0
    registered_s: float | None = None
    longest_wait_s: float = 0.0
    hoarded: int = 0
    hoarded_offer_s: float = 0.0
    _registering: bool = False
    _suppressed: bool = False
    _launched: int = 0
    _wanting_since: float | None = None
    _busy_until: float = 0.0
    _held: dict[str, float] = field(default_factory=dict)  # offers by id, and since when

    # --- from Jenkins ---------------------------------------------------------------

    def join(self) -> list[Action]:
        """Jenkins has started; a framework that is always registered registers."""
        return self._register()

    def want(self, build: SimulatedBuild, now: float) -> list[Action]:
        """A build waits for an agent. ``now`` is the moment from which it counts."""
        self.queue.append(build)
        if self._wanting_since is None:
            self._wanting_since = now
        if self.id is None:
            return self._register()
        self._suppressed = False
        return [MesosCall({"type": "REVIVE"})]

    def look(self, now: float) -> list[Action]:
        """A registered one that has had nothing to do for long enough leaves, if it registered on demand."""
        idle = self.group.kind == "on_demand" and self.id is not None and not self.queue and not self.tasks
        if not idle or now < self._busy_until + self.group.linger_s:
            return []
        self._gone(now)
        return [Leave()]

    # --- from Mesos -----------------------------------------------------------------

    def subscribed(self, framework_id: str, now: float) -> list[Action]:
        """Registered, or back with the same id at a new leader, where no offer of before holds."""
        again = framework_id == self.id
        self.id = framework_id
        self._registering = self._suppressed = False
        self._drop_held(now)
        if not again:
            self.registrations += 1
            self._busy_until = max(self._busy_until, now)
            if self.registered_s is None:
                self.registered_s = now
        return self._when_idle()

    def offered(self, offers: Sequence[Mapping[str, Any]], now: float) -> list[Action]:
        """Offers: one task each, for the first build that fits."""
        self.offers += len(offers)
        if self._wanting_since is not None:
            self.offers_wanted += len(offers)
            self.longest_wait_s = max(self.longest_wait_s, now - self._wanting_since)
            self._wanting_since = now
        for build in self.queue:
            if build.offered_s is None:
                build.offered_s = now
        if self.group.kind == "hoarder":
            self.hoarded += len(offers)
            self._held |= {offer["id"]["value"]: now for offer in offers}
            return []
        actions: list[Action] = []
        unfit, idle = [], []
        for offer in offers:
            if not self.queue:
                idle.append(offer)
            elif call := self._launch(offer, now):
                actions.append(MesosCall(call))
            else:
                unfit.append(offer)
        if unfit:
            actions.append(MesosCall(decline(unfit, NO_MATCH_FILTER_S)))
        if idle:
            actions.append(MesosCall(decline(idle, self.group.decline_s)))
        if not self.queue:
            self._wanting_since = None
        return actions + self._when_idle()

    def rescinded(self, offer_id: str, now: float) -> None:
        """An offer is taken back; that of a task launched on it comes as an update."""
        since = self._held.pop(offer_id, None)
        if since is not None:
            self.hoarded_offer_s += now - since

    def updated(self, status: Mapping[str, Any], now: float) -> list[Action]:
        """A task's state. One that is lost before it ran is asked for again, as Jenkins provisions again."""
        actions: list[Action] = [MesosCall(acknowledge(status))] if "uuid" in status else []
        task_id, state = status["task_id"]["value"], status["state"]
        build = self.tasks.get(task_id)
        if build is None:
            return actions
        build.state = state
        if state == "TASK_RUNNING":
            if build.agent_s is None:
                build.agent_s = now
        elif state in TERMINAL:
            del self.tasks[task_id]
            self._busy_until = now
            # one that finished was running, though that update may have been overtaken
            if state != "TASK_FINISHED" and build.agent_s is None:
                build.launched_s = None
                return actions + self.want(build, now)
            build.agent_s = now if build.agent_s is None else build.agent_s
            build.finished_s = now
        return actions

    def removed(self, now: float) -> list[Action]:
        """The masters have removed it: running builds are lost; a waiting one makes it register again."""
        for build in self.tasks.values():
            build.state = "TASK_LOST"
            if build.agent_s is None:
                build.launched_s = None
                self.queue.append(build)
            else:
                build.finished_s = now
        self.tasks.clear()
        self._gone(now)
        if self.queue and self._wanting_since is None:
            self._wanting_since = now
        return self._register() if self.queue or self.group.kind != "on_demand" else []

    # --- the end --------------------------------------------------------------------

    def end(self, now: float) -> None:
        """The test is over: what is open counts as long as it lasted."""
        if self._wanting_since is not None:
            self.longest_wait_s = max(self.longest_wait_s, now - self._wanting_since)
        self._drop_held(now)

    def result(self, refused: int, reconnects: int) -> FrameworkResult:
        """What it saw."""
        measured = {
            "registrations": self.registrations,
            "registered_s": self.registered_s,
            "offers": self.offers,
            "offers_wanted": self.offers_wanted,
            "longest_wait_s": round(self.longest_wait_s, 4),
            "hoarded": self.hoarded,
            "hoarded_offer_s": round(self.hoarded_offer_s, 3),
        }
        return self.seen.model_copy(update={**measured, "refused": refused, "reconnects": reconnects})

    # --- parts ----------------------------------------------------------------------

    def _register(self) -> list[Action]:
        if self._registering or self.id is not None:
            return []
        self._registering = True
        return [Register()]

    def _launch(self, offer: Mapping[str, Any], now: float) -> Json | None:
        for build in self.queue:
            resources = take(offer, build.cpus, build.mem_mib)
            if resources is None:
                continue
            self.queue.remove(build)
            build.launched_s = now
            build.state = "launched"
            build.tries += 1
            self._launched += 1
            task_id = f"{self.seen.name}-{self._launched}"
            self.tasks[task_id] = build
            return accept(offer, sleep_task(task_id, offer, resources, build.run_s), LAUNCH_FILTER_S)
        return None

    def _when_idle(self) -> list[Action]:
        if self.queue or self._suppressed or self.group.kind not in ("suppress", "marathon"):
            return []
        self._suppressed = True
        return [MesosCall({"type": "SUPPRESS"})]

    def _gone(self, now: float) -> None:
        self.id = None
        self._registering = self._suppressed = False
        self._drop_held(now)

    def _drop_held(self, now: float) -> None:
        for offer_id in list(self._held):
            self.rescinded(offer_id, now)
