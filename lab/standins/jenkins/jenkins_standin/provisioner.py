"""When the core asks the clouds for nodes (hudson.slaves.NodeProvisioner)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from .buildqueue import Item
from .errors import PluginError
from .mesoscloud import MesosCloud
from .node import Node

log = logging.getLogger("hudson.slaves.NodeProvisioner")


def excess_of(label: str | None, items: Sequence[Item], nodes: Iterable[Node], planned: Iterable[Node]) -> int:
    """Return how many buildable items of a label no node is there or on the way for.

    No moving averages: as Jenkins with MARGIN=50 and MARGIN0=0.85, the plugin's advice.
    """
    demand = sum(1 for item in items if item.job.definition.label == label)
    capacity = 0
    for node in nodes:
        if label in node.template.labels if label else not node.template.exclusive:
            capacity += len(node.executors) if node.connecting else node.free
    capacity += sum(len(n.executors) for n in planned if label in n.template.labels or label == n.template.label)
    return max(0, demand - capacity)


class Provisioner:
    """Reviews the load every ``recurrence_s``; a node planned by 0.x and 1.x is added at the next review."""

    def __init__(self, start: float, initial_delay_s: float, recurrence_s: float) -> None:
        self._next = start + initial_delay_s
        self._recurrence_s = recurrence_s
        self._planned: list[tuple[MesosCloud, Node]] = []

    @property
    def planned(self) -> list[Node]:
        return [node for _, node in self._planned]

    def due(self, now: float) -> bool:
        if now < self._next:
            return False
        self._next = max(self._next + self._recurrence_s, now)
        return True

    def review(
        self,
        clouds: Sequence[MesosCloud],
        items: Sequence[Item],
        nodes: Sequence[Node],
        add: Callable[[MesosCloud, Node], None],
        now: float,
    ) -> None:
        """Add what was planned, then plan for what still waits. Not called while Jenkins is quieting down."""
        arrived, self._planned = self._planned, []
        for cloud, node in arrived:
            log.info("%s provisioning successfully completed. We have now %d computer(s)", node.name, len(nodes) + 1)
            add(cloud, node)
        present = [*nodes, *(node for _, node in arrived)]
        for label in dict.fromkeys(item.job.definition.label for item in items):
            excess = excess_of(label, items, present, self.planned)
            if excess:
                self._provision(label, excess, clouds, add, now)

    def _provision(
        self,
        label: str | None,
        excess: int,
        clouds: Sequence[MesosCloud],
        add: Callable[[MesosCloud, Node], None],
        now: float,
    ) -> None:
        for cloud in clouds:
            template = cloud.cloud.template_for(label)
            if template is None:
                continue
            try:
                made = cloud.provision(template, excess, now)
            except PluginError as exc:
                log.warning("Failed to create instances on Mesos: %s", exc)
                return
            for node in made:
                if cloud.cloud.generation == 2:
                    add(cloud, node)  # startAgent adds it itself
                else:
                    self._planned.append((cloud, node))
            return
