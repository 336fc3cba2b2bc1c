"""How a long operation tells what it does: phases with their seconds, and short notes within them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Reporter(Protocol):
    """Where progress goes; ``cli.output`` has one for terminals and one for plain lines."""

    def started(self, phase: str) -> None:
        """A phase begins."""

    def note(self, text: str) -> None:
        """The state of the running phase, for example ``3 of 5 servers active``; may be repeated."""

    def finished(self, phase: str, seconds: float) -> None:
        """The phase ended well."""


class Silent:
    """A reporter that says nothing."""

    def started(self, phase: str) -> None: ...

    def note(self, text: str) -> None: ...

    def finished(self, phase: str, seconds: float) -> None: ...


class Progress:
    """Measures phases and passes them on.

    ``seconds`` maps each finished phase to its duration; a phase entered twice adds up.
    """

    def __init__(self, reporter: Reporter | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._reporter = reporter or Silent()
        self._clock = clock
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Runs the body as the phase ``name``."""
        start = self._clock()
        self._reporter.started(name)
        yield
        elapsed = self._clock() - start
        self.seconds[name] = round(self.seconds.get(name, 0.0) + elapsed, 2)
        self._reporter.finished(name, elapsed)

    def note(self, text: str) -> None:
        """See ``Reporter.note``."""
        self._reporter.note(text)
