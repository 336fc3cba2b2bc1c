"""Exit codes, as in Marathon's docs/exit-codes.md: it crashes, and its supervisor starts it again."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    ZOOKEEPER_CONNECTION_FAILURE = 100
    ZOOKEEPER_CONNECTION_LOST = 101
    LEADERSHIP_LOSS = 103
    LEADERSHIP_ENDED_FAULTY = 104
    LEADERSHIP_ENDED_GRACEFULLY = 105
    MESOS_SCHEDULER_ERROR = 106
    UNCAUGHT_EXCEPTION = 107
    FRAMEWORK_ID_MISSING = 108
    FRAMEWORK_HAS_BEEN_REMOVED = 110
    BINDING_ERROR = 111
    INVALID_COMMAND_LINE_FLAG = 112
    SIGTERM = 143  # what a JVM exits with on SIGTERM


class Crash(Exception):
    """The process must end with ``code``; ``message`` says why."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
