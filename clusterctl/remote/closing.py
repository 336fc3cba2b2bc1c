"""Runs on a node, as root: how far it is on the way to a closed cluster. Standard library only.

Reads one line of JSON from standard input, ``{"files": [PATH...], "secrets": DIRECTORY, "pending": PROGRAM}``, and
prints ``{"texts": {PATH: text or null}, "secrets": bool, "pending": [UNIT...]}``. The program is ``config-digest``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """See the module."""
    request = json.loads(sys.stdin.buffer.readline())
    program, secrets = Path(request["pending"]), Path(request["secrets"])
    units: list[str] = []
    if program.exists():
        told = subprocess.run([program, "pending"], check=True, stdout=subprocess.PIPE, text=True)
        units = told.stdout.split()
    answer = {
        "texts": {path: content(Path(path)) for path in request["files"]},
        "secrets": secrets.is_dir() and any(each.is_file() for each in secrets.rglob("*")),
        "pending": units,
    }
    sys.stdout.write(json.dumps(answer) + "\n")


def content(path: Path) -> str | None:
    """None if there is no such file; other errors end the script."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    main()
