"""What the benchmarks share: programs run and measured, rows of figures told, tables printed."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusterctl.load.percentiles import percentile

ROOT = Path(__file__).resolve().parent.parent
# Ansible as somebody who knows it sets it up
TUNED = """\
[defaults]
roles_path = {roles}
forks = 50
gathering = explicit
host_key_checking = false
interpreter_python = /usr/bin/python3
[ssh_connection]
pipelining = true
ssh_args = -o ControlMaster=auto -o ControlPersist=120s -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no
control_path_dir = {directory}/cp
"""

# What pip installs is compiled: programs that compile their modules at each start are slower than those that users have
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@dataclass(frozen=True)
class Measured:
    """A program that ended well."""

    seconds: float
    cpu_seconds: float  # of the program itself, user and system
    rss_mib: float  # most memory that it ever held, or this process when it began it: Linux counts from before exec
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


def tuned_ansible(directory: Path) -> Path:
    """An ansible.cfg with pipelining, 50 forks and no gathering of facts; its connections are its own."""
    (path := directory / "tuned.cfg").write_text(TUNED.format(roles=ROOT / "roles", directory=directory))
    return path


def in_sequence(spans: Iterable[tuple[float, float]]) -> int:
    """The most of them of which each began when the one before had ended: round trips, where spans are calls.

    Args:
        spans: when each began and ended.
    """
    count, last = 0, -math.inf
    for began, ended in sorted(spans, key=lambda span: span[1]):
        if began >= last:
            count, last = count + 1, ended
    return count


def away(*gauges: Mapping[str, Any]) -> float | None:
    """Seconds from the last moment at which all of them were good to the first at which all were so again.

    Args:
        gauges: of one watcher (``tests/e2e/watcher.py``): ``left`` and ``back``, and ``longest_gap_s``, since an answer
            that comes late is a gap without a bad one.

    Returns:
        None: one of them is not good yet.
    """
    bad = [gauge for gauge in gauges if gauge["left"] is not None]
    if any(gauge["back"] is None for gauge in bad):
        return None
    between = max(gauge["back"] for gauge in bad) - min(gauge["left"] for gauge in bad) if bad else 0.0
    return max(between, *(float(gauge["longest_gap_s"]) for gauge in gauges))


def told(seconds: Sequence[float], digits: int = 1) -> list[str]:
    """Cells for median, 95th percentile (nearest rank) and most; empty ones where nothing was measured."""
    if not seconds:
        return ["", "", ""]
    found = (statistics.median(seconds), percentile(seconds, 0.95), max(seconds))
    return [f"{each:.{digits}f} s" for each in found]


def spread(seconds: Sequence[float]) -> str:
    """A cell: the median, and between what the figures are where there are several."""
    median = f"{statistics.median(seconds):.1f} s"
    return median if len(seconds) == 1 else f"{median} ({min(seconds):.1f} to {max(seconds):.1f})"


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
