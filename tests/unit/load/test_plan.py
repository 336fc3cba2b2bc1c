"""Plans, their bounds, and what they come to."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from clusterctl.load.plan import Canary, FrameworkGroup, LoadPlan, agenda, framework_groups


def group(name: str = "jenkins", **more: object) -> FrameworkGroup:
    return FrameworkGroup.model_validate({"name": name, "kind": "always", "count": 2, **more})


def test_numbers_go_through_the_groups_and_end_with_the_canary() -> None:
    plan = LoadPlan(groups=(group("a"), group("b", count=1)), canary=Canary(role="ops"), limit_s=10)
    assert [each.name for each in framework_groups(plan)] == ["a", "a", "b", "canary"]
    assert framework_groups(plan)[-1].role == "ops"


def test_the_agenda_registers_first_and_is_in_order() -> None:
    plan = LoadPlan(
        groups=(
            group("a", join_after_s=1, join_over_s=4),
            group("b", kind="on_demand", builds=2, arrival="steady", start_s=3, over_s=8),
        ),
        canary=Canary(turns=2, start_s=2, every_s=5),
        limit_s=60,
    )
    found = [(each.at_s, each.framework, each.build) for each in agenda(plan)]
    assert found == sorted(found)
    assert [(at, number) for at, number, build in found if not build] == [(1, 0), (3, 1)]
    assert [at for at, number, build in found if build and number in (2, 3)] == [3, 5, 7, 9]
    assert [(at, number) for at, number, build in found if number == 4] == [(2, 4), (7, 4)]
    assert agenda(plan) == agenda(plan)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ((group("a", count=900), group("b", count=1)), "found 901 frameworks; allowed: at most 900"),
        ((group("a", count=900, builds=223),), "found 200700 builds; allowed: at most 200000"),
        ((group("a"), group("a")), "found groups a, a; allowed: each name once"),
        ((group("canary"),), "none 'canary'"),
    ],
)
def test_bounds(groups: tuple[FrameworkGroup, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LoadPlan(groups=groups, limit_s=10)
