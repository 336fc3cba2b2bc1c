"""How many instances of an app to launch and which to kill: steady state, scaling, rolling restart. Pure.

Rolling restart by ``upgradeStrategy`` (Marathon docs/deployments.md): never fewer ready instances than
ceil(instances * minimumHealthCapacity), never more than floor(instances * (1 + maximumOverCapacity)) in all, and one
more than that where both limits leave no room to move. What to do follows from what runs, so a new leader goes on.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .appspec import App
from .instance import CREATED, RUNNING, STAGING, UNREACHABLE, Instance, inactive, ready

# What is killed first: what is least useful (Marathon's ScalingProposition).
_WEIGHT = {UNREACHABLE: 1, CREATED: 2, STAGING: 2, "TASK_STARTING": 3, RUNNING: 4}


@dataclass(frozen=True)
class Plan:
    launch: int
    kill: tuple[Instance, ...] = ()


def plan(app: App, instances: Sequence[Instance], restarting: bool, now: float) -> Plan:
    """Return what is to be done for ``app``, all of whose known instances are given.

    ``restarting``: replace the instances of older versions by and by; else they count like the others.
    """
    known = _present(app, instances, now)
    counted = [i for i in known if i.goal == "Running"]
    # Those being killed still hold their resources, and their place in a UNIQUE constraint.
    stopping = len(known) - len(counted)
    if restarting:
        return _roll(app, counted, stopping)
    kill = select_to_kill(app, counted, max(0, len(counted) - app.instances))
    return Plan(max(0, app.instances - len(known)), tuple(kill))


def _present(app: App, instances: Sequence[Instance], now: float) -> list[Instance]:
    """Return the instances that have a task, and one that counts."""
    strategy = app.spec["unreachableStrategy"]
    return [i for i in instances if not i.over and not inactive(i, strategy, now)]


def spare(app: App, instances: Sequence[Instance], launch: int) -> list[Instance]:
    """Return the ended instances that nobody waits for: of an older version, or more than are to be launched."""
    over = sorted((i for i in instances if i.over), key=lambda i: (i.created_at, i.id))
    old = [i for i in over if is_old(app, i)]
    rest = [i for i in over if not is_old(app, i)]
    return old + rest[: max(0, len(rest) - launch)]


def is_old(app: App, instance: Instance) -> bool:
    return instance.version < app.config_version


def is_settled(app: App, instances: Sequence[Instance], now: float) -> bool:
    """Return whether exactly the wanted instances are there, ready, and no other one is going away."""
    known = _present(app, instances, now)
    checks = bool(app.spec["healthChecks"])
    return len(known) == app.instances and all(ready(i, checks) for i in known)


def _roll(app: App, counted: Sequence[Instance], stopping: int) -> Plan:
    old = [i for i in counted if is_old(app, i)]
    new = [i for i in counted if not is_old(app, i)]
    ready_new = sum(1 for i in new if ready(i, bool(app.spec["healthChecks"])))
    upgrade = app.spec["upgradeStrategy"]
    minimum = math.ceil(app.instances * upgrade["minimumHealthCapacity"])
    maximum = math.floor(app.instances * (1 + upgrade["maximumOverCapacity"]))
    if minimum == maximum:
        maximum += 1
    keep_old = max(0, minimum - ready_new)
    kill = select_to_kill(app, old, max(0, len(old) - keep_old))
    kill += select_to_kill(app, new, max(0, len(new) - app.instances))
    room = maximum - len(counted) - stopping
    return Plan(max(0, min(app.instances - len(new), room)), tuple(kill))


def select_to_kill(app: App, candidates: Sequence[Instance], count: int) -> list[Instance]:
    """Return the ``count`` candidates to kill: least useful first, then by ``killSelection``; GROUP_BY stays even."""
    youngest_first = app.spec["killSelection"] == "YOUNGEST_FIRST"

    def order(instance: Instance) -> tuple[int, float, str]:
        since = instance.started_at or instance.staged_at or instance.created_at
        return (_WEIGHT.get(instance.state, 5), -since if youngest_first else since, instance.id)

    left = sorted(candidates, key=order)
    grouped_by = [c[0] for c in app.spec["constraints"] if c[1] == "GROUP_BY"]
    chosen: list[Instance] = []
    while left and len(chosen) < count:
        pool = left
        for name in grouped_by:
            sizes = Counter(i.place.value(name) for i in left)
            fullest = [i for i in pool if sizes[i.place.value(name)] == max(sizes.values())]
            pool = fullest or pool
        chosen.append(pool[0])
        left.remove(pool[0])
    return chosen
