"""Calls in parallel: all are made, answers keep their order, bugs come before failures of the cloud."""

from __future__ import annotations

import threading

import pytest

from clusterctl.errors import CloudError
from clusterctl.ops.kit.parallel import AT_ONCE, for_each


def test_answers_keep_the_order_of_the_items() -> None:
    assert for_each(lambda number: number * 2, range(20)) == [number * 2 for number in range(20)]
    assert for_each(str, []) == []


def test_calls_are_made_at_once() -> None:
    meeting = threading.Barrier(AT_ONCE, timeout=10)
    assert len(for_each(lambda _: meeting.wait(), range(AT_ONCE))) == AT_ONCE


def test_all_are_tried_before_the_first_failure_is_raised() -> None:
    called = []

    def call(number: int) -> None:
        called.append(number)
        if number % 2:
            raise CloudError(f"call {number}")

    with pytest.raises(CloudError, match="call 1"):
        for_each(call, range(6))
    assert sorted(called) == list(range(6))


def test_a_bug_is_raised_before_a_failure_of_the_cloud() -> None:
    def call(number: int) -> None:
        raise CloudError("refused") if number == 0 else ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        for_each(call, range(3))
