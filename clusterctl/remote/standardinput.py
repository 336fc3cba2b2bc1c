"""Scripts of ours that run on a node with their request on standard input.

A process list shows argv to everybody on the node, so nothing of a request is ever there. The script comes first on
standard input, then one line of JSON, then whatever the script reads itself (an archive).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

# Reads scripts from standard input: those that the last one imports become modules, the last one is the program
_LOADER = """\
import sys, types
given = sys.stdin.buffer
for name, size in {modules!r}:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(given.read(size), name, 'exec'), module.__dict__)
exec(compile(given.read({size}), {name!r}, 'exec'))
"""


@dataclass(frozen=True)
class Sent:
    """What ssh is given: the words of the command, and the beginning of its standard input."""

    command: list[str]
    stdin: bytes


def sent(script: str, request: Mapping[str, Any], *, root: bool = False, modules: Sequence[str] = ()) -> Sent:
    """A script of this package with its request.

    Args:
        script: its file name.
        root: through sudo, which must not ask for a password.
        modules: names of scripts of this package that it imports.
    """
    package = files("clusterctl.remote")
    texts = {name: package.joinpath(f"{name}.py").read_bytes() for name in modules}
    text = package.joinpath(script).read_bytes()
    sizes = [(name, len(each)) for name, each in texts.items()]
    words = ["python3", "-I", "-S", "-c", _LOADER.format(modules=sizes, size=len(text), name=script)]
    stdin = b"".join([*texts.values(), text, json.dumps(request).encode(), b"\n"])
    return Sent([*(["sudo", "-n"] if root else []), *words], stdin)
