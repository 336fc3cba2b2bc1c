"""Which Jenkins this stands in for."""

from __future__ import annotations

import json
from pathlib import Path

DEFAULT_VERSION = "2.319.3"  # the last LTS line that starts with plugin 0.16 and 1.0.0


def load(directory: Path = Path(__file__).parent) -> str:
    """Return the version that BUILD.json beside the package says; a source tree has none."""
    path = directory / "BUILD.json"
    return str(json.loads(path.read_text())["version"]) if path.exists() else DEFAULT_VERSION


def banner(version: str) -> str:
    """Return what the log and the pages call this program."""
    return f"Jenkins {version} stand-in (not Jenkins, see its README.md)"


def numbers(version: str) -> tuple[int, ...]:
    """Return "2.319.3" as (2, 319, 3), to compare. A part that does not begin with a digit counts as 0."""
    parts = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        parts.append(int(digits or 0))
    return tuple(parts)
