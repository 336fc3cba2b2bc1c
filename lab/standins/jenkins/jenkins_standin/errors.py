"""What goes wrong, by what it means for the process."""

from __future__ import annotations


class Usage(Exception):
    """The command line or a system property is wrong: the process ends with 1, before it listens."""


class BootFailure(Exception):
    """Jenkins would not come up: the process lives, every page answers 503 (hudson.util.BootFailure)."""


class PluginError(Exception):
    """The Mesos plugin would throw here (a NullPointerException, an IllegalArgumentException)."""


class Fatal(Exception):
    """The process would be ended by a library (libprocess) at this point."""


class Refused(Exception):
    """A request that is answered with an error.

    Args:
        status: HTTP status
        message: for the client; goes to the header X-Error with 400
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
