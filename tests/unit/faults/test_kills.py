"""What the sweep of kills calls converged, an orphan, a duplicate."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.content import Difference, difference
from tests.faults.document import put
from tests.faults.kills import Outcome, Point, points, read, table, write

WANTED = Counter({"server c-1": 1, "a server of builders": 2, "port c-1 at c-1": 1})


def outcome(**changes: object) -> Outcome:
    found = {
        "stage": "create",
        "call": 3,
        "when": "after",
        "struck": True,
        "request": "POST /ports",
        "exit_code": 0,
        "missing": (),
        "orphans": (),
        "duplicates": (),
        "seconds": 1.5,
    }
    return Outcome(**{**found, **changes})  # type: ignore[arg-type]


def test_the_same_is_no_difference() -> None:
    assert not difference(Counter(WANTED), WANTED)


def test_more_of_a_thing_is_a_duplicate_and_a_thing_nobody_wants_an_orphan() -> None:
    found = (
        WANTED + Counter({"server c-1": 1, "port (made by Nova) at no server (x)": 1}) - Counter(["port c-1 at c-1"])
    )
    assert difference(found, WANTED) == Difference(
        missing=("port c-1 at c-1",), orphans=("port (made by Nova) at no server (x)",), duplicates=("server c-1",)
    )


@pytest.mark.parametrize(
    "changes", [{"exit_code": 1}, {"missing": ("a",)}, {"orphans": ("a",)}, {"duplicates": ("a",)}]
)
def test_what_did_not_converge(changes: dict[str, object]) -> None:
    assert outcome().converged
    assert not outcome(**changes).converged


def test_every_call_has_two_points() -> None:
    assert points(2) == [Point(1, "before"), Point(1, "after"), Point(2, "before"), Point(2, "after")]


def test_the_table_counts_only_points_that_were_struck(tmp_path: Path) -> None:
    outcomes = [
        outcome(),
        outcome(orphans=("a", "b")),
        outcome(struck=False),
        outcome(stage="destroy", duplicates=("a",)),
    ]
    file = tmp_path / "outcomes.jsonl"
    for each in outcomes:
        write(file, each)
    assert read(file) == outcomes
    rows = table(read(file), {"create": 4, "destroy": 2}).splitlines()
    assert rows[2:] == [
        "| create | 4 | 2 | 1 | 2 | 0 |",
        "| destroy | 2 | 1 | 0 | 0 | 1 |",
        "| all | 6 | 3 | 1 | 2 | 1 |",
    ]


def test_a_table_goes_to_its_place(tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    document.write_text("a\n<!-- table kills -->\nold\n<!-- end kills -->\nb\n")
    put("kills", "new\\1", document)
    assert document.read_text() == "a\n<!-- table kills -->\nnew\\1\n<!-- end kills -->\nb\n"
    with pytest.raises(ValueError, match="no <!-- table other -->"):
        put("other", "x", document)
