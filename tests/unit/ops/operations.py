"""Operations on a running cluster in memory: cloud, masters and probes that answer as the cloud's servers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace

from clusterctl.health.expect import Node, expected
from clusterctl.health.facts import NodeFacts
from clusterctl.health.judge import server_check
from clusterctl.ops.grow.operation import Operation
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.run import Run
from clusterctl.ops.observe.verify import VerifyReport, WaitHealthy
from clusterctl.ops.roll.drain import Drains
from clusterctl.resources import Image, Server
from clusterctl.services import PORTS, UNITS, Service
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.unit.ops.clouds import IMAGE, Clock, create_in, demo_cloud, guard
from tests.unit.ops.mesos import MemoryMasters
from tests.unit.specs import demo_spec


class Nodes:
    """A prober: all services of ACTIVE nodes serve, the first of them leads; ``silent`` ones don't answer.

    Attributes:
        sick: names of nodes whose services don't serve.
        dead: (node, service) -> state of the unit, of single services that don't serve.
        running: whose agents the leading master knows.
    """

    def __init__(self, running: Running) -> None:
        self.running = running
        self.silent: set[str] = set()
        self.sick: set[str] = set()
        self.dead: dict[tuple[str, str], str] = {}

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        up = [node for node in nodes if node.status == "ACTIVE" and node.name not in self.silent | self.sick]
        leads = {
            service: next((n for n in up if service in n.services and (n.name, service) not in self.dead), None)
            for service in Service
        }
        return {node.name: self._facts(node, leads, len(up)) for node in nodes}

    def _facts(self, node: Node, leads: Mapping[Service, Node | None], count: int) -> NodeFacts:
        if node.status != "ACTIVE":
            return NodeFacts(error=f"its server is {node.status}")
        if node.name in self.silent:
            return NodeFacts(error="no route to host")
        mine = {service for service, leader in leads.items() if leader is node}
        place = {service: f"{leader.address}:{PORTS[service]}" if leader else None for service, leader in leads.items()}
        parts: dict[str, dict[str, object]] = {
            "zookeeper": {
                "state": "leader" if Service.ZOOKEEPER in mine else "follower",
                "synced_followers": count - 1 if Service.ZOOKEEPER in mine else None,
            },
            "mesos_master": {
                "elected": Service.MESOS_MASTER in mine,
                "log_recovered": True,
                "registrar_recovered": True,
                "ensemble_size": self.running.spec.groups[node.group].count,
                "leader": place[Service.MESOS_MASTER],
                **(self._known() if Service.MESOS_MASTER in mine else {}),
            },
            "marathon": {"ping": "pong", "leader": place[Service.MARATHON], "framework_id": "F"},
            "mesos_agent": {"id": "S", "registered": True},
        }
        bad = {name for name in parts if node.name in self.sick or (node.name, name) in self.dead}
        parts |= {name: {"error": "connection refused"} for name in bad}
        units = {UNITS[Service(name)]: self.dead.get((node.name, name), "activating") for name in bad}
        served = {name: part for name, part in parts.items() if name in node.services}
        return NodeFacts.model_validate({"boot": {"state": "done"}, "units": units, **served})

    def _known(self) -> dict[str, object]:
        """The agents that the leading master lists, each as the file wants it; and Marathon."""
        running = self.running
        running.look_around()
        servers = running.cloud.servers("demo")
        expect = expected(running.spec, servers, running.cloud.flavor_list)
        agents = []
        for node in expect.agents:
            if (agent := f"S-{node.server_id}") in running.masters.agents:
                offer = expect.offers[node.group]
                held = dict(offer.resources)
                agents.append(
                    {
                        "id": agent,
                        "hostname": node.address,
                        "active": agent not in running.masters.lost and agent not in running.masters.drain,
                        "attributes": dict(offer.attributes),
                        "reserved": {offer.reserved: held} if offer.reserved else {},
                        "unreserved": {} if offer.reserved else held,
                    }
                )
        framework = {"id": "F", "active": True, "connected": True, "roles": [running.spec.marathon.role]}
        return {"agents": agents, "frameworks": [framework]}


class Services:
    """Work on services of nodes: a restarted one serves, unless it is ``broken``; with fresh data it serves always."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.broken: set[str] = set()
        self.done: list[tuple[str, str, str]] = []

    def restart(self, service: Service, name: str) -> None:
        self.done.append(("restart", service.value, name))
        if name not in self.broken:
            self.nodes.dead.pop((name, service.value), None)

    def fresh_data(self, service: Service, name: str) -> None:
        self.done.append(("fresh", service.value, name))
        self.nodes.dead.pop((name, service.value), None)


class Running:
    """The demo cluster, created (from the newest of ``images``); with a leading master that knows its agents."""

    def __init__(self, spec: ClusterSpec | None = None, images: Sequence[Image] = (IMAGE,)) -> None:
        self.spec = spec or demo_spec()
        self.cloud = demo_cloud()
        self.cloud.image_list = list(images)
        self.clock = Clock()
        self.nodes = Nodes(self)
        self.unit_work = Services(self.nodes)
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
