"""How long this process takes for what takes a JVM and a large state their time; set by environment variables.

STANDIN_START_S      seconds from the start of the program until it listens and joins the election
STANDIN_MIGRATION_S  seconds that each migration of the state takes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LIMIT_S = 3600.0


@dataclass(frozen=True)
class Manners:
    """Seconds. The defaults are those of a small machine: loading Marathon's classes and starting its services takes
    a JVM about as long, and a migration rewrites each instance."""

    start_s: float = 8.0
    migration_s: float = 1.0


def from_environment(environ: Mapping[str, str]) -> Manners:
    """Return what the STANDIN_* variables ask for. Raises ValueError with the variable and what is allowed."""
    return Manners(
        start_s=_seconds(environ, "STANDIN_START_S", Manners.start_s),
        migration_s=_seconds(environ, "STANDIN_MIGRATION_S", Manners.migration_s),
    )


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LIMIT_S:
        raise ValueError(f"{name} allows seconds from 0 to {LIMIT_S:g}, got {text!r}")
    return seconds
