"""The levels of loggers in the file that ``-Dlogback.configurationFile=`` in JAVA_OPTS names (logback's manual).

Of the file only ``<logger name="..." level="..."/>`` counts here; where and how is logged stays as it is.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

_OPTION = "-Dlogback.configurationFile="
_LEVELS = ("off", "error", "warn", "info", "debug", "trace", "all")


def levels(java_opts: str) -> dict[str, str]:
    """Return the levels by logger, in lower case. Raises OSError or ValueError if the file can't be read as one."""
    named = [word.removeprefix(_OPTION) for word in java_opts.split() if word.startswith(_OPTION)]
    if not named:
        return {}
    path = Path(named[-1])
    try:
        root = ET.fromstring(path.read_text())
    except ET.ParseError as exc:
        raise ValueError(f"{path}: {exc}") from exc
    found = {}
    for logger in root.iter("logger"):
        level = logger.get("level", "").lower()
        if level not in _LEVELS:
            raise ValueError(f"{path}: level {level!r} of {logger.get('name')}; allowed: {', '.join(_LEVELS)}")
        found[logger.get("name", "")] = level
    return found
