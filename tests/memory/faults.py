"""Faults to be injected into the cloud in memory: a call that fails, or a process that dies before or after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

When = Literal["before", "after"]

# (number of the call, 1-based; its kind, e.g. "POST /servers"; when) -> what to raise, or None
FaultSource = Callable[[int, str, When], BaseException | None]


@dataclass
class Fault:
    """Raises ``error`` at calls that match; a ``SystemExit`` stands for a process killed at that point.

    Args:
        error: a ``CloudError``, or any BaseException.
        call: number of the call, counted from the last ``reset_calls``; None for every call of that kind.
        kind: shell pattern on the kind, e.g. ``"POST /servers"`` or ``"DELETE *"``.
        when: before the cloud has done it, or after (the answer was lost).
        times: how often at most; None for ever.
    """

    error: BaseException
    call: int | None = None
    kind: str = "*"
    when: When = "before"
    times: int | None = 1

    def __call__(self, number: int, kind: str, when: When) -> BaseException | None:
        matches = when == self.when and self.call in (None, number) and fnmatchcase(kind, self.kind)
        if not matches or self.times == 0:
            return None
        if self.times is not None:
            self.times -= 1
        return self.error
