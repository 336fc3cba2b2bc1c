"""Watches first boots through the servers' consoles, sparingly: each read is a call to the cloud and up to 100 KiB.

- A control node without a pinned host key: when its ssh port answers (the key is printed before), then at growing
  intervals; where it stays silent, at growing intervals, to find a boot that failed before ssh.
- An agent: only when it is ACTIVE for a while and the leading master has not seen it, then at growing intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from clusterctl.errors import NodeError
from clusterctl.ops.kit.access import target_of
from clusterctl.ops.kit.parallel import for_each
from clusterctl.resources import Server
from clusterctl.ssh.config import PORT
from clusterctl.ssh.console import BootReport, BootState, console_tail, parse_console
from clusterctl.ssh.hostkeys import HostKeys, ReadConsole

FIRST_INTERVAL_S = 2.0
LONGEST_INTERVAL_S = 8.0  # of a server whose key is waited for: its services start meanwhile
LONGEST_SILENT_S = 60.0
PATIENCE_S = 60.0  # ACTIVE but silent for so long: look at the console anyway
SILENT_READS = 4  # at most so many consoles of silent servers in one look


@dataclass
class _Watched:
    active_since: float
    next_read: float
    interval: float = FIRST_INTERVAL_S


class BootWatch:
    """State of one wait.

    Args:
        read_console: server id -> console log.
        ports_open: which addresses answer on a port, or None where the operator can't reach them directly (bastion).
        clock: monotonic seconds.
    """

    def __init__(
        self,
        read_console: ReadConsole,
        host_keys: HostKeys,
        *,
        ports_open: Callable[[Iterable[str], int], frozenset[str]] | None,
        clock: Callable[[], float],
    ) -> None:
        self._read_console = read_console
        self._host_keys = host_keys
        self._ports_open = ports_open
        self._clock = clock
        self._watched: dict[str, _Watched] = {}

    def look(self, unpinned: Iterable[Server], silent: Iterable[Server]) -> None:
        """One tick: reads the consoles that are due.

        Args:
            unpinned: servers to which ssh is wanted and that have no pinned host key; what is read is pinned.
            silent: other servers of which nothing is heard.

        Raises:
            NodeError: a boot failed; names node, step and reason, with the last lines of the console.
        """
        wanted = self._active(unpinned)
        answering = self._answering(wanted)
        due = [server for server in wanted if server.address in answering or self._is_overdue(server)]
        # In parallel: where nodes wait for secrets, these may be all agents of a cluster
        for_each(
            lambda server: self._read(server, LONGEST_INTERVAL_S if server.address in answering else LONGEST_SILENT_S),
            due,
        )
        overdue = [server for server in self._active(silent) if self._is_overdue(server)]
        # Those that were never read come first
        for server in sorted(overdue, key=lambda server: self._watched[server.id].next_read)[:SILENT_READS]:
            self._read(server, LONGEST_SILENT_S)

    def _active(self, servers: Iterable[Server]) -> list[Server]:
        now = self._clock()
        found = [server for server in servers if server.status == "ACTIVE" and server.address]
        for server in found:
            self._watched.setdefault(server.id, _Watched(active_since=now, next_read=now))
        return found

    def _answering(self, servers: list[Server]) -> frozenset[str]:
        due = [server.address for server in servers if server.address and self._is_due(server)]
        if self._ports_open is None or not due:
            return frozenset(due)
        return self._ports_open(due, PORT)

    def _is_due(self, server: Server) -> bool:
        return self._clock() >= self._watched[server.id].next_read

    def _is_overdue(self, server: Server) -> bool:
        return self._is_due(server) and self._clock() >= self._watched[server.id].active_since + PATIENCE_S

    def _read(self, server: Server, longest_s: float) -> None:
        watched = self._watched[server.id]
        text = self._read_console(server.id)
        target = target_of(server)
        report = parse_console(text, target.proof)
        self._host_keys.learn(target, text)
        if report.state is BootState.FAILED:
            raise boot_failure(server.node or server.name, report, text)
        watched.next_read = self._clock() + watched.interval
        watched.interval = min(watched.interval * 2, longest_s)


def boot_failure(name: str, report: BootReport, console: str) -> NodeError:
    """The error of a node whose console says that its boot failed."""
    return NodeError(
        f"node {name} failed at step '{report.failed_step}': {report.reason}\n"
        f"The last lines of its console:\n{indented(console_tail(console))}",
    )


def indented(text: str) -> str:
    """Lines of somebody else's output within a message of ours."""
    return "\n".join(f"    {line}" for line in text.splitlines())
