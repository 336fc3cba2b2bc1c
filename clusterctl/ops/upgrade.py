"""``upgrade``: a newer version of one component or of all, node by node, the cluster healthy before and after each.

Everything that can be known to fail is found before the first node is touched: artifacts on the operator's machine,
then every node of the roll by ``playbooks/upgrade-check.yml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from clusterctl.ansible.playbook import PlaybookError
from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError, InputError
from clusterctl.health.expect import UNITS
from clusterctl.ops.day2.hosts import Hosts, reasons
from clusterctl.ops.kit.parallel import PARALLEL_WRITES
from clusterctl.ops.restart import set_unit
from clusterctl.ops.roll.nodestate import (
    COMPONENTS,
    ZOOKEEPER_PACKAGE,
    NodeState,
    PackageFacts,
    Wanted,
    has,
    obstacles,
    parse_state,
    wrong_step,
)
from clusterctl.ops.roll.order import SERVICES
from clusterctl.ops.upgrade_artifacts import Previous
from clusterctl.releases import Releases, marks
from clusterctl.spec.model import Service


def node_states(hosts: Hosts, names: Sequence[str], packages: Iterable[str], *, refresh: bool) -> dict[str, NodeState]:
    """What is installed and running on nodes; by name.

    Args:
        refresh: asks the package sources for news.

    Raises:
        PlaybookError: one can't be reached or looked at.
    """
    units = [UNITS[service] for service in SERVICES["all"]]
    result = hosts.run(
        "upgrade-check", names, {"roll_packages": list(packages), "roll_units": units, "roll_refresh": refresh}
    )
    found = {
        host: parse_state(host, message.removeprefix("facts "))
        for host, _task, message in result.notes
        if message.startswith("facts ")
    }
    if silent := [name for name in names if name not in found]:
        raise ClusterctlError(f"{', '.join(silent)}: told nothing of what is installed")
    return found


def look_at_nodes(
    hosts: Hosts, targets: Mapping[Service, Sequence[str]], wanted: Mapping[str, Wanted], to: str | None
) -> tuple[dict[str, NodeState], dict[str, Wanted]]:
    """The states of all nodes of a roll, and what is wanted of each component, ZooKeeper's version found out.

    Raises:
        InputError: a version can't be had, or the step to it is not allowed.
        ClusterctlError: an upgrade of some node would fail; all reasons are in the message. Nothing was touched.
    """
    names = list(dict.fromkeys(name for each in targets.values() for name in each))
    packages = [each.package for each in wanted.values() if each.package]
    zookeepers = Service.ZOOKEEPER in targets
    try:
        states = node_states(
            hosts, names, [*packages, *([ZOOKEEPER_PACKAGE] if zookeepers else [])], refresh=zookeepers
        )
    except PlaybookError as error:
        lines = [f"  {name}: {why}" for name, why in reasons(error, names).items()]
        raise ClusterctlError(
            "nodes of this roll can't be looked at; nothing was changed:\n" + "\n".join(lines),
            hint="Mend them, or leave them out with --only.",
        ) from error
    wanted = dict(wanted)
    if zookeepers:
        wanted["zookeeper"] = _zookeeper(states, targets[Service.ZOOKEEPER], to)
    steps = [(name, wanted[COMPONENTS[service]]) for service, each in targets.items() for name in each]
    wrong = [why for name, want in steps if (why := wrong_step(name, states[name], want))]
    if wrong:
        raise InputError("this upgrade is refused; nothing was changed:\n" + "\n".join(f"  {why}" for why in wrong))
    in_the_way = dict.fromkeys(why for name, want in steps for why in obstacles(name, states[name], want))
    if in_the_way:
        raise ClusterctlError(
            "the upgrade would fail halfway; nothing was changed:\n" + "\n".join(f"  {why}" for why in in_the_way)
        )
    return states, wanted


def _zookeeper(states: Mapping[str, NodeState], names: Sequence[str], to: str | None) -> Wanted:
    """ZooKeeper comes from the distribution: its version is what apt offers on every node."""
    if to is not None:
        return Wanted("zookeeper", to, package=ZOOKEEPER_PACKAGE)
    offered = {states[name].packages.get(ZOOKEEPER_PACKAGE, PackageFacts()).candidate for name in names}
    if len(offered) != 1 or "" in offered:
        text = ", ".join(sorted(each or "none" for each in offered))
        raise InputError(f"--to: is missing, and the nodes are offered different versions of ZooKeeper: {text}")
    return Wanted("zookeeper", offered.pop(), package=ZOOKEEPER_PACKAGE)


def unfinished(
    targets: Mapping[Service, Sequence[str]], states: Mapping[str, NodeState], wanted: Mapping[str, Wanted]
) -> dict[Service, list[str]]:
    """What is left: nodes that don't run with what is wanted yet, by service."""
    return {
        service: [name for name in names if not has(states[name], service, wanted[COMPONENTS[service]])]
        for service, names in targets.items()
    }


def stage(hosts: Hosts, left: Mapping[Service, Sequence[str]], wanted: Mapping[str, Wanted]) -> None:
    """Brings the artifacts to all nodes that will get them, while nothing is changed yet.

    Raises:
        ClusterctlError: that failed on some of them.
    """
    for component, want in wanted.items():
        names = list(
            dict.fromkeys(name for each, names in left.items() if COMPONENTS[each] == component for name in names)
        )
        if not names or want.path is None:
            continue
        try:
            hosts.run("stage", names, {"roll_artifact": want.artifact})
        except PlaybookError as error:
            lines = [f"  {name}: {why}" for name, why in reasons(error, names).items()]
            raise ClusterctlError(
                f"{component} {want.version} can't be brought to its nodes; no service was touched:\n"
                + "\n".join(lines),
                hint="Mend them, or leave them out with --only.",
            ) from error


@dataclass(frozen=True)
class Ledger:
    """What each node has, in its server's metadata: nodes that are made later get the same (``releases``)."""

    cloud: Cloud
    cluster: str

    def enter(self, found: Mapping[str, Releases]) -> None:
        """Writes what nodes have, by name; only where something else is written yet.

        Raises:
            CloudError: a call failed; the next upgrade enters it, whatever else it finds to do.
        """
        servers = self.cloud.servers(self.cluster)
        wanted = [(server, marks(found.get(server.node or server.name, {}))) for server in servers]
        todo = [(server.id, each) for server, each in wanted if not each.items() <= server.metadata.items()]
        with ThreadPoolExecutor(PARALLEL_WRITES) as pool:
            for done in [pool.submit(self.cloud.note, server, each) for server, each in todo]:
                done.result()


@dataclass(frozen=True)
class Upgrade:
    """The work of an upgrade (``roll.steps.Work``).

    Attributes:
        states: of the nodes before the roll.
        previous: finds the artifact that a node had.
    """

    hosts: Hosts
    ledger: Ledger
    wanted: Mapping[str, Wanted]
    states: Mapping[str, NodeState]
    previous: Previous
    verb: str = "upgrade"

    def apply(self, service: Service, names: Sequence[str]) -> None:
        """See ``Work``."""
        want = self.wanted[COMPONENTS[service]]
        self._install(service, names, want)
        if want.release:
            self.ledger.enter({name: {want.component: want.release} for name in names})

    def put_back(self, service: Service, name: str) -> str:
        """See ``Work``: the old version, if the step has touched it and a copy is at hand."""
        component = COMPONENTS[service]
        before, now = self.states[name], self.state(name)
        old = before.version(component)
        package = self.wanted[component].package
        if now.version(component) == old and before.packages.get(package) == now.packages.get(package):
            set_unit(self.hosts, service, [name], "started")
            return ""
        note = self._go_back(service, name, old, now)
        self.ledger.enter({name: self.state(name).releases})
        return note

    def _go_back(self, service: Service, name: str, old: str, now: NodeState) -> str:
        """See ``put_back``."""
        component = COMPONENTS[service]
        try:
            if not self._reinstall(service, name, old):
                set_unit(self.hosts, service, [name], "restarted")
                return (
                    f"with {component} {now.version(component)}, as no copy of {component} {old} is at hand; "
                    "--previous names an older artifacts file"
                )
        except PlaybookError as error:
            set_unit(self.hosts, service, [name], "started")
            return f"with what is installed, as going back to {component} {old} failed: {reasons(error, [name])[name]}"
        return f"with {component} {old} again"

    def state(self, name: str) -> NodeState:
        """Of a node now. Raises PlaybookError."""
        packages = [each.package for each in self.wanted.values() if each.package]
        return node_states(self.hosts, [name], packages, refresh=False)[name]

    def marathon_back(self, name: str) -> None:
        """Makes the Marathon that a node had before the roll the current one again. Raises PlaybookError."""
        record = self.states[name].records["marathon"]
        self.hosts.run("marathon-back", [name], {"roll_version": record.version, "roll_sha256": record.sha256})
        self.ledger.enter({name: self.states[name].releases})

    def _reinstall(self, service: Service, name: str, old: str) -> bool:
        """Whether the old version could be had."""
        component = COMPONENTS[service]
        if component == "marathon":
            self.marathon_back(name)
            set_unit(self.hosts, service, [name], "restarted")
            return True
        want = replace(self.wanted[component], version=old)
        if component == "mesos":
            sha256 = self.states[name].records["mesos"].sha256
            path = self.previous(component, sha256)
            if path is None:
                return False
            want = replace(want, sha256=sha256, path=path)
        self._install(service, [name], want, roll_force=True)
        return True

    def _install(self, service: Service, names: Sequence[str], want: Wanted, **more: object) -> None:
        unit = {"roll_unit": f"{UNITS[service]}.service", "roll_state": "restarted"}
        self.hosts.run("upgrade", names, want.variables() | unit | more)
