"""A cluster that rolls can be tried on: services go down and come back on a clock, leaders are elected, playbooks act.

It watches the rules itself: ``violations`` lists every moment at which a step touched a member while another was away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from typing import Any

from clusterctl.ansible.playbook import PlaybookError, PlaybookResult
from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.observe.look import Cluster
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.roll.steps import Roll, Work
from clusterctl.releases import KEY_ARTIFACT
from clusterctl.resources import Flavor, Server
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.unit.health.clusters import CONTROL, FLAVORS, FRAMEWORK, server
from tests.unit.health.clusters import agent as agent_facts
from tests.unit.ops.clouds import Clock
from tests.unit.specs import demo

ZK, MASTER, AGENT, MARATHON = Service.ZOOKEEPER, Service.MESOS_MASTER, Service.MESOS_AGENT, Service.MARATHON
NOT_SERVING = "This ZooKeeper instance is not currently serving requests"
UNIT_SERVICES = {
    "zookeeper.service": ZK,
    "mesos-master.service": MASTER,
    "mesos-agent.service": AGENT,
    "marathon.service": MARATHON,
}
ONE, TWO, THREE = CONTROL
START_S = 6.0  # until a started service answers
OLD_MESOS, NEW_MESOS = ("a" * 64, "1.11.0-1"), ("b" * 64, "1.11.0-2")
OLD_MARATHON, NEW_MARATHON = ("c" * 64, "1.11.24"), ("d" * 64, "1.11.25")
OLD_ZOOKEEPER, NEW_ZOOKEEPER = "3.8.0-11", "3.8.0-12"


class Listing(MemoryCloud):
    """A cloud that lists the servers it is given."""

    listed: list[Server]

    def servers(self, cluster: str) -> list[Server]:
        return self.listed

    def flavors(self) -> list[Flavor]:
        return list(FLAVORS)

    def set_metadata(self, server_id: str, metadata: Mapping[str, str]) -> None:
        (at,) = (number for number, server in enumerate(self.listed) if server.id == server_id)
        self.listed[at] = replace(self.listed[at], metadata={**self.listed[at].metadata, **metadata})

    def recorded(self, component: str) -> dict[str, str]:
        """Node -> what its server's metadata say of a component."""
        key = KEY_ARTIFACT.format(component)
        return {server.name: server.metadata[key] for server in self.listed if key in server.metadata}


class Inline(Executor):
    """Does the work when it is given."""

    def __init__(self, _at_once: int) -> None:
        super().__init__()

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments, **options))
        except Exception as error:  # noqa: BLE001  (whoever asks for the result gets it; Ctrl-C comes at once)
            done.set_exception(error)
        return done


@dataclass
class World:
    """See the module.

    Attributes:
        up: (service, node) -> from when on it answers; absent: stopped.
        fails: (what is done, node) -> why it fails; what is done: the playbook, or a unit's state.
        sick: (service, node) that never answer again once restarted, until they are put back.
        at_odds_until: until then no ZooKeeper is elected.
        voting: ZooKeepers that run and look for a leader.
        marathon_s: until a started Marathon answers: a JVM loads.
        start_s: the same of single nodes.
        events: what playbooks did, in order: ``restarted zookeeper demo-control-1``.
    """

    builders: int = 2
    up: dict[tuple[Service, str], float] = field(default_factory=dict)
    leaders: dict[Service, str] = field(default_factory=lambda: {ZK: THREE, MASTER: ONE, MARATHON: TWO})
    fails: dict[tuple[str, str], str] = field(default_factory=dict)
    sick: set[tuple[Service, str]] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    log_lines: dict[str, str] = field(default_factory=dict)
    at_odds_until: float = 0.0
    voting: set[str] = field(default_factory=set)
    marathon_s: float = START_S
    start_s: dict[str, float] = field(default_factory=dict)
    framework: str = FRAMEWORK
    deployments: int = 0
    on_event: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        groups = demo()["groups"]
        groups["builders"]["count"] = self.builders
        self.spec = ClusterSpec.model_validate(demo(groups=groups))
        self.clock = Clock()
        self.cloud = Listing()
        self.agents = ["demo-jenkins-abc-1", *(f"demo-builders-abc-{n}" for n in range(1, self.builders + 1))]
        self.address = {name: f"10.0.0.{n}" for n, name in enumerate(CONTROL, 1)}
        self.address |= {name: f"10.0.0.{n}" for n, name in enumerate(self.agents, 11)}
        self.cloud.listed = [
            *(server(name, "control", self.address[name], named=True) for name in CONTROL),
            *(server(name, name.split("-")[1], self.address[name], named=False) for name in self.agents),
        ]
        for name in CONTROL:
            self.up |= {(service, name): 0.0 for service in (ZK, MASTER, MARATHON)}
        self.up |= {(AGENT, name): 0.0 for name in self.agents}
        self.ids = {name: f"S-{name}" for name in self.agents}
        self.mesos = dict.fromkeys([*CONTROL, *self.agents], OLD_MESOS)
        self.marathon = dict.fromkeys(CONTROL, OLD_MARATHON)
        self.running_marathon = dict(self.marathon)
        self.zookeeper = dict.fromkeys(CONTROL, OLD_ZOOKEEPER)
        self.offered = dict.fromkeys(CONTROL, NEW_ZOOKEEPER)
        self.restarted: dict[tuple[Service, str], float] = {}
        self.installed: dict[tuple[str, str], float] = {}
        self.disks: dict[str, list[dict[str, Any]]] = {}
        self.node_facts: dict[str, dict[str, Any]] = {}
        self.cluster = Cluster(self.spec, self.cloud, self, self.clock.waiter())

    # --- the roll ---------------------------------------------------------------------------------------------------
    def roll(self, work: Work, what: str = "restart", **options: Any) -> Roll:
        """A roll of that work over this cluster."""
        journal = Journal("demo", what, lambda names: f"clusterctl {what} --only {','.join(names)}")
        return Roll(self.cluster, work, journal, Progress(), **{"executor": Inline, **options})

    def acted(self, *words: str) -> list[str]:
        """Names of nodes, in order, of the events that begin with these words."""
        start = " ".join(words) + " "
        return [event.removeprefix(start) for event in self.events if event.startswith(start)]

    # --- the services -----------------------------------------------------------------------------------------------
    def answers(self, service: Service, name: str) -> bool:
        if service is ZK and (self.clock.now < self.at_odds_until or name in self.voting):
            return False
        return (service, name) not in self.sick and self.up.get((service, name), 1e9) <= self.clock.now

    def leader(self, service: Service) -> str | None:
        """Keeps its leader while that answers; else elects the first that does."""
        if not self.answers(service, self.leaders[service]):
            alive = [name for name in CONTROL if self.answers(service, name)]
            if not alive:
                return None
            self.leaders[service] = alive[0]
        return self.leaders[service]

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        return {node.name: NodeFacts.model_validate(self._facts(node)) for node in nodes}

    def _facts(self, node: Node) -> dict[str, Any]:
        found: dict[str, Any] = {"boot": {"state": "done"}, "disks": self.disks.get(node.name, [])}
        for service in node.services:
            answer = getattr(self, f"_{service.value}")(node.name)
            error = NOT_SERVING if service is ZK and node.name in self.voting else "connection refused"
            found[service.value] = answer if self.answers(service, node.name) else {"error": error}
        return found

    def _zookeeper(self, name: str) -> dict[str, Any]:
        leads = name == self.leader(ZK)
        synced = sum(self.answers(ZK, each) for each in CONTROL) - 1
        return {
            "state": "leader" if leads else "follower",
            "version": "3.8.0",
            "synced_followers": synced if leads else None,
        }

    def _mesos_master(self, name: str) -> dict[str, Any]:
        leader = self.leader(MASTER)
        found: dict[str, Any] = {
            "elected": name == leader,
            "log_recovered": True,
            "ensemble_size": 3,
            "registrar_recovered": name == leader,
            "leader": f"{self.address[leader]}:5050" if leader else None,
            "version": "1.11.0",
        }
        if name == leader:
            framework = {"id": self.framework, "active": True, "connected": True, "roles": ["marathon"]}
            found["frameworks"] = [framework] if self.leader(MARATHON) else []
            found["agents"] = [self._listed(each) for each in self.agents]
        return found

    def _listed(self, name: str) -> dict[str, Any]:
        reserved = name.startswith("demo-jenkins")
        pool, role = ("jenkins-master", "marathon") if reserved else ("jenkins-builder", None)
        changes = {"id": self.ids[name], "active": self.answers(AGENT, name)}
        return agent_facts(self.address[name], pool, role, **changes)

    def _mesos_agent(self, name: str) -> dict[str, Any]:
        return {"id": self.ids[name], "version": "1.11.0", "registered": True}

    def _marathon(self, name: str) -> dict[str, Any]:
        leader = self.leader(MARATHON)
        if leader is None:
            return {"no_leader": "HTTP 404"}
        return {
            "leader": f"{self.address[leader]}:8080",
            "framework_id": self.framework,
            "version": self.running_marathon[leader][1],
            "deployments": [{"id": f"d-{n}", "apps": ["/a"], "since": "2026-01-01"} for n in range(self.deployments)],
        }

    # --- the playbooks ----------------------------------------------------------------------------------------------
    def run(self, playbook: str, names: Sequence[str], variables: Mapping[str, Any] | None = None) -> PlaybookResult:
        given = dict(variables or {})
        failures = []
        notes = []
        for name in names:
            what = given.get("roll_state", playbook) if playbook == "restart" else playbook
            if reason := self.fails.get((what, name)):
                failures.append((name, f"{playbook} task", reason))
                continue
            note = self._act(playbook, name, given)
            if note:
                notes.append((name, "Tell", note))
        counts = {"ok": 1, "changed": 1, "unreachable": 0}
        failed = {name for name, _, _ in failures}
        hosts = {name: counts | {"failed": int(name in failed)} for name in names}
        result = PlaybookResult(hosts, (), tuple(failures), tuple(notes), "")
        if failures:
            raise PlaybookError(f"{playbook}.yml failed", result)
        return result

    def _act(self, playbook: str, name: str, given: Mapping[str, Any]) -> str:
        if playbook == "upgrade-check":
            return "facts " + json.dumps(self._upgrade_facts(name))
        if playbook == "marathon-log":
            return self.log_lines.get(name, "") if self.running_marathon[name] == NEW_MARATHON else ""
        if playbook == "upgrade":
            self._install(name, given)
        elif playbook == "marathon-back":
            self.marathon[name] = (given["roll_sha256"], given["roll_version"])
            self._event(f"back marathon {name}")
            self.installed["marathon", name] = self.clock.now
        elif playbook != "restart":
            self._event(f"{playbook} {name}")
        if unit := given.get("roll_unit"):
            self._unit(UNIT_SERVICES[unit], name, given["roll_state"], together=bool(given.get("roll_together")))
        return ""

    def _install(self, name: str, given: Mapping[str, Any]) -> None:
        component = given["roll_component"]
        if component == "zookeeper":
            self.zookeeper[name] = given["roll_version"]
        else:
            artifact = given[f"{component}_artifact"]
            getattr(self, component)[name] = (artifact["sha256"], artifact["version"])
        self.installed[component, name] = self.clock.now
        self._event(f"installed {component} {given['roll_version']} {name}")

    def _unit(self, service: Service, name: str, state: str, *, together: bool) -> None:
        self._watch(service, name, state, together=together)
        self._event(f"{state} {service.value} {name}")
        key = (service, name)
        if state == "stopped":
            self.up.pop(key, None)
            return
        if state == "started":
            self.sick.discard(key)
            if key in self.up:
                return
        start_s = self.start_s.get(name, self.marathon_s if service is MARATHON else START_S)
        if service is ZK:
            self._disconnect(name)
        self.up[key] = self.restarted[key] = self.clock.now + start_s
        if service is MARATHON:
            self.running_marathon[name] = self.marathon[name]

    def _disconnect(self, zookeeper: str) -> None:
        """Marathons end when they lose ZooKeeper, by its leader all of them, and systemd starts them again."""
        away = CONTROL if zookeeper == self.leaders[ZK] else [zookeeper]
        for name in away:
            if self.up.get((MARATHON, name), 1e9) <= self.clock.now:
                self.up[MARATHON, name] = self.clock.now + self.marathon_s
                self.running_marathon[name] = self.marathon[name]

    def _watch(self, service: Service, name: str, state: str, *, together: bool) -> None:
        if state not in ("restarted", "stopped") or together or service is AGENT:
            return
        away = [
            f"{other} on {node}"
            for other, node in ((other, node) for other in (ZK, MASTER, MARATHON) for node in CONTROL)
            if (other, node) != (service, name) and not self.answers(other, node)
        ]
        # Marathons are stopped on purpose during their own upgrade
        if service is MARATHON:
            away = [each for each in away if not each.startswith("marathon")]
        if away:
            self.violations.append(f"{state} {service} on {name} while away: {', '.join(away)}")

    def _event(self, text: str) -> None:
        self.events.append(text)
        self.on_event(text)

    def _upgrade_facts(self, name: str) -> dict[str, Any]:
        units = {}
        for unit, service in UNIT_SERVICES.items():
            key = (service, name)
            units[unit.removesuffix(".service")] = {"active": key in self.up, "since": self.restarted.get(key, 1.0)}

        def record(component: str, held: tuple[str, str]) -> dict[str, Any]:
            return {"sha256": held[0], "version": held[1], "since": self.installed.get((component, name), 0.0)}

        records = {"mesos": record("mesos", self.mesos[name])}
        packages = {"mesos": {"version": self.mesos[name][1], "whole": True}}
        found: dict[str, Any] = {"free_mib": {"/usr": 9000}, "units": units, "records": records, "packages": packages}
        if name in CONTROL:
            records["marathon"] = record("marathon", self.marathon[name])
            found["marathon"] = self.marathon[name][1]
            packages["libzookeeper-java"] = {
                "version": self.zookeeper[name],
                "whole": True,
                "since": self.installed.get(("zookeeper", name), 0.0),
                "candidate": self.offered[name],
            }
        return found | self.node_facts.get(name, {})
