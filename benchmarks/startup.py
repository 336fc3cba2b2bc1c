"""CPU and seconds of commands whose time is their own start; each a process, in turn, after a warm-up. Prints Markdown.

usage: startup.py [--runs N] [--agents N] [--than REVISION]

``clusterctl --help``, ``validate`` and ``inventory``, the last against a simulated API that answers at once. With
``--than`` the same commands of another revision of this repository run in turn with ours, and the ratio is told.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import Measured, load, markdown, run
from scale import invented, prepare
from simulated import SimulatedCloud

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def tree(revision: str | None) -> Iterator[Path]:
    """The files of a revision; ours for None."""
    if revision is None:
        yield ROOT
        return
    with tempfile.TemporaryDirectory() as name:
        packed = subprocess.run(["git", "archive", revision], check=True, cwd=ROOT, stdout=subprocess.PIPE).stdout
        subprocess.run(["tar", "-x", "-C", name], check=True, input=packed)
        yield Path(name)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--agents", type=int, default=49, help="of the inventory, beside one control node")
    parser.add_argument("--than", metavar="REVISION")
    arguments = parser.parse_args()
    with (
        tree(arguments.than) as other,
        SimulatedCloud(invented(arguments.agents)) as cloud,
        tempfile.TemporaryDirectory() as name,
    ):
        file, environment = prepare(Path(name), cloud)
        sides = {"ours": ROOT} | ({arguments.than: other} if arguments.than else {})
        commands = (["--help"], ["validate", ROOT / "examples" / "demo.yml"], ["inventory", file])
        measured: dict[tuple[int, str], list[Measured]] = {}
        for number in range(arguments.runs + 1):
            for index, words in enumerate(commands):
                for side, where in sides.items():
                    # the environment's Python with the tree's package, not with the one that is installed there
                    paths = {"PYTHONPATH": str(where), "PYTHONSAFEPATH": "1"}
                    once = run([sys.executable, "-m", "clusterctl", *words], environment | paths)
                    if number:
                        measured.setdefault((index, side), []).append(once)
    header = ["command", "of", f"CPU, median of {arguments.runs}", "least", "most", "seconds, median", "CPU by ours"]
    rows = []
    for (index, side), each in measured.items():
        cpu = [one.cpu_seconds for one in each]
        ours = statistics.median(one.cpu_seconds for one in measured[index, "ours"])
        rows.append(
            [
                f"`clusterctl {commands[index][0]}`",
                side,
                f"{statistics.median(cpu):.2f} s",
                f"{min(cpu):.2f} s",
                f"{max(cpu):.2f} s",
                f"{statistics.median(one.seconds for one in each):.2f} s",
                f"{statistics.median(cpu) / ours:.2f}",
            ]
        )
    print(markdown(header, rows))
    print(f"\nload {load()} at the end, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
