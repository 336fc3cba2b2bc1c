"""Marathon's canary: when it is scaled, and what its tasks tell."""

from __future__ import annotations

from typing import Any

from clusterctl.load.plan import Canary
from clusterctl.load.result import Turn
from clusterctl.ops.loadtest.canary import MarathonCanary
from clusterctl.remote.marathons import Answer, Call

CANARY = Canary(base=1, turns=2, start_s=5, every_s=15)


def app(scaled: str, **staged: str) -> Answer:
    tasks: list[dict[str, Any]] = [{"id": name, "stagedAt": f"2026-01-01T00:00:{at}Z"} for name, at in staged.items()]
    info = {"lastScalingAt": f"2026-01-01T00:00:{scaled}Z"}
    return Answer(200, {"app": {"versionInfo": info, "tasks": [*tasks, {"id": "waiting"}]}})


def instances(calls: list[Call]) -> list[int | None]:
    return [call.body["instances"] if call.body else None for call in calls]


def test_turns_are_scaled_up_measured_and_scaled_down() -> None:
    canary = MarathonCanary(CANARY, "abcd", "jm-001")
    assert canary.first().body["instances"] == 1
    assert canary.id == "/clusterctl-loadtest-abcd"
    assert instances(canary.calls(0)) == [None]
    canary.take([app("00.000", base="01.000")])
    assert instances(canary.calls(5)) == [2, None]
    canary.take([Answer(200, {}), app("05.100", base="01.000")])
    assert not canary.turns
    canary.calls(6)
    canary.take([app("05.100", base="01.000", new="05.850")])
    assert canary.turns == [Turn(at_s=5, wait_s=0.75)]
    assert instances(canary.calls(7)) == [1, None]
    canary.take([Answer(200, {}), app("07.000", base="01.000", new="05.850")])
    assert instances(canary.calls(8)) == [None]
    assert not canary.done
    assert instances(canary.calls(20)) == [2, None]
    canary.take([Answer(200, {}), app("20.000", base="01.000", other="22.000")])
    assert canary.done
    assert canary.ended() == (Turn(at_s=5, wait_s=0.75), Turn(at_s=20, wait_s=2))


def test_a_turn_without_an_offer_is_told() -> None:
    canary = MarathonCanary(CANARY, "abcd", "jm-001")
    canary.calls(5)
    canary.take([Answer(200, {}), app("05.000")])
    assert canary.ended() == (Turn(at_s=5, wait_s=None),)


def test_a_refusal_is_kept_and_the_wait_goes_on() -> None:
    canary = MarathonCanary(CANARY, "abcd", "jm-001")
    canary.calls(5)
    canary.take([Answer(422, {"message": "no"}), app("05.000")])
    assert canary.trouble.startswith("HTTP 422: no")
    canary.calls(9)
    canary.take([app("05.000", new="09.000")])
    assert (canary.trouble, canary.turns) == ("", [Turn(at_s=5, wait_s=4)])
