"""Waiting: until the condition holds, with pauses that spare what is asked."""

from __future__ import annotations

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.waiting import Waiter


class Slow:
    """A condition that takes ``took_s`` a look and holds at the last of ``looks``; time passes in it and in pauses."""

    def __init__(self, took_s: float, looks: int) -> None:
        self.took_s, self.left = took_s, looks
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> bool:
        self.now += self.took_s
        self.left -= 1
        return self.left == 0

    def wait(self, timeout_s: float = 1000) -> None:
        def sleep(seconds: float) -> None:
            self.pauses.append(seconds)
            self.now += seconds

        Waiter(clock=lambda: self.now, sleep=sleep).until(self, what="it", timeout_s=timeout_s, every_s=2)


@pytest.mark.parametrize(("took_s", "pause_s"), [(0.1, 2), (2, 2), (7, 7), (60, 10)])
def test_a_pause_is_as_long_as_a_look_within_limits(took_s: float, pause_s: float) -> None:
    slow = Slow(took_s, looks=3)
    slow.wait()
    assert slow.pauses == [pause_s, pause_s]


def test_waiting_in_vain_is_an_error() -> None:
    with pytest.raises(ClusterctlError, match="timed out after 5 s waiting for it"):
        Slow(1, looks=100).wait(timeout_s=5)


def test_waits_together_share_their_time() -> None:
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    shared = Waiter(clock=lambda: now[0], sleep=sleep).together(20)
    began = now[0]
    shared.until(lambda: now[0] >= began + 15, what="the first", timeout_s=600, every_s=5)
    with pytest.raises(ClusterctlError, match="timed out after 5 s waiting for the second"):
        shared.until(lambda: False, what="the second", timeout_s=600, every_s=5)
    assert now == [120]
