"""Printing: progress and errors go to standard error, answers to standard output.

A terminal gets a live line (rich), anything else plain lines, one an event.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.progress import Reporter

_WIDTH_OF_NO_TERMINAL = 1000


class PlainReporter:
    """Progress as plain lines; a note that says the same as the last one is left out."""

    def __init__(self) -> None:
        self._last = ""

    def started(self, phase: str) -> None:
        """See ``Reporter``."""
        self._last = ""
        _err(f"{phase} ...")

    def note(self, text: str) -> None:
        """See ``Reporter``."""
        if text != self._last:
            self._last = text
            _err(f"  {text}")

    def finished(self, phase: str, seconds: float) -> None:
        """See ``Reporter``."""
        _err(f"{phase}: done in {seconds:.1f} s")


class TerminalReporter:
    """Progress as one live line per phase."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415  (0.1 s that `--help` needn't pay)

        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("")
        self._phase = ""

    def started(self, phase: str) -> None:
        """See ``Reporter``."""
        self._phase = phase
        self._status.update(f"[bold]{phase}[/bold]")
        self._status.start()

    def note(self, text: str) -> None:
        """See ``Reporter``."""
        from rich.markup import escape  # noqa: PLC0415

        self._status.update(f"[bold]{self._phase}[/bold]  {escape(text)}")

    def finished(self, phase: str, seconds: float) -> None:
        """See ``Reporter``."""
        self._status.stop()
        self._console.print(f"[green]✓[/green] {phase} [dim]{seconds:.1f} s[/dim]")

    def close(self) -> None:
        """Takes the live line away, so that an error stands alone."""
        self._status.stop()


def reporter() -> Reporter:
    """The reporter that fits standard error."""
    return TerminalReporter() if sys.stderr.isatty() else PlainReporter()


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON document, in one line unless a person reads it."""
    sys.stdout.write(json.dumps(value, indent=2 if sys.stdout.isatty() else None) + "\n")


def print_line(text: str = "") -> None:
    """One line of an answer."""
    sys.stdout.write(text + "\n")


def print_rich(renderable: object) -> None:
    """A table or text of rich's as an answer; in a pipe or file a row is a line, however long."""
    from rich.console import Console  # noqa: PLC0415

    width = None if sys.stdout.isatty() else _WIDTH_OF_NO_TERMINAL
    Console(highlight=False, width=width).print(renderable)


def print_error(error: ClusterctlError) -> None:
    """The message, then the hint."""
    _err(f"clusterctl: {error.message}")
    if error.hint:
        _err(f"  -> {error.hint}")


def _err(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
