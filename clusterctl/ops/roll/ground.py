"""What a rolling command stands on: the cluster, its hosts, its drains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from clusterctl import paths
from clusterctl.cloud.base import Cloud
from clusterctl.ops.day2.hosts import AnsibleHosts, Hosts
from clusterctl.ops.day2.inventory import cluster_inventory
from clusterctl.ops.kit.access import Access, open_access
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.observe.look import Cluster
from clusterctl.ops.roll.drain import Drainer, open_drains
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.roll.steps import Roll, Work
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec

Targets = Mapping[Service, Sequence[str]]


@dataclass
class Rolling:
    """What a rolling command stands on; nodes and cloud are asked when they are needed first.

    Attributes:
        line: the command as it was given, without ``--only``.
        timeout_s: for the cluster to be whole again after a step.
        warn: tells a person something at once.
        without: names of agents that are left out, however they are: the operator said so.
    """

    spec: ClusterSpec
    cloud: Cloud
    progress: Progress
    line: str
    timeout_s: float
    warn: Callable[[str], None] = lambda _: None
    without: Sequence[str] = ()

    @property
    def directory(self) -> Path:
        """The cluster's own on this machine; backups lie there."""
        return paths.state_root() / quote(self.spec.cloud, safe="") / self.spec.cluster

    @cached_property
    def cluster(self) -> Cluster:
        """See ``Cluster``."""
        return Cluster(self.spec, self.cloud, self._access.prober, note=self.progress.note, left_out=self.without)

    @cached_property
    def hosts(self) -> Hosts:
        """See ``Hosts``. Raises ClusterctlError if the inventory is not complete."""
        # of one that is left out no key need be known
        inventory = cluster_inventory(self.spec, self.cloud, self._access, self.warn if self.without else None)
        return AnsibleHosts(inventory, paths.data_root(), self.progress)

    @cached_property
    def drainer(self) -> Drainer:
        """See ``Drainer``."""
        servers = self.cloud.servers(self.spec.cluster)
        return Drainer(self.cluster, open_drains(self.spec, servers, self._access))

    def roll(self, work: Work, journal: Journal, overlook: tuple[str, ...] = ()) -> Roll:
        """A roll of that work over the cluster."""
        return Roll(self.cluster, work, journal, self.progress, self.timeout_s, overlook)

    def end(self, roll: Roll, service: Service) -> Journal:
        """The journal of a roll whose steps all went well, once the whole cluster is healthy; raises RollError."""
        with self.progress.phase("verify"):
            roll.ready(service)
        roll.journal.facts["seconds"] = dict(self.progress.seconds)
        return roll.journal

    @cached_property
    def _access(self) -> Access:
        return open_access(self.spec, self.cloud)
