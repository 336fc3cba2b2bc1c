"""What the watcher of rolls makes of a row of answers."""

from __future__ import annotations

from tests.e2e.watcher import Gaps


def gaps(answers: str) -> Gaps:
    """One answer a second from 1 on, ``.`` good and ``x`` bad."""
    found = Gaps(last=0.0)
    for second, answer in enumerate(answers, start=1):
        found.add(answer == ".", float(second))
    return found


def test_nothing_was_bad() -> None:
    assert gaps("...").report(now=9.0) == {"good": 3, "bad": 0, "longest_gap_s": 1.0, "left": None, "back": None}


def test_a_gap_is_between_two_good_answers() -> None:
    assert gaps("..xxx..").report(now=7.5) == {"good": 4, "bad": 3, "longest_gap_s": 4.0, "left": 2.0, "back": 6.0}


def test_whole_again_is_after_the_last_bad_answer() -> None:
    found = gaps(".x..xx.")
    assert (found.longest_s, found.left, found.back) == (3.0, 1.0, 7.0)


def test_a_gap_may_last() -> None:
    found = gaps("..xx")
    assert (found.back, found.report(now=10.0)["longest_gap_s"]) == (None, 8.0)


def test_an_answer_that_was_late_is_a_gap_without_a_bad_one() -> None:
    found = Gaps(last=0.0)
    for now in (1.0, 3.5, 4.0):
        found.add(True, now)
    assert (found.longest_s, found.left) == (2.5, None)
