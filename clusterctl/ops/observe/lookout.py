"""Looks at nodes that last until the node has something new to tell: all is heard at once, and nobody is asked more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Protocol

from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts

AT_ONCE = 16  # nodes; of control nodes there are fewer
AGAIN_S = 2.5  # after a look that reached nobody


class Watcher(Protocol):
    """Takes looks that last (``remote.prober.SshProber``)."""

    def hold(self, node: Node, seen: str) -> NodeFacts:
        """Facts with another digest than ``seen``, or any after a while; ``error`` set where nobody answers."""

    def close(self) -> None:
        """Ends all looks, and lets none begin."""


class Lookout:
    """One look at a time at each node, each in a thread of its own.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, watcher: Watcher, clock: Callable[[], float] = time.monotonic) -> None:
        self._watcher = watcher
        self._clock = clock
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="lookout")
        self._answers: SimpleQueue[tuple[str, NodeFacts | BaseException]] = SimpleQueue()
        self._heard: dict[str, NodeFacts] = {}
        self._out: set[str] = set()
        self._not_before: dict[str, float] = {}

    def watch(self, nodes: Iterable[Node], known: Mapping[str, NodeFacts]) -> None:
        """Looks at those of the nodes that are not looked at already.

        Args:
            known: node name -> facts that are no news.
        """
        for node in nodes:
            if node.name in self._out or self._clock() < self._not_before.get(node.name, 0.0):
                continue
            seen = known.get(node.name)
            self._out.add(node.name)
            self._threads.submit(self._look, node, seen.digest if seen else "")

    def told(self) -> dict[str, NodeFacts]:
        """What came since the last call. Raises what a look raised."""
        self._take(0.0)
        heard, self._heard = self._heard, {}
        return heard

    def rest(self, at_most_s: float) -> None:
        """Returns when a look has ended, or after that time."""
        if not self._heard:
            self._take(at_most_s)

    def close(self) -> None:
        """Ends all looks."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._watcher.close()
        self._threads.shutdown()

    def _look(self, node: Node, seen: str) -> None:
        try:
            self._answers.put((node.name, self._watcher.hold(node, seen)))
        except BaseException as error:  # noqa: BLE001  (raised where it is heard)
            self._answers.put((node.name, error))

    def _take(self, at_most_s: float) -> None:
        try:
            while True:
                name, answer = self._answers.get(timeout=at_most_s) if at_most_s > 0 else self._answers.get_nowait()
                at_most_s = 0.0
                self._out.discard(name)
                if isinstance(answer, BaseException):
                    raise answer
                if answer.error:
                    self._not_before[name] = self._clock() + AGAIN_S
                self._heard[name] = answer
        except Empty:
            return
