"""What ``repair`` finds, and what each finding needs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Remedy(StrEnum):
    """What ``repair`` does about it."""

    START = "start the server"
    REPLACE = "replace the server"
    MAKE = "make it"
    DELETE_SERVER = "delete the server"
    DELETE_PORT = "delete the port"
    DELETE_SERVER_GROUP = "delete the server group"
    DELETE_SECURITY_GROUP = "delete the security group"
    DELETE_RULE = "delete the rule"
    SHUT = "shut what the file leaves closed"
    MARK_GONE = "tell the masters that the agent is gone"
    REACTIVATE = "put the agent back in service"
    RESTART = "restart the service"
    FRESH_DATA = "a fresh data directory"
    WAIT = "wait until that is over, then look again"
    NONE = "a person's decision"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        subject: name of a node, or of the resource.
        found: what was seen.
        id: of the resource (or agent) that the remedy is for; the name of the service that is to be restarted.
        advice: what a person can do, where ``repair`` does nothing by itself.
    """

    subject: str
    found: str
    remedy: Remedy
    id: str = ""
    advice: str = ""

    @property
    def line(self) -> str:
        """For a person: one line."""
        return f"{self.subject}: {self.found}; {self.advice or f'needed: {self.remedy}'}"

    def to_json(self) -> dict[str, Any]:
        """``{"subject", "found", "remedy", "id", "advice"}``; ``remedy`` is null where a person must judge."""
        return {**vars(self), "remedy": None if self.remedy is Remedy.NONE else self.remedy.name.lower()}
