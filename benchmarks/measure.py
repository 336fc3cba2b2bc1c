"""What the benchmarks share: programs run and measured, tables printed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """A program that ended well."""

    seconds: float
    cpu_seconds: float  # of the program itself, user and system
    rss_mib: float  # most memory that it ever held
    output: str


def run(arguments: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Measured:
    """Runs a program to its end.

    Raises:
        RuntimeError: its exit code isn't 0.
    """
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(
            arguments, stdout=output, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)  # Popen mustn't wait for it again
        output.seek(0)
        text = output.read().decode()
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))} ended with {process.returncode}:\n{text}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def load() -> str:
    """The machine's load over the last minute, for a table."""
    return f"{os.getloadavg()[0]:.1f}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |".replace("| --- ", "|---") for line in lines)


def say(text: str) -> None:
    """Progress, to standard error."""
    print(text, file=sys.stderr, flush=True)
