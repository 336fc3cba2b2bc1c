"""Seconds until `clusterctl --help` has answered: the whole process, several runs after a warm-up. Prints Markdown."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 15
PROGRAM = Path(sys.executable).parent / "clusterctl"


def once() -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    subprocess.run([PROGRAM, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """See the module."""
    once()
    seconds = [once() for _ in range(RUNS)]
    print(f"| command | median of {RUNS} | min | max | load |\n|---|---|---|---|---|")
    median, load = statistics.median(seconds), os.getloadavg()[0]
    print(f"| `clusterctl --help` | {median:.2f} s | {min(seconds):.2f} s | {max(seconds):.2f} s | {load:.1f} |")


if __name__ == "__main__":
    main()
