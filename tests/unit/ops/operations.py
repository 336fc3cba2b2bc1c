"""Operations on a running cluster in memory: cloud, masters and probes that answer as the cloud's servers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts
from clusterctl.health.judge import server_check
from clusterctl.ops.grow.operation import Operation
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.run import Run
from clusterctl.ops.observe.verify import VerifyReport, WaitHealthy
from clusterctl.ops.roll.drain import Drains
from clusterctl.resources import Image, Server
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.unit.ops.clouds import IMAGE, Clock, create_in, demo_cloud, guard
from tests.unit.ops.mesos import MemoryMasters
from tests.unit.specs import demo_spec


class Nodes:
    """A prober: all services of ACTIVE nodes serve, the first of them leads; ``silent`` ones don't answer.

    Attributes:
        sick: names of nodes whose services don't serve.
    """

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.sick: set[str] = set()

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        up = [node.name for node in nodes if node.status == "ACTIVE" and node.name not in self.silent | self.sick]
        return {node.name: self._facts(node, leads=up[:1] == [node.name], count=len(up)) for node in nodes}

    def _facts(self, node: Node, *, leads: bool, count: int) -> NodeFacts:
        if node.status != "ACTIVE":
            return NodeFacts(error=f"its server is {node.status}")
        if node.name in self.silent:
            return NodeFacts(error="no route to host")
        parts: dict[str, dict[str, object]] = {
            "zookeeper": {"state": "leader" if leads else "follower", "synced_followers": count - 1 if leads else None},
            "mesos_master": {"elected": leads, "log_recovered": True},
            "marathon": {},
        }
        if node.name in self.sick:
            parts = {name: {"error": "connection refused"} for name in parts}
        mine = {name: part for name, part in parts.items() if name in node.services}
        return NodeFacts.model_validate({"boot": {"state": "done"}, **mine})


class Running:
    """The demo cluster, created (from the newest of ``images``); with a leading master that knows its agents."""

    def __init__(self, spec: ClusterSpec | None = None, images: Sequence[Image] = (IMAGE,)) -> None:
        self.spec = spec or demo_spec()
        self.cloud = demo_cloud()
        self.cloud.image_list = list(images)
        self.clock = Clock()
        self.nodes = Nodes()
        create_in(self.cloud, self.spec)
        self.masters = MemoryMasters({})
        self.look_around()

    def look_around(self) -> None:
        """Agents register that are ACTIVE, except those that are gone for good."""
        for record in self.cloud.server_records.values():
            server = record.shown
            if "mesos_agent" in server.services and server.address and f"S-{server.id}" not in self.masters.gone:
                self.masters.agents[f"S-{server.id}"] = server.address
        self.masters.lost = set(self.masters.agents) - {
            f"S-{record.shown.id}"
            for record in self.cloud.server_records.values()
            if record.shown.status == "ACTIVE" and record.deleted_for is None
        }

    def drains(self, _servers: Sequence[Server]) -> Drains:
        self.look_around()
        return Drains(self.masters, self.clock.waiter())

    def wait_healthy(self, spec: ClusterSpec, fresh: bool) -> VerifyReport:
        """Healthy is a cluster whose servers are as the spec wants them."""

        def good() -> bool:
            return server_check(spec, self.cloud.servers(spec.cluster)).ok

        self.clock.waiter().until(good, what=f"servers (fresh: {fresh})", timeout_s=60)
        return VerifyReport(checks=())

    def operation(
        self, wait_healthy: WaitHealthy | None = None, spec: ClusterSpec | None = None, image: str | None = None
    ) -> Operation:
        waiter = self.clock.waiter()
        run = Run(
            spec or self.spec,
            self.cloud,
            Command("scale", "demo.yml"),
            replace(guard(), waiter=waiter),
            Progress(),
            waiter,
        )
        vars(run)["access"] = SimpleNamespace(prober=self.nodes)  # instead of what would connect to nodes
        return Operation(run, wait_healthy or self.wait_healthy, self.drains, image=image)

    def servers(self, group: str) -> list[str]:
        """Names of the servers of a group."""
        return sorted(server.name for server in self.cloud.servers("demo") if server.group == group)

    def agent_on(self, name: str) -> str:
        """Id of the agent on a server."""
        return next(f"S-{r.shown.id}" for r in self.cloud.server_records.values() if r.shown.name == name)

    def change(self, name: str, **changes: object) -> None:
        """Changes what the cloud shows of a server."""
        record = next(r for r in self.cloud.server_records.values() if r.shown.name == name)
        record.shown = replace(record.shown, **changes)  # type: ignore[arg-type]

    def vanish(self, name: str) -> None:
        """A server is deleted by somebody else."""
        record = next(r for r in self.cloud.server_records.values() if r.shown.name == name)
        self.cloud.remove(record.shown.id)


__all__ = ["MemoryCloud", "Nodes", "Running"]
