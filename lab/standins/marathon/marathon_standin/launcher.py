"""Offers: launch what is wanted, decline the rest, and ask Mesos for offers only while something is wanted.

While nothing waits, offers are suppressed and declined for ``--decline_offer_duration``, so that nobody starves on
our account. When something new waits (a new app, a task that ended, a delay that is over), REVIVE takes those
refusals back, at most once in ``--min_revive_offers_interval``.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .appspec import App
from .backoff import Backoff
from .clock import Clock
from .config import Config
from .instance import Instance
from .matcher import Fit, OpenOffer, match
from .outbox import Outbox
from .state import State
from .taskinfo import task_info

log = logging.getLogger(__name__)


@dataclass
class QueueStats:
    """What became of the offers since the app began to wait, for /v2/queue. Times are seconds since the epoch."""

    since: float
    processed: int = 0
    unused: int = 0
    last_used_at: float | None = None
    last_unused_at: float | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    last_reasons: dict[str, str | None] = field(default_factory=dict)  # agent id -> why not; None: was used
    unused_offers: dict[str, tuple[Mapping[str, Any], str, float]] = field(default_factory=dict)  # agent id -> its last


class Launcher:
    """``demand`` is the number of instances to launch by app id, ``stats`` the story of each waiting app."""

    def __init__(self, state: State, config: Config, clock: Clock, backoff: Backoff, outbox: Outbox) -> None:
        self._state, self._config, self._clock = state, config, clock
        self._backoff, self._outbox = backoff, outbox
        self.demand: dict[str, int] = {}
        self.stats: dict[str, QueueStats] = {}
        self._asked_for: dict[str, int] = {}
        self._roles: list[str] = [config.mesos_role]  # that the framework is subscribed with
        self._suppressed: set[str] = set()
        self._revive_due: set[str] = set()
        self._next_revive_at = 0.0
        self._rng = random.Random()  # picks port numbers

    def subscribed(self) -> None:
        """A new subscription starts without refusals and unsuppressed."""
        self._suppressed, self._revive_due = set(), set()
        self._asked_for = {}

    def use_roles(self, roles: Sequence[str]) -> None:
        """Note the roles that the framework is subscribed with."""
        self._roles = list(roles)
        self._suppressed &= set(roles)
        self._revive_due &= set(roles)

    def want(self, demand: Mapping[str, int], connected: bool) -> None:
        """Note the demand as of now and, when connected, ask for offers or cease to."""
        now = self._clock()
        self.demand = dict(demand)
        self.stats = {app_id: self.stats.get(app_id) or QueueStats(now) for app_id in demand}
        if connected:
            self._revive_or_suppress(demand, now)

    def _revive_or_suppress(self, demand: Mapping[str, int], now: float) -> None:
        waiting = {i: n for i, n in demand.items() if self._backoff.left(self._state.apps[i], now) == 0}
        role_of = {app_id: self._state.apps[app_id].spec["role"] for app_id in waiting}
        self._revive_due |= {role_of[i] for i, count in waiting.items() if count > self._asked_for.get(i, 0)}
        self._revive_due &= set(role_of.values()) & set(self._roles)
        self._asked_for = waiting
        idle = [role for role in self._roles if role not in role_of.values()]
        if self._config.suppress_offers and set(idle) - self._suppressed:
            self._send("SUPPRESS", "suppress", [role for role in idle if role not in self._suppressed])
            self._suppressed |= set(idle)
        if self._revive_due and now >= self._next_revive_at:
            self._send("REVIVE", "revive", sorted(self._revive_due))
            self._suppressed -= self._revive_due
            self._revive_due = set()
            self._next_revive_at = now + self._config.min_revive_offers_interval / 1000

    def _send(self, kind: str, key: str, roles: Sequence[str]) -> None:
        self._outbox.send(kind, key, {"roles": list(roles)})
        self._outbox.count[f"mesos.calls.{key}"] += 1

    def offers(self, offers: Sequence[Mapping[str, Any]]) -> None:
        """Use the offers, each for at most ``--max_instances_per_offer`` tasks."""
        unused: list[dict[str, str]] = []
        self._outbox.count["mesos.offers.incoming"] += len(offers)
        for raw in offers:
            offer = OpenOffer(raw)
            tasks = self._use(offer)
            if not tasks:
                unused.append({"value": offer.id})
                continue
            self._outbox.count["mesos.offers.used"] += 1
            operation = {"type": "LAUNCH", "launch": {"task_infos": tasks}}
            self._outbox.send("ACCEPT", "accept", {"offer_ids": [{"value": offer.id}], "operations": [operation]})
        if unused:
            self._outbox.count["mesos.offers.declined"] += len(unused)
            seconds = self._config.decline_offer_duration / 1000
            self._outbox.send("DECLINE", "decline", {"offer_ids": unused, "filters": {"refuse_seconds": seconds}})

    def _use(self, offer: OpenOffer) -> list[dict[str, Any]]:
        now = self._clock()
        maintenance = self._config.maintenance_mode and offer.in_maintenance(now, self._config.draining_seconds)
        tasks: list[dict[str, Any]] = []
        for app_id in sorted(self.demand, key=lambda i: (self.stats[i].since, i)):
            app = self._state.apps[app_id]
            if self._backoff.left(app, now) > 0 or app.spec["role"] != offer.role:
                continue
            while self.demand.get(app_id) and len(tasks) < self._config.max_instances_per_offer:
                placed = [i.place for i in self._state.instances_of(app_id) if not i.over]
                fit = match(app, offer, placed, maintenance, self._rng.choice)
                self._note(app_id, offer, fit, now)
                if isinstance(fit, str):
                    break
                tasks.append(self._launch(app, offer, fit, now))
        return tasks

    def _launch(self, app: App, offer: OpenOffer, fit: Fit, now: float) -> dict[str, Any]:
        task_id = self._next_task(app)
        self._state.put_instance(
            Instance(
                id=task_id,
                app_id=app.id,
                version=app.version,
                role=app.spec["role"],
                agent_id=offer.agent_id,
                hostname=offer.place.hostname,
                attributes=dict(offer.place.attributes),
                host_ports=list(fit.host_ports),
                created_at=now,
            )
        )
        self.demand[app.id] -= 1
        self._asked_for[app.id] = self.demand[app.id]
        self._outbox.count["tasks.launched"] += 1
        self._outbox.tell(
            "instance_changed_event",
            instanceId=self._state.instances[task_id].instance_id,
            condition="Provisioned",
            runSpecId=app.id,
            agentId=offer.agent_id,
            host=offer.place.hostname,
            runSpecVersion=app.version,
        )
        log.info("Launching %s on agent %s (%s)", task_id, offer.agent_id, offer.place.hostname)
        return task_info(app, offer, fit, task_id)

    def _next_task(self, app: App) -> str:
        """Return the id of the task to launch: the next one of an instance whose last has ended, or a new instance's.

        Marathon's form since 1.9: path with _, instance, container, attempt.
        """
        over = [i for i in self._state.instances_of(app.id) if i.over]
        if not over:
            return f"{app.id.strip('/').replace('/', '_')}.instance-{uuid.uuid1()}._app.1"
        last = min(over, key=lambda i: (i.created_at, i.id))
        self._state.remove_instance(last.id)
        return last.next_id

    def _note(self, app_id: str, offer: OpenOffer, fit: Fit | str, now: float) -> None:
        stats = self.stats[app_id]
        stats.processed += 1
        if isinstance(fit, str):
            stats.unused += 1
            stats.last_unused_at = now
            stats.reasons[fit] += 1
            stats.last_reasons[offer.agent_id] = fit
            stats.unused_offers[offer.agent_id] = (offer.raw, fit, now)
        else:
            stats.last_used_at = now
            stats.last_reasons[offer.agent_id] = None
            stats.unused_offers.pop(offer.agent_id, None)
