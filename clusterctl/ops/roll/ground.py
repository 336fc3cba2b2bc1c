"""What a rolling command stands on: the cluster, its hosts, its drains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from clusterctl import paths
from clusterctl.ops.day2.hosts import Hosts, ansible_hosts
from clusterctl.ops.day2.inventory import cluster_inventory
from clusterctl.ops.kit.run import Run
from clusterctl.ops.observe.look import Cluster
from clusterctl.ops.roll.drain import Drainer, open_drains
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.roll.steps import Patience, Roll, Work
from clusterctl.services import Service

Targets = Mapping[Service, Sequence[str]]


@dataclass
class Rolling:
    """What a rolling command stands on; nodes and cloud are asked when they are needed first.

    Attributes:
        timeout_s: for the cluster to recover after a step; None for what each service needs.
        without: names of agents that are left out, however they are: the operator said so.
    """

    run: Run
    timeout_s: float | None
    without: Sequence[str] = ()

    @property
    def directory(self) -> Path:
        """The cluster's own on this machine; backups lie there."""
        return paths.state_root() / quote(self.run.spec.cloud, safe="") / self.run.spec.cluster

    @cached_property
    def cluster(self) -> Cluster:
        """See ``Cluster``."""
        run = self.run
        return Cluster(run.spec, run.cloud, run.access.prober, run.waiter, run.progress.note, self.without)

    @cached_property
    def hosts(self) -> Hosts:
        """See ``Hosts``. Raises ClusterctlError if the inventory is not complete."""
        run = self.run
        # of one that is left out no key need be known
        inventory = cluster_inventory(run.spec, run.cloud, run.access, run.warn if self.without else None)
        return ansible_hosts(run, inventory, paths.data_root())

    @cached_property
    def drainer(self) -> Drainer:
        """See ``Drainer``."""
        servers = self.run.cloud.servers(self.run.spec.cluster)
        return Drainer(self.cluster, open_drains(self.run.spec, servers, self.run.access, self.run.waiter))

    def roll(self, work: Work, journal: Journal, overlook: tuple[str, ...] = ()) -> Roll:
        """A roll of that work over the cluster."""
        return Roll(self.cluster, work, journal, self.run.progress, Patience(self.timeout_s), overlook)

    def end(self, roll: Roll, service: Service) -> Journal:
        """The journal of a roll whose steps all went well, once the whole cluster is healthy; raises RollError."""
        with self.run.progress.phase("verify"):
            roll.ready(service)
        roll.journal.facts["seconds"] = dict(self.run.progress.seconds)
        return roll.journal
