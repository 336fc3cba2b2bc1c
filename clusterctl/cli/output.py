"""Printing: progress and errors go to standard error, answers to standard output.

A terminal gets a live line (rich), anything else plain lines, one an event. Nothing reaches either raw (``cli.plain``);
the other modules of ``cli`` print and ask only through this one.
"""

from __future__ import annotations

import errno
import json
import logging
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

import typer

from clusterctl.cli.plain import Plain, plain, plain_line
from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.progress import Reporter

if TYPE_CHECKING:
    from rich.console import RenderableType

_WIDTH_OF_NO_TERMINAL = 1000
_given = [Command("")]  # the command that runs


def name_commands(command: Command) -> None:
    """From now on the commands that messages name have the file and the cloud of ``command``."""
    _given[0] = command


def filled(value: Any) -> Any:
    """Text, or a document's texts, with commands that can be pasted; tables do it themselves."""
    if isinstance(value, str):
        return _given[0].filled(value)
    if isinstance(value, Mapping):
        return {key: filled(each) for key, each in value.items()}
    return [filled(each) for each in value] if isinstance(value, (list, tuple)) else value


class PlainReporter:
    """Progress as plain lines; a note that says the same as the last one is left out."""

    def __init__(self) -> None:
        self._last = ""

    def started(self, phase: str) -> None:
        """See ``Reporter``."""
        self._last = ""
        print_note(f"{phase} ...")

    def note(self, text: str) -> None:
        """See ``Reporter``."""
        if text != self._last:
            self._last = text
            print_note(f"  {text}")

    def finished(self, phase: str, seconds: float) -> None:
        """See ``Reporter``."""
        print_note(f"{phase}: done in {seconds:.1f} s")


class TerminalReporter:
    """Progress as one live line per phase."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("")
        self._phase = ""

    def started(self, phase: str) -> None:
        """See ``Reporter``."""
        self._phase = phase
        self._show()
        self._status.start()

    def note(self, text: str) -> None:
        """See ``Reporter``."""
        self._show(text)

    def finished(self, phase: str, seconds: float) -> None:
        """See ``Reporter``."""
        self._status.stop()
        from rich.text import Text

        done = Text.assemble(("✓", "green"), f" {plain_line(phase)} ", (f"{seconds:.1f} s", "dim"))
        self._console.print(done)

    def close(self) -> None:
        """Takes the live line away, so that an error stands alone."""
        self._status.stop()

    def _show(self, text: str = "") -> None:
        from rich.text import Text

        self._status.update(Text.assemble((plain_line(self._phase), "bold"), f"  {plain_line(text)}"))


def reporter() -> Reporter:
    """The reporter that fits standard error."""
    return TerminalReporter() if sys.stderr.isatty() else PlainReporter()


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON document, in one line unless a person reads it."""
    sys.stdout.write(json.dumps(filled(value), indent=2 if sys.stdout.isatty() else None) + "\n")


def print_line(text: str = "") -> None:
    """One line of an answer."""
    sys.stdout.write(plain_line(filled(text)) + "\n")


def print_text(text: str) -> None:
    """Lines of an answer, also somebody else's."""
    sys.stdout.write(plain(text) + "\n")


def print_rich(renderable: RenderableType) -> None:
    """A table or text of rich's as an answer; in a pipe or file a row is a line, however long."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH_OF_NO_TERMINAL
    # no markup: names in brackets are names
    Console(highlight=False, markup=False, emoji=False, width=width).print(Plain(renderable))


def print_error(error: ClusterctlError) -> None:
    """The message, then the hint."""
    _err(f"clusterctl: {error.message}")
    if error.hint:
        _err(f"  -> {error.hint}")


def print_note(text: str) -> None:
    """One line beside the answer, on standard error."""
    _err(plain_line(text))


def no_space_here(error: OSError) -> ClusterctlError | None:
    """The error where this machine's own disk is full; None for others."""
    nowhere = error.errno == errno.ENOENT and "No usable temporary directory" in str(error)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT) and not nowhere:
        return None
    from clusterctl.health.disks import ROOM_HERE

    at = f" at {error.filename}" if error.filename else ""
    return ClusterctlError(f"no space on this machine{at}: {error.strerror or error}", hint=ROOM_HERE)


def print_bug() -> None:
    """The error at hand, which is none of ours, with its traceback."""
    _err("clusterctl: internal error, a bug in clusterctl; please report it with these lines:")
    _err(traceback.format_exc().rstrip())


class LogHandler(logging.Handler):
    """What libraries log and nobody else handles (``logging.lastResort``)."""

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        _err(self.format(record))


def relay(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs a program that prints what others wrote, line by line through here; its exit status.

    It ends with this process.
    """
    from clusterctl.ansible.playbook import kept

    with subprocess.Popen(
        kept(command), env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None  # noqa: S101  (PIPE above)
        assert process.stderr is not None  # noqa: S101
        beside = threading.Thread(target=_copy, args=(process.stderr, sys.stderr))
        beside.start()
        _copy(process.stdout, sys.stdout)
        beside.join()
    return process.returncode


def _copy(source: IO[str], to: IO[str]) -> None:
    for line in source:
        to.write(plain(line))
        to.flush()


def ask(question: str) -> str:
    """What the user answers, asked on standard error; nothing is an empty text."""
    return str(typer.prompt(plain(question), default="", show_default=False, err=True))


def agrees(question: str) -> bool:
    """Whether the user says yes, asked on standard error."""
    return typer.confirm(plain_line(question), default=False, err=True)


def _err(text: str) -> None:
    sys.stderr.write(plain(filled(text)) + "\n")
    sys.stderr.flush()
