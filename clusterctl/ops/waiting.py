"""Waiting for a condition: the only place of the program that sleeps. Clock and sleep are injected by tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from clusterctl.errors import ClusterctlError


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
    ) -> None:
        """Returns as soon as ``condition()`` is true.

        Raises:
            ClusterctlError: it wasn't true within ``timeout_s``; whatever the condition raises passes through.
        """
        deadline = self.clock() + timeout_s
        while not condition():
            if self.clock() >= deadline:
                raise ClusterctlError(f"waited {timeout_s:g} s for {what} in vain", hint=hint)
            self.sleep(every_s)
