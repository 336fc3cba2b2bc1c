"""The attacks on a cluster that leaves all open (``security: {insecure: all}``): they succeed, and have their effects.

Without this, an attack that a closed cluster "denies" may be one that never works.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.judge import unexpected
from tests.attacks.positions import plan
from tests.attacks.scene import OPEN, Attacked, attack_file, attacked
from tests.attacks.table import BUILD, CONTROL, DEVELOPER, FORGED, LATE, LAUNCHED, ROOTED
from tests.e2e.cluster import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.operate]


@pytest.fixture(scope="module")
def made(container_image: dict[str, Any]) -> Iterator[Attacked]:
    with attacked(attack_file("attacks-open", OPEN)) as found:
        yield found


def test_a_build_gets_everywhere(made: Attacked) -> None:
    ends = made.positions.build("attacks", plan(BUILD, made.scene, closed=False))
    assert unexpected(BUILD, ends, closed=False) == {}


def test_its_tasks_ran_as_root(made: Attacked) -> None:
    for name, where in ((made.scene.own.name, "own"), (made.scene.other.name, "other")):
        for path in (FORGED.format(where), LAUNCHED.format(where)):
            eventually(
                f"{path} on {name}",
                lambda name=name, path=path: made.cluster.on(name, f"cat {path} 2>/dev/null || true"),  # type: ignore[misc]
                lambda told: told.startswith("uid=0(root)"),
            )


def test_so_does_a_developer(made: Attacked) -> None:
    ends = made.positions.developer(plan(DEVELOPER, made.scene, closed=False), made.scene.masters.name)
    assert unexpected(DEVELOPER, ends, closed=False) == {}


def test_and_a_build_that_is_root(made: Attacked) -> None:
    ends = made.positions.rooted(plan(ROOTED, made.scene, closed=False), made.scene.own.name)
    assert unexpected(ROOTED, ends, closed=False) == {}


def test_and_who_is_on_a_control_node(made: Attacked) -> None:
    ends = made.positions.on_control(plan(CONTROL, made.scene, closed=False), made.control[1])
    assert unexpected(CONTROL, ends, closed=False) == {}


def test_a_build_throws_an_agent_out_and_has_no_limits(made: Attacked) -> None:
    ends = made.positions.build("late", plan(LATE, made.scene, closed=False))
    assert unexpected(LATE, ends, closed=False) == {}
    leader = made.cluster.node(made.cluster.status()["leaders"]["mesos_master"])
    eventually(
        "the agent that was thrown out is another to Mesos",
        lambda: [agent["id"] for agent in made.cluster.mesos(leader, "/master/slaves")["slaves"] if agent["active"]],
        lambda ids: made.scene.other.agent_id not in ids,
    )
