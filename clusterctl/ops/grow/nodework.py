"""The work on nodes that a change of members takes: files by ``playbooks/site.yml``, restarts by a roll."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusterctl.ops.day2.configure import pending_restarts
from clusterctl.ops.day2.hosts import AnsibleHosts, ansible_hosts, set_unit
from clusterctl.ops.day2.inventory import cluster_inventory
from clusterctl.ops.grow.members import Pending
from clusterctl.ops.kit.run import Run
from clusterctl.ops.observe.look import Cluster
from clusterctl.ops.roll import gates
from clusterctl.ops.roll.order import batch_size
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.roll.restart import Restart, StepDown
from clusterctl.ops.roll.steps import Roll, Work
from clusterctl.ops.roll.window import roll_service
from clusterctl.services import UNITS, Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import topology

AGENTS_AT_ONCE = "20%"


@dataclass(frozen=True)
class RollingWork:
    """Implements ``members.NodeWork`` on real nodes.

    Attributes:
        data: directory with ``playbooks/`` and ``ansible.cfg``.
    """

    run: Run
    data: Path

    def configure(self, spec: ClusterSpec, names: Sequence[str] | None, master_quorum: int | None) -> Pending:
        """See ``NodeWork``."""
        variables: dict[str, int | bool] = {"zookeeper_members_change": names is not None}
        if master_quorum is not None:
            variables["mesos_master_quorum"] = master_quorum
        with self.run.progress.phase("configure"):
            servers = self.run.cloud.servers(spec.cluster)
            self.run.delivery.settle(spec, servers, None if names is None else frozenset(names))
            result = self._hosts(spec).run("site", ["all"] if names is None else names, variables)
        service_of = {unit: service for service, unit in UNITS.items()}
        found: dict[Service, list[str]] = {}
        for name, unit in pending_restarts(result):
            found.setdefault(service_of[unit.removesuffix(".service")], []).append(name)
        return found

    def roll(self, spec: ClusterSpec, service: Service, names: Sequence[str]) -> None:
        """See ``NodeWork``."""
        roll = self._roll(spec, service, names, Restart(self._hosts(spec)))
        out = names if service is Service.ZOOKEEPER else ()
        roll_service(roll, service, names, batch=batch_size(AGENTS_AT_ONCE, len(names)), max_failures=0, out=out)

    def step_down(self, spec: ClusterSpec, name: str) -> None:
        """See ``NodeWork``."""
        if self.leader(spec, Service.ZOOKEEPER) not in (None, name):
            # a run that was killed left it stopped, or it is out until others are restarted
            set_unit(self._hosts(spec), Service.ZOOKEEPER, [name], "started")
            return
        work = StepDown(self._hosts(spec), cluster=self._cluster(spec))
        everyone = [node.name for node in topology(spec).running(Service.ZOOKEEPER)]
        self._roll(spec, Service.ZOOKEEPER, [name], work).members(Service.ZOOKEEPER, [name], out=everyone)

    def leader(self, spec: ClusterSpec, service: Service) -> str | None:
        """See ``NodeWork``."""
        return self._cluster(spec).look().leader(service)

    def out(self, spec: ClusterSpec) -> Collection[str]:
        """See ``NodeWork``."""
        look = self._cluster(spec).look()
        return gates.out(look, Service.ZOOKEEPER) or gates.leaderless(look, Service.ZOOKEEPER)

    def _cluster(self, spec: ClusterSpec) -> Cluster:
        return Cluster(spec, self.run.cloud, self.run.access.prober, note=self.run.progress.note)

    def _roll(self, spec: ClusterSpec, service: Service, names: Sequence[str], work: Work) -> Roll:
        journal = Journal(spec.cluster, f"restart of {service}", lambda _left: str(self.run.command))
        journal.plan(service, names)
        return Roll(self._cluster(spec), work, journal, self.run.progress)

    def _hosts(self, spec: ClusterSpec) -> AnsibleHosts:
        return ansible_hosts(self.run, cluster_inventory(spec, self.run.cloud, self.run.access), self.data)
