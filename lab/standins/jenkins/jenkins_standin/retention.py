"""When idle nodes go: the minute timers of plugin 0.x and 1.x, and of 2.x. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from .node import Node

log = logging.getLogger("org.jenkinsci.plugins.mesos.MesosRetentionStrategy")


class Retention:
    """Two timers of a minute each, half a minute apart (the second's phase is random in Jenkins).

    The first marks a node of 0.x or 1.x for deletion, or takes one of 2.x out at once; the second takes out what was
    marked.
    """

    def __init__(self, start: float, minute_s: float) -> None:
        self._minute_s = minute_s
        self._next_check = start + minute_s
        self._next_cleanup = start + 1.5 * minute_s

    def terminated(self, nodes: Sequence[Node], now: float, generation_of: Callable[[Node], int]) -> list[Node]:
        """Return the nodes that are to be removed now."""
        removed: list[Node] = []
        if now >= self._next_check:
            self._next_check = max(self._next_check + self._minute_s, now)
            for node in nodes:
                if not self._expired(node, now):
                    continue
                if generation_of(node) == 2:
                    removed.append(node)
                elif not node.pending_delete and self._old_enough(node, now):
                    log.info("Disconnecting idle computer %s", node.name)
                    node.pending_delete = True
                    node.temporarily_offline = node.channel is not None
        if now >= self._next_cleanup:
            self._next_cleanup = max(self._next_cleanup + self._minute_s, now)
            removed.extend(node for node in nodes if node.pending_delete)
        return removed

    def _expired(self, node: Node, now: float) -> bool:
        minutes = node.template.idle_minutes
        if not node.idle or (minutes == 0 and not node.single_use):
            return False
        if node.single_use and node.connecting:
            return False
        return now - node.idle_since > minutes * self._minute_s

    def _old_enough(self, node: Node, now: float) -> bool:
        """A node that was launched a moment ago is looked at later."""
        return now - node.created >= max(1, node.template.idle_minutes) * self._minute_s
