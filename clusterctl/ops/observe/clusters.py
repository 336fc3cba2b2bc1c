"""``list``: the clusters of a project, as its servers and locks tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clusterctl.cloud.base import Cloud
from clusterctl.ops.kit.lock import Holder
from clusterctl.ops.kit.parallel import for_each
from clusterctl.resources import Lock, Server
from clusterctl.spec.artifacts import BUILDER_SUFFIX


@dataclass(frozen=True)
class ClusterSummary:
    """A cluster from outside: no node is asked.

    Attributes:
        states: of its servers, Nova's words -> how many.
        created: of the oldest server, ISO 8601, UTC.
        locks: of commands at work on it, or killed.
    """

    name: str
    states: Mapping[str, int]
    created: str
    zones: tuple[str, ...]
    locks: tuple[Lock, ...]

    @property
    def nodes(self) -> int:
        """Number of servers."""
        return sum(self.states.values())

    def to_json(self) -> dict[str, Any]:
        """``{"name", "nodes", "states", "created", "zones", "locks": [{"owner", "pid", "command", "created"}]}``."""
        holders = [(Holder.of(lock), lock.created) for lock in self.locks]
        return {
            "name": self.name,
            "nodes": self.nodes,
            "states": dict(self.states),
            "created": self.created,
            "zones": list(self.zones),
            "locks": [
                {"owner": holder.owner, "pid": holder.pid, "command": holder.command, "created": created}
                for holder, created in holders
            ],
        }


def list_clusters(cloud: Cloud) -> list[ClusterSummary]:
    """All clusters that have a server, by name: one list of servers, and one of locks for each of them.

    Servers that build images are left out. What ``destroy`` kept of a cluster, its data volumes, makes none.
    """
    found = {name: servers for name, servers in cloud.clusters().items() if not name.endswith(BUILDER_SUFFIX)}
    locks = for_each(cloud.locks, found)
    return [_summary(name, servers, held) for (name, servers), held in zip(found.items(), locks, strict=True)]


def _summary(name: str, servers: Sequence[Server], locks: Sequence[Lock]) -> ClusterSummary:
    return ClusterSummary(
        name=name,
        states=dict(sorted(Counter(server.status for server in servers).items())),
        created=min(server.created for server in servers),
        zones=tuple(sorted({server.zone for server in servers if server.zone})),
        locks=tuple(locks),
    )
