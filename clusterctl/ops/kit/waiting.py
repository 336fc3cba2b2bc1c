"""Waiting for a condition: the only place of the program that sleeps. Clock and sleep are injected by tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from clusterctl.errors import ClusterctlError

# Longest pause that a slow look earns, in seconds
_LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True)
class Waiter:
    """Polls conditions.

    Attributes:
        clock: monotonic seconds.
        sleep: takes seconds.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

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
            told: what was still missing, for the message when the time is up.

        Raises:
            ClusterctlError: it wasn't true within ``timeout_s``; whatever the condition raises passes through.
        """
        began = self.clock()
        deadline = began + timeout_s
        while not condition():
            if self.clock() >= deadline:
                last = f": {found}" if (found := told()) else ""
                raise ClusterctlError(f"timed out after {timeout_s:g} s waiting for {what}{last}", hint=hint)
            self.rest(began, every_s)
            began = self.clock()

    def rest(self, began: float, at_least_s: float) -> None:
        """Sleeps as long as the look that began at ``began`` took, within limits.

        Nodes that answer slowly must not be kept busy by being asked.
        """
        self.sleep(max(at_least_s, min(self.clock() - began, _LONGEST_PAUSE_S)))
