"""Scripts of ours that run on a node with their request on standard input.

A process list shows argv to everybody on the node, so nothing of a request is ever there. The script comes first on
standard input, then one line of JSON, then whatever the script reads itself (an archive).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

_LOADER = "import sys; exec(compile(sys.stdin.buffer.read({size}), {name!r}, 'exec'))"


@dataclass(frozen=True)
class Sent:
    """What ssh is given: the words of the command, and the beginning of its standard input."""

    command: list[str]
    stdin: bytes


def sent(script: str, request: Mapping[str, Any], *, root: bool = False) -> Sent:
    """A script of this package with its request.

    Args:
        script: its file name.
        root: through sudo, which must not ask for a password.
    """
    text = files("clusterctl.remote").joinpath(script).read_bytes()
    words = ["python3", "-I", "-S", "-c", _LOADER.format(size=len(text), name=script)]
    return Sent([*(["sudo", "-n"] if root else []), *words], text + json.dumps(request).encode() + b"\n")
