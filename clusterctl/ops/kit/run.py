"""One command at work on one cluster: what every verb gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError, UnhealthyError
from clusterctl.ops.kit.access import Access, open_access
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.delivery import Delivery
from clusterctl.ops.kit.leftopen import ask_left_open, told, way
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.resources import Observed, Server
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part


@dataclass(frozen=True)
class Run:
    """One command at work on the cluster of ``spec``: the file's, or what it is to become on the way there.

    Attributes:
        command: as it was given; the one that goes on after a failure.
        guard: the cluster's lock; held only by those that write.
        warn: tells a person something at once.
    """

    spec: ClusterSpec
    cloud: Cloud
    command: Command
    guard: Guard
    progress: Progress = field(default_factory=Progress)
    waiter: Waiter = field(default_factory=Waiter)
    warn: Callable[[str], None] = lambda _text: None

    @cached_property
    def access(self) -> Access:
        """The way to the nodes; connects to nothing yet. Raises as ``open_access``."""
        return open_access(self.spec, self.cloud)

    @cached_property
    def delivery(self) -> Delivery:
        """How nodes get their files with secrets in this command; connects to nothing yet."""
        return Delivery(self.cloud, self.access, self.guard, note=self.progress.note, waiter=self.waiter)

    def left_open(self, servers: Sequence[Server] | None = None) -> tuple[Part, ...]:
        """Parts that the cluster was made without, and that the file closes (``kit.leftopen``).

        Args:
            servers: all of the cluster, if they were listed just now.
        """
        if not self.spec.has_secrets:
            return ()
        there = self.cloud.servers(self.spec.cluster) if servers is None else servers
        return ask_left_open(self.spec, self.access, there)

    def refuse_left_open(self, servers: Sequence[Server] | None = None) -> None:
        """Raises: ClusterctlError: there are such parts; says how they are closed, and how they are left open."""
        if found := self.left_open(servers):
            raise ClusterctlError(f"{told(self.spec, found)}; nothing was touched", hint=way(found))

    @contextmanager
    def going_on(
        self, *, undo: Command | None = None, instead: Callable[[Observed], Command | None] = lambda _observed: None
    ) -> Iterator[None]:
        """Errors of the body say what exists and which command goes on; nothing is rolled back.

        An unhealthy cluster is a failed operation then (exit code 1), not an answer.

        Args:
            undo: a command that takes away what was made.
            instead: another command that goes on with what exists, if the same one can't.
        """
        try:
            yield
        except ClusterctlError as error:
            go_on = self.command
            try:
                observed = self.cloud.observe(self.spec.cluster)
                existing, go_on = counted(observed.counts), instead(observed) or go_on
            except ClusterctlError as second:
                existing = f"unknown ({second.message})"
            hint = f"{error.hint} " if error.hint else ""
            undone = f"; `{undo}` deletes it" if undo else ""
            error.hint = f"{hint}Existing now: {existing}. `{go_on}` goes on from here{undone}."
            if isinstance(error, UnhealthyError):
                error.exit_code = 1
            raise


def counted(counts: dict[str, int]) -> str:
    """``3 servers, 1 security groups``."""
    return ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items())
