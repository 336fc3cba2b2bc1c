"""Scheduler calls, and resources taken from offers."""

from __future__ import annotations

from typing import Any

from clusterctl.load.calls import framework_info, subscribe, take


def piece(name: str, value: float, role: str = "*", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": role, **more}


def test_a_framework_that_comes_back_names_its_id_twice() -> None:
    new = subscribe(framework_info("f", "*", "nobody"))
    assert "framework_id" not in new
    assert new["subscribe"]["framework_info"]["failover_timeout"] == 0
    again = subscribe(framework_info("f", "*", "nobody", framework_id="id-1"))
    assert again["framework_id"] == again["subscribe"]["framework_info"]["id"] == {"value": "id-1"}


def test_reserved_resources_are_taken_first() -> None:
    offer = {"resources": [piece("cpus", 4), piece("cpus", 0.3, "marathon"), piece("mem", 64), piece("ports", 0)]}
    assert take(offer, 0.5, 32) == [piece("cpus", 0.3, "marathon"), piece("cpus", 0.2), piece("mem", 32)]


def test_too_little_of_anything_is_not_enough() -> None:
    offer = {"resources": [piece("cpus", 1), piece("mem", 64)]}
    assert take(offer, 1, 64) is not None
    assert take(offer, 1.1, 64) is None
    assert take(offer, 1, 65) is None
    assert take({}, 1, 65) is None


def test_revocable_resources_are_left_alone() -> None:
    assert take({"resources": [piece("cpus", 1, revocable={}), piece("mem", 64)]}, 1, 1) is None
