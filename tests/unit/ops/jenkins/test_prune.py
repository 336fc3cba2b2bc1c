"""Homes that were set aside are listed, and deleted for good."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from clusterctl.errors import CancelledError, InputError
from clusterctl.ops.jenkins.ground import PartlyFailed
from clusterctl.ops.jenkins.looks import list_masters
from clusterctl.ops.jenkins.prune import prune
from tests.unit.ops.jenkins.world import MemoryHome, World

ONE, TWO = "demo-jenkins-1", "demo-jenkins-2"
OLD, MIDDLE, NEW = (f"alice-2026010{day}T000000Z" for day in (1, 2, 3))
BOB = "bob-x-20260101T000000Z"


@pytest.fixture
def world() -> World:
    """Three homes of alice on two nodes, one of bob-x, and something that a person put there."""
    made = World()
    for node, entry in ((ONE, NEW), (ONE, BOB), (ONE, "notes"), (TWO, OLD), (TWO, MIDDLE)):
        made.nodes.aside[node][entry] = MemoryHome("{}", "jm-001")
    return made


def yes(_lines: Sequence[str]) -> None:
    """Consents."""


def left(world: World) -> list[str]:
    return sorted(entry for node in world.nodes.aside.values() for entry in node)


def test_all_go_but_what_is_not_ours(world: World) -> None:
    shown: list[str] = []
    out = prune(world.tier(), None, keep=0, confirm=shown.extend)
    assert sorted(out.done) == [OLD, MIDDLE, NEW, BOB]
    assert left(world) == ["notes"]
    assert [line.split(" (")[0] for line in shown] == [
        f"- {OLD} on {TWO}",
        f"- {MIDDLE} on {TWO}",
        f"- {NEW} on {ONE}",
        f"- {BOB} on {ONE}",
    ]
    assert all(line.endswith(" MiB)") for line in shown)


@pytest.mark.parametrize(("keep", "gone"), [(1, [OLD, MIDDLE]), (2, [OLD]), (3, []), (9, [])])
def test_the_newest_of_each_master_stay_on_whatever_node(world: World, keep: int, gone: list[str]) -> None:
    assert sorted(prune(world.tier(), None, keep=keep, confirm=yes).done) == gone
    assert left(world) == sorted({OLD, MIDDLE, NEW, BOB, "notes"} - set(gone))


def test_named_masters_only(world: World) -> None:
    assert list(prune(world.tier(), ["bob-x"], keep=0, confirm=yes).done) == [BOB]
    with pytest.raises(InputError, match="found bob-x; allowed: masters with a home set aside: alice"):
        prune(world.tier(), ["alice", "bob-x"], keep=0, confirm=yes)
    assert left(world) == sorted([OLD, MIDDLE, NEW, "notes"])


def test_without_consent_nothing_goes(world: World) -> None:
    def no(_lines: Sequence[str]) -> None:
        raise CancelledError("declined")

    with pytest.raises(CancelledError):
        prune(world.tier(), None, keep=0, confirm=no)
    assert len(left(world)) == 5


def test_a_node_that_does_not_answer_is_named_and_the_others_are_done(world: World) -> None:
    world.nodes.silent[TWO] = "no route to host"
    with pytest.raises(PartlyFailed) as caught:
        prune(world.tier(), None, keep=0, confirm=yes)
    assert "no route to host" in caught.value.message
    assert left(world) == sorted([OLD, MIDDLE, "notes"])


def test_nothing_to_do_asks_nobody(world: World) -> None:
    def never(_lines: Sequence[str]) -> None:
        raise AssertionError

    assert prune(world.tier(), None, keep=5, confirm=never).done == {}


def test_list_names_them(world: World) -> None:
    one, two = list_masters(world.tier()).to_json()["nodes"]
    assert (one["aside"], two["aside"]) == ([NEW, BOB, "notes"], [OLD, MIDDLE])
