"""Pure: which lines of Marathon's log speak against a version that has just taken over.

Marathon's guide asks for a log without errors. Some lines of level ERROR are written whoever is to blame for them, so
they say nothing of the version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# [time] LEVEL message (logger:thread), as in Marathon's logback.xml. TASK_ERROR in a message and the ZOO_ERROR lines of
# libmesos are not levels.
_LINE = re.compile(r"\[[^\]]*\] (?:ERROR|FATAL)\s.*?(?:\((?P<logger>[\w.$]+):[^:]*\))?\s*$")

HARMLESS = frozenset(
    {
        # every answer of 409 or 422, and changes of an app that is not there: clients' mistakes
        "mesosphere.marathon.api.MarathonExceptionMapper",
        # requests that were passed on to the old leader while that went
        "mesosphere.marathon.api.forwarder.AsyncUrlConnectionRequestForwarder",
    }
)


def serious(lines: Iterable[str]) -> list[str]:
    """The lines of level ERROR or FATAL that may mean something, in order."""
    found = ((line, _LINE.match(line)) for line in lines)
    return [line for line, match in found if match and match["logger"] not in HARMLESS]
