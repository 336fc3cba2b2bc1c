"""Each rule, broken and kept."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.jenkins.fairness import least_decline_s, warnings
from tests.unit.jenkins.specs import tier
from tests.unit.specs import demo, demo_spec

ALWAYS = {"registration": "always"}


def test_the_defaults_break_none() -> None:
    assert warnings(tier()) == []
    assert warnings(demo_spec(mesos={"offer_timeout_s": 0})) == []


@pytest.mark.parametrize(
    ("settings", "mesos", "key", "cure"),
    [
        ({**ALWAYS, "decline_s": 199}, {}, "jenkins.decline_s", "decline for 200 s or more"),
        ({"builds": [{"default": False}]}, {}, "jenkins.builds", "'default: true'"),
        ({**ALWAYS, "plugin": "2.x", "checkpoint": False}, {}, "jenkins.plugin", "give every job a label"),
        ({}, {"offer_timeout_s": 0}, "mesos.offer_timeout_s", "leave it out"),
        ({}, {"max_completed_frameworks": 99}, "mesos.max_completed_frameworks", "keep 500 or more"),
    ],
)
def test_a_broken_rule(settings: dict[str, Any], mesos: dict[str, Any], key: str, cure: str) -> None:
    (warning,) = warnings(tier(settings, mesos=mesos))
    assert warning.key == key
    assert cure in warning.cure
    assert warning.to_json() == {"key": key, "reason": warning.reason, "cure": warning.cure}


@pytest.mark.parametrize(
    "settings",
    [
        {**ALWAYS, "decline_s": 200},
        {"decline_s": 1},
        {**ALWAYS, "plugin": "1.x", "decline_s": 1},
    ],
)
def test_declining_long_enough_or_not_at_all(settings: dict[str, Any]) -> None:
    assert warnings(tier(settings)) == []


def test_the_formula() -> None:
    assert [least_decline_s(masters) for masters in (1, 5, 300)] == [2, 10, 600]


@pytest.mark.parametrize(
    ("of_cluster", "of_group", "launch_ms", "warned"),
    [(10, None, 600_000, False), (20, None, 600_000, True), (20, 5, 600_000, False), (10, None, 599_999, True)],
)
def test_marathon_waits_for_a_launch_as_long_as_the_agents_do(
    of_cluster: int, of_group: int | None, launch_ms: int, warned: bool
) -> None:
    name = "mesos_agent_executor_registration_timeout_min"
    groups = demo()["groups"]
    groups["jenkins"]["settings"] = {name: of_group} if of_group else {}
    spec = demo_spec(
        jenkins={"allow_ephemeral_homes": True},
        groups=groups,
        settings={name: of_cluster},
        marathon={"task_launch_timeout_ms": launch_ms},
    )
    assert [warning.key for warning in warnings(spec)] == ["marathon.task_launch_timeout_ms"] * warned
