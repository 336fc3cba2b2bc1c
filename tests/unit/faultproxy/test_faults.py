from __future__ import annotations

import pytest

from lab.faultproxy.faults import Fault, FaultPlan


def plan(*faults: Fault) -> FaultPlan:
    made = FaultPlan()
    made.reset(list(faults))
    return made


def test_by_number() -> None:
    of = plan(Fault("reset", call=2))
    assert [of.next("GET /compute/a", counted=True) for _ in range(3)] == [(1, None), (2, of.faults[0]), (3, None)]


def test_authentication_has_no_number_but_can_fail() -> None:
    of = plan(Fault("reset", match="* /identity/*"))
    assert of.next("POST /identity/v3/auth/tokens", counted=False) == (None, of.faults[0])
    assert of.next("GET /compute/a", counted=True) == (1, None)


def test_by_pattern_skip_and_times() -> None:
    of = plan(Fault("status", match="POST */servers", skip=1, times=2))
    asked = ["GET /compute/v2.1/servers", *["POST /compute/v2.1/servers"] * 4]
    assert [bool(of.next(request, counted=True)[1]) for request in asked] == [False, False, True, True, False]


def test_for_ever() -> None:
    of = plan(Fault("status", times=None))
    assert all(of.next("GET /x", counted=True)[1] for _ in range(9))


def test_parse() -> None:
    assert Fault.parse({"do": "status", "status": 429, "when": "after"}) == Fault("status", status=429, when="after")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"do": "explode"}, "not one of status"),
        ({"do": "kill", "wen": 1}, "unknown wen"),
        ({"do": "kill", "when": 1}, "1"),
    ],
)
def test_parse_says_what_is_wrong(raw: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault.parse(raw)
