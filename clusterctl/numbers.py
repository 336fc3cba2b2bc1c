"""Version numbers of artifacts and of Java, compared by their leading numbers."""

from __future__ import annotations

import re

Number = tuple[int, ...]


def number(text: str) -> Number:
    """``"2.319.3"`` -> ``(2, 319, 3)``; what follows the leading numbers is left out; () if there are none."""
    found = re.match(r"\d+(\.\d+)*", text.strip())
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def at_least(found: str, wanted: str) -> bool:
    """Whether ``found`` is ``wanted`` or newer; ``1.0`` and ``1`` are the same."""
    return _padded(number(found)) >= _padded(number(wanted))


def java_major(version: str) -> int | None:
    """``11.0.21`` -> 11, ``1.8.0_392`` and ``8u392`` -> 8; None if it is not a version."""
    parts = number(version)
    if not parts:
        return None
    return parts[1] if parts[0] == 1 and len(parts) > 1 else parts[0]


def java_of_package(package: str) -> int | None:
    """``openjdk-17-jre-headless`` -> 17; None if the name holds no number (``default-jre``)."""
    found = re.search(r"-(\d+)-", f"{package}-")
    return int(found.group(1)) if found else None


def _padded(parts: Number) -> Number:
    trimmed = list(parts)
    while trimmed and trimmed[-1] == 0:
        trimmed.pop()
    return tuple(trimmed)
