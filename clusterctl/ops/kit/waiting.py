"""Waiting for a condition: the only place of the program that sleeps. Clock and sleep are injected by tests."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from clusterctl.errors import ClusterctlError

# Longest pause that a slow look earns, in seconds
_LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True)
class Waiter:
    """Polls conditions.

    Attributes:
        clock: monotonic seconds.
        sleep: takes seconds.
        note: told what is waited for, each time that it isn't there yet.
        left: seconds that a wait which begins now may take: what the operator allows by ``--timeout``.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    note: Callable[[str], None] = lambda _text: None
    left: Callable[[], float] = lambda: math.inf

    def together(self, seconds: float) -> Waiter:
        """One whose waits take so many seconds altogether, from now on."""
        end = self.clock() + seconds
        return replace(self, left=lambda: max(0.0, end - self.clock()))

    def until(
        self,
        condition: Callable[[], bool],
        *,
        what: str,
        timeout_s: float,
        every_s: float = 2.0,
        hint: str | None = None,
        told: Callable[[], str] = lambda: "",
    ) -> None:
        """Returns as soon as ``condition()`` is true.

        It rests between two looks, see ``rest``.

        Args:
            timeout_s: the operator's bound (``left``) may be shorter.
            told: what is still missing.

        Raises:
            ClusterctlError: it wasn't true in time; whatever the condition raises passes through.
        """
        began = self.clock()
        within_s = min(timeout_s, self.left())
        deadline = began + within_s
        while not condition():
            missing = f"{what}: {found}" if (found := told()) else what
            if self.clock() >= deadline:
                raise ClusterctlError(f"timed out after {round(within_s, 1):g} s waiting for {missing}", hint=hint)
            self.note(f"waiting for {missing}")
            self.rest(began, every_s)
            began = self.clock()

    def rest(self, began: float, at_least_s: float) -> None:
        """Sleeps as long as the look that began at ``began`` took, within limits.

        Nodes that answer slowly must not be kept busy by being asked.
        """
        self.sleep(max(at_least_s, min(self.clock() - began, _LONGEST_PAUSE_S)))
