"""The work of an upgrade on a node, the way back from it, and the record of what each node has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clusterctl.ansible.playbook import PlaybookError
from clusterctl.cloud.base import Cloud
from clusterctl.ops.day2.hosts import Hosts, reasons, set_unit
from clusterctl.ops.kit.parallel import for_each
from clusterctl.ops.upgrade.artifacts import Previous
from clusterctl.ops.upgrade.nodestate import NodeState, WantedArtifact
from clusterctl.ops.upgrade.survey import node_states
from clusterctl.releases import Releases, marks
from clusterctl.services import COMPONENTS, UNITS, Service


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
        for_each(lambda each: self.cloud.set_metadata(*each), todo)


@dataclass(frozen=True)
class Upgrade:
    """The work of an upgrade (``roll.steps.Work``).

    Attributes:
        states: of the nodes before the roll.
        previous: finds the artifact that a node had.
    """

    hosts: Hosts
    ledger: Ledger
    wanted: Mapping[str, WantedArtifact]
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
            return (
                f"with what is installed, as rolling back to {component} {old} failed: {reasons(error, [name])[name]}"
            )
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

    def _install(self, service: Service, names: Sequence[str], want: WantedArtifact, **more: object) -> None:
        unit = {"roll_unit": f"{UNITS[service]}.service", "roll_state": "restarted"}
        self.hosts.run("upgrade", names, want.variables() | unit | more)
