"""Runs on a node, as root: reads the cluster's key, and the epochs of its secrets. Standard library only.

Reads one line of JSON from standard input, ``{"key": PATH, "epochs": PATH, "boot": PATH}``, and prints ``{"key": text
or null, "epochs": text or null, "boot": state or null}``: what the files hold, and how far the node's first boot got
(null: it has said nothing yet).
With ``"paths": [PATH, ...]`` the key is not told, but ``"there"``, those of the paths that exist, and ``"texts"``, what
is in each of the request's ``"files": [PATH, ...]`` (null: no such file).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    """See the module."""
    request = json.loads(sys.stdin.buffer.readline())
    boot = content(Path(request["boot"]))
    answer: dict[str, object] = {"boot": json.loads(boot)["state"] if boot is not None else None}
    if "paths" in request:
        answer["there"] = [path for path in request["paths"] if Path(path).exists()]
        answer["texts"] = {path: content(Path(path)) for path in request.get("files", ())}
    else:
        answer |= {name: content(Path(request[name])) for name in ("key", "epochs")}
    sys.stdout.write(json.dumps(answer) + "\n")


def content(path: Path) -> str | None:
    """None if there is no such file; other errors end the script."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    main()
