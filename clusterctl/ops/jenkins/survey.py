"""What masters there are: Marathon's apps and the homes on the nodes, compared. There is no other record (D1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from clusterctl.errors import ClusterctlError, NodeError
from clusterctl.health.expect import Node
from clusterctl.jenkins.app import CURRENT, LABEL, LABEL_CLUSTER, LABEL_RELEASE, app_id, slot_of
from clusterctl.jenkins.home import Marker, read_marker
from clusterctl.jenkins.slots import MASTER_UID, Ports, port_plan
from clusterctl.spec.model import ClusterSpec

# Mesos: states of a task that runs or may run (Marathon shows TASK_UNREACHABLE ones, too: they may still run)
LIVE = ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_UNREACHABLE", "TASK_KILLING")


@dataclass(frozen=True)
class App:
    """A master's app as Marathon tells it.

    Attributes:
        address: of the node that it is bound to, '' if it is bound to none.
        hosts: addresses where its live tasks are.
        tasks: their ids.
        started: when the task began that runs, as Marathon writes it; '' if none does.
        running: its task runs, and its health check, once it answered, holds.
        failure: why its last task ended, '' if none failed.
        definition: all of it.
    """

    name: str
    slot: int | None
    address: str
    instances: int
    release: str
    cpus: float
    mem_mib: float
    hosts: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    started: str = ""
    running: bool = False
    failure: str = ""
    definition: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Home:
    """A home on a node; ``marker`` is None where ``problem`` says why.

    Attributes:
        principal: who its master is to Mesos since it was started last, as its start script wrote; '' where it said
            nothing. The master's user may write anything there.
    """

    name: str
    node: Node
    marker: Marker | None
    problem: str = ""
    principal: str = ""


@dataclass(frozen=True)
class Host:
    """A node for masters; ``error``: nothing is known of its homes.

    Attributes:
        releases: wars with plugins: name -> MiB of the plugins.
        current: the release that new masters get.
    """

    node: Node
    error: str = ""
    free_mib: int = 0
    size_mib: int = 0
    releases: Mapping[str, int] = field(default_factory=dict)
    current: str | None = None
    aside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Master:
    """A name, with the app and the home that belong to it.

    Attributes:
        node: with its home, else that of its app.
        problems: what doesn't fit together.
        release: to start it with, instead of the app's; '' for that.
        lacks: what its node must get before it can start there, and how; '' for nothing.
    """

    name: str
    slot: int
    node: Node | None
    ports: Ports
    app: App | None
    home: Home | None
    problems: tuple[str, ...] = ()
    release: str = ""
    lacks: str = ""

    @property
    def state(self) -> str:
        """``running``, ``starting``, ``hibernating``, ``kept`` (a home without an app), ``waiting`` or ``broken``."""
        if self.problems:
            return "broken"
        if self.app is None:
            return "kept"
        if self.app.instances == 0:
            return "stopping" if self.app.hosts else "hibernating"
        if not self.app.hosts:
            return "waiting"
        return "running" if self.app.running else "starting"

    @property
    def url(self) -> str:
        """As its agents see it; '' without a node."""
        return f"http://{self.node.address}:{self.ports.http}/" if self.node else ""


@dataclass(frozen=True)
class Survey:
    """Everything that was found. ``elsewhere``: by address, cpus and MiB that other apps' tasks take there."""

    spec: ClusterSpec
    apps: Mapping[str, App]
    homes: tuple[Home, ...]
    hosts: tuple[Host, ...]
    elsewhere: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @cached_property
    def masters(self) -> dict[str, Master]:
        """By name, in order."""
        names = sorted({*self.apps, *(home.name for home in self.homes)})
        return {name: self._master(name) for name in names}

    @property
    def silent(self) -> list[Host]:
        """Nodes whose homes are not known."""
        return [host for host in self.hosts if host.error]

    @cached_property
    def slots(self) -> Counter[int]:
        """Masters by slot, of apps and homes; more than 1 is a mistake."""
        return Counter(slot for name in self.masters for slot in self._slots(name))

    def host(self, node: Node) -> Host:
        """The host of a node."""
        return next(host for host in self.hosts if host.node.name == node.name)

    def named(self, names: Iterable[str]) -> list[Master]:
        """These masters.

        Raises:
            ClusterctlError: there is none of a name.
        """
        wanted = list(names)
        if missing := [name for name in wanted if name not in self.masters]:
            there = ", ".join(self.masters) or "none"
            dark = "".join(f"; node {host.node} can't be asked: {host.error}" for host in self.silent)
            raise ClusterctlError(f"there is no Jenkins master {', '.join(missing)}; there are: {there}{dark}")
        return [self.masters[name] for name in wanted]

    def _slots(self, name: str) -> set[int]:
        app = self.apps.get(name)
        found = {home.marker.slot for home in self.homes if home.name == name and home.marker}
        return found | ({app.slot} if app and app.slot else set())

    def _master(self, name: str) -> Master:
        app = self.apps.get(name)
        homes = [home for home in self.homes if home.name == name]
        nodes = {host.node.address: host.node for host in self.hosts}
        bound = nodes.get(app.address) if app else None
        home = next((each for each in homes if bound and each.node.name == bound.name), next(iter(homes), None))
        slots = sorted(self._slots(name))
        slot = home.marker.slot if home and home.marker else next(iter(slots), 0)
        return Master(
            name=name,
            slot=slot,
            node=home.node if home else bound,
            ports=port_plan(self.spec).of(slot),
            app=app,
            home=home,
            problems=tuple(self._problems(name, app, homes, bound, slots)),
            lacks=self._lacks(app, bound) if app and bound else "",
        )

    def _lacks(self, app: App, node: Node) -> str:
        """A server that was made from an older image than the release of its masters has not got it."""
        host = self.host(node)
        if host.error or app.release in ("", CURRENT, *host.releases):
            return ""
        cure = (
            f"`clusterctl jenkins upgrade FILE {app.name} --artifacts artifacts.yml` brings the one of that file there"
        )
        return f"{node.name} lacks its release {app.release}; {cure}"

    def _problems(
        self, name: str, app: App | None, homes: Sequence[Home], bound: Node | None, slots: Sequence[int]
    ) -> Iterable[str]:
        if len(homes) > 1:
            yield f"has homes on {' and '.join(sorted(home.node.name for home in homes))}"
        yield from (f"home on {home.node.name}: {home.problem}" for home in homes if home.problem)
        if len(slots) != 1:
            yield f"has slots {' and '.join(map(str, slots))} in app and home" if slots else "has no slot"
        for slot in slots:
            others = [other for other in {*self.apps, *(h.name for h in self.homes)} if slot in self._slots(other)]
            if len(others) > 1:
                yield f"shares slot {slot} with {', '.join(sorted(set(others) - {name}))}"
        if app is None:
            return
        if bound is None:
            yield f"app is bound to {app.address or 'no node'}, which is not a node for masters"
        elif not homes and not self.host(bound).error:
            yield f"has an app and no home on {bound.name}"
        elif homes and bound.name not in [home.node.name for home in homes]:
            yield f"app is bound to {bound.name}, its home is on {homes[0].node.name}"
        astray = [host for host in app.hosts if host != app.address]
        if astray:
            yield f"runs on {', '.join(astray)}, expected {app.address}"


def read_apps(spec: ClusterSpec, listed: Sequence[Mapping[str, Any]]) -> dict[str, App]:
    """Masters' apps of this cluster among all of Marathon's, by name."""
    found = {}
    for each in listed:
        labels = each.get("labels", {})
        name = labels.get(LABEL)
        if not name or each.get("id") != app_id(name) or labels.get(LABEL_CLUSTER, spec.cluster) != spec.cluster:
            continue
        tasks = [task for task in each.get("tasks", []) if task.get("state") in LIVE]
        bound = next((c[2] for c in each.get("constraints", []) if c[:2] == ["hostname", "CLUSTER"]), "")
        found[name] = App(
            name=name,
            slot=slot_of(each),
            address=bound,
            instances=each.get("instances", 0),
            release=labels.get(LABEL_RELEASE, ""),
            cpus=each.get("cpus", 0.0),
            mem_mib=each.get("mem", 0.0),
            hosts=tuple(task.get("host", "") for task in tasks),
            tasks=tuple(task.get("id", "") for task in tasks),
            started=max((task.get("startedAt", "") for task in tasks), default=""),
            running=any(_runs(task) for task in tasks),
            failure=_failure(each.get("lastTaskFailure")),
            definition=each,
        )
    return found


def read_elsewhere(spec: ClusterSpec, listed: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """By address, cpus and MiB that live tasks of other apps take."""
    ours = {app.definition["id"] for app in read_apps(spec, listed).values()}
    found: dict[str, tuple[float, float]] = {}
    for each in listed:
        for task in each.get("tasks", []) if each.get("id") not in ours else []:
            if task.get("state") in LIVE:
                cpus, mem = found.get(task.get("host", ""), (0.0, 0.0))
                found[task.get("host", "")] = (cpus + each.get("cpus", 0.0), mem + each.get("mem", 0.0))
    return found


def read_host(spec: ClusterSpec, node: Node, answer: Any) -> tuple[Host, list[Home]]:
    """What ``jenkinshome.survey`` reported of a node."""
    if isinstance(answer, NodeError):
        return Host(node, error=answer.message), []
    host = Host(
        node=node,
        free_mib=answer["free_mib"],
        size_mib=answer["size_mib"],
        releases=answer["releases"],
        current=answer["current"],
        aside=tuple(answer["aside"]),
    )
    return host, [_home(spec, node, each) for each in answer["homes"]]


def _home(spec: ClusterSpec, node: Node, told: Mapping[str, Any]) -> Home:
    name, problem, marker = told["name"], told["problem"], None
    if not problem:
        try:
            marker = read_marker(told["marker"])
        except ClusterctlError as error:
            problem = error.message
    if marker and (marker.name, marker.cluster) != (name, spec.cluster):
        problem = f"its marker names {marker.name} in cluster {marker.cluster}"
        marker = None
    if marker and told["uid"] != MASTER_UID + marker.slot:
        problem = f"it belongs to uid {told['uid']}, expected {MASTER_UID + marker.slot} of slot {marker.slot}"
    if not problem and told["mode"] & 0o077:
        problem = f"others can enter it: mode {told['mode']:04o}, expected 0700"
    return Home(name, node, marker, problem, str(told["principal"]))


def _runs(task: Mapping[str, Any]) -> bool:
    checks = task.get("healthCheckResults", [])
    return task.get("state") == "TASK_RUNNING" and all(check.get("alive", True) for check in checks)


def _failure(last: Mapping[str, Any] | None) -> str:
    if not last:
        return ""
    state, said = last.get("state", ""), " ".join(str(last.get("message", "")).split())
    return f"{state.removeprefix('TASK_').lower()} at {last.get('timestamp', '?')}{f': {said}' if said else ''}"[:300]
