"""Clocks that differ are told, with the node whose clock it is; slow answers are not taken for wrong clocks."""

from __future__ import annotations

import pytest

from clusterctl.health.clocks import clock_checks
from clusterctl.health.facts import NodeFacts
from tests.unit.health.clusters import CONTROL, all_facts, expect, facts

NOW = 1_800_000_000.0
BUILDER, MASTERS = (node.name for node in expect().agents)


def at(off_s: float, *, asked_s: float = 100.0, on_the_way_s: float = 0.4, took_s: float = 2.0) -> NodeFacts:
    """Of a node whose clock is off: it answered in ``took_s``, and as long as ``on_the_way_s`` went by around that."""
    began = NOW + asked_s + off_s + on_the_way_s / 2
    clock = {
        "began_s": began,
        "ended_s": began + took_s,
        "asked_s": asked_s,
        "answered_s": asked_s + took_s + on_the_way_s,
    }
    return facts(1, clock=clock)


def judged(**nodes: NodeFacts) -> tuple[bool, str]:
    """Of control nodes ``c1`` to ``c3`` and the agents ``masters`` and ``builder``."""
    names = {"masters": MASTERS, "builder": BUILDER} | {f"c{n}": name for n, name in enumerate(CONTROL, 1)}
    [found] = clock_checks(expect(), {names[key]: seen for key, seen in nodes.items()})
    return found.ok, found.detail


def test_where_fewer_than_two_tell_there_is_no_check() -> None:
    assert clock_checks(expect(), all_facts()) == []
    assert clock_checks(expect(), all_facts(c1=at(0))) == []


def test_clocks_that_agree_whenever_they_were_asked() -> None:
    assert judged(c1=at(0), c2=at(0.3, asked_s=140), c3=at(-4, asked_s=90)) == (
        True,
        "of 3 nodes, none is more than 5 s away from the others",
    )


@pytest.mark.parametrize(("off_s", "text"), [(312.4, "312 s ahead of"), (-3600.4, "3600 s behind")])
def test_the_one_that_is_off_is_named_and_how_far(off_s: float, text: str) -> None:
    near = 0.2 if off_s < 0 else -0.2
    told = judged(
        c1=at(0, on_the_way_s=0.0),
        c2=at(near),
        c3=at(off_s, on_the_way_s=0.0),
        builder=at(-near / 2),
        masters=at(near),
    )
    middle = "that of demo-control-1, expected 5 s at most; `clusterctl ssh FILE demo-control-3 timedatectl` shows"
    assert told == (False, f"demo-control-3 (10.0.0.3): its clock is {text} {middle} what sets it")


def test_of_two_nobody_knows_which_is_right() -> None:
    assert judged(c1=at(0), builder=at(60))[1].startswith(f"{BUILDER} (10.0.0.21): its clock is 60 s ahead of that of")


def test_a_slow_answer_is_no_wrong_clock() -> None:
    """That the services of a node take long is on its own clock; what is on the way is not known."""
    assert judged(c1=at(0), c2=at(0, took_s=40), c3=at(0, on_the_way_s=55))[0]
    assert not judged(c1=at(0), c2=at(30, took_s=40), c3=at(0))[0]
    assert judged(c1=at(0), c2=at(0), c3=at(20, on_the_way_s=55))[0]


def test_who_did_not_look_at_its_own_clock_knows_nothing() -> None:
    seen = facts(1, clock={"began_s": NOW, "ended_s": NOW + 1})
    assert clock_checks(expect(), dict.fromkeys(CONTROL, seen)) == []
