"""Creating exactly once over an API that may do its work and lose the answer.

A POST that timed out, whose connection broke, or that was answered by 5xx may or may not have been done. Every
resource carries its mark from the create call on, so the mark is looked for, and only what is missing is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from clusterctl.cloud.sdk_errors import UncertainError

T = TypeVar("T")


@dataclass(frozen=True)
class Recovery:
    """How to create when answers get lost.

    Args:
        attempts: create calls at most.
        looks_s: pauses before each look after an uncertain answer. More than one look, since the cloud may still be
            at work on the request that it didn't answer; and as long as a look finds more than the one before, the
            looks begin anew.
    """

    attempts: int = 3
    looks_s: tuple[float, ...] = (1.0, 3.0, 6.0)
    sleep: Callable[[float], None] = time.sleep

    def create(
        self,
        wanted: Sequence[str],
        create: Callable[[Sequence[str]], Mapping[str, T]],
        find: Callable[[], Mapping[str, T]],
    ) -> dict[str, T]:
        """Creates what is ``wanted``, by name.

        Args:
            create: makes those names in one call; called again only with names that ``find`` didn't find.
            find: what exists of the wanted, by name; called only after an uncertain answer.

        Raises:
            UncertainError: every attempt ended so; what exists carries its mark.
            CloudError: from ``create`` or ``find``.
        """
        done: dict[str, T] = {}
        missing = list(wanted)
        for attempt in range(1, self.attempts + 1):
            try:
                done.update(create(missing))
            except UncertainError:
                done.update(self._look(missing, find))
                missing = [name for name in missing if name not in done]
                if not missing:
                    return done
                if attempt == self.attempts:
                    raise
            else:
                return done
        raise AssertionError("unreachable")

    def _look(self, names: Sequence[str], find: Callable[[], Mapping[str, T]]) -> dict[str, T]:
        found: dict[str, T] = {}
        pauses = list(self.looks_s)
        while pauses and len(found) < len(names):
            self.sleep(pauses.pop(0))
            before = len(found)
            found = {name: item for name, item in find().items() if name in names}
            if len(found) > before:
                pauses = list(self.looks_s)
        return found

    def repeat(self, action: Callable[[], T]) -> T:
        """Does what may be done twice, again after every uncertain answer.

        Raises:
            UncertainError: every attempt ended so.
            CloudError: from ``action``.
        """
        for pause in self.looks_s[: self.attempts - 1]:
            try:
                return action()
            except UncertainError:
                self.sleep(pause)
        return action()
