"""Runs on a control node, as root: reads the cluster's key. Standard library only.

Reads one line of JSON from standard input, ``{"key": PATH, "boot": PATH}``, and prints ``{"key": text or null, "boot":
state or null}``: what the file of the key holds, and how far the node's first boot got (null: it has said nothing yet).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    """See the module."""
    request = json.loads(sys.stdin.buffer.readline())
    key, boot = (content(Path(request[name])) for name in ("key", "boot"))
    state = json.loads(boot)["state"] if boot is not None else None
    sys.stdout.write(json.dumps({"key": key, "boot": state}) + "\n")


def content(path: Path) -> str | None:
    """None if there is no such file; other errors end the script."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    main()
