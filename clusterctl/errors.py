"""The errors that clusterctl raises on purpose.

The library raises, only ``cli.app`` prints and exits. Every error carries what a user needs to go on: a message (what
happened, with names), a hint (what to do next) and the exit code of the command. Anything else that reaches the
boundary is a bug of ours and is shown as one.
"""

from __future__ import annotations


class ClusterctlError(Exception):
    """Root of all expected failures.

    Args:
        message: what happened, naming the thing it happened to.
        hint: what the user can do now; usually a command.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(ClusterctlError):
    """The cluster file, an option or an argument is wrong; nothing was touched (exit code 2)."""

    exit_code = 2


class CloudError(ClusterctlError):
    """An OpenStack call failed for good.

    ``request_id`` is the cloud's correlation id (``x-openstack-request-id``), to be given to its operators.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.request_id = request_id


class NodeError(ClusterctlError):
    """A node failed: its build, its cloud-init run, or a command on it."""


class UnhealthyError(ClusterctlError):
    """The cluster was reached and does not pass ``verify`` (exit code 3)."""

    exit_code = 3


class CancelledError(ClusterctlError):
    """The user pressed Ctrl-C or declined a question; what exists is kept."""

    exit_code = 1
