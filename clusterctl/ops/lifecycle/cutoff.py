"""After rules of security groups went: who was cut off by that comes back, or is restarted.

Neutron forgets the connections that a rule had let in when the rule goes, and connections between members that other
rules let in still may go with them, without a word to either end. Members mostly notice within a minute
(docs/reliability.md); one that doesn't stays out although a new connection would work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clusterctl import paths
from clusterctl.errors import UnhealthyError
from clusterctl.health.leaders import takes_part
from clusterctl.ops.day2.hosts import ansible_hosts, set_unit
from clusterctl.ops.day2.inventory import cluster_inventory
from clusterctl.ops.kit.run import Run
from clusterctl.ops.observe.look import Cluster, Look
from clusterctl.ops.observe.majority import others_serve
from clusterctl.ops.observe.verify import VerifyReport, WaitHealthy
from clusterctl.services import ENSEMBLES, UNITS, Service

# Restarts a service on one node; raises ClusterctlError
Restart = Callable[[Service, str], None]

_SERVES_S = 180.0  # for a member that was restarted: a start, an election, a sync


@dataclass(frozen=True)
class CutOff:
    """Waits for a cluster of which rules were deleted.

    Attributes:
        restart: None: with Ansible, on the real nodes.
    """

    run: Run
    wait_healthy: WaitHealthy
    restart: Restart | None = None

    def settle(self, *, fresh: bool) -> VerifyReport:
        """Returns once the cluster is healthy; restarts members that stay out, one after the other, if need be.

        Args:
            fresh: servers were just made, and may take their time first. Else members may take two minutes; what ends
                when it loses ZooKeeper (Marathon) has more time afterwards.

        Raises:
            UnhealthyError: it doesn't come.
            ClusterctlError: a restart failed.
        """
        spec = self.run.spec
        try:
            return self.wait_healthy(spec, fresh)
        except UnhealthyError:
            left = stuck(self._look())
            if fresh and not left:
                raise
        done: set[tuple[Service, str]] = set()
        while todo := [each for each in left if each not in done]:
            self._bring_back(*todo[0])
            done.add(todo[0])
            left = stuck(self._look())
        return self.wait_healthy(spec, True)

    def _bring_back(self, service: Service, name: str) -> None:
        def serves() -> bool:
            look = self._look()
            return any(
                node.name == name and takes_part(service, look.expect, node, look.facts.get(name))
                for node in look.expect.running(service)
            )

        with self.run.progress.phase(f"restart {service} on {name}, which was cut off"):
            (self.restart or self._restart)(service, name)
            self.run.waiter.until(serves, what=f"{service} on {name} to take part", timeout_s=_SERVES_S)

    def _look(self) -> Look:
        return Cluster(self.run.spec, self.run.cloud, self.run.access.prober, self.run.waiter).look()

    def _restart(self, service: Service, name: str) -> None:
        inventory = cluster_inventory(self.run.spec, self.run.cloud, self.run.access, self.run.warn)
        set_unit(ansible_hosts(self.run, inventory, paths.data_root()), service, [name], "restarted")


def stuck(look: Look) -> list[tuple[Service, str]]:
    """Members that run and take no part, although the others are a majority that does: a restart takes nothing away."""
    return [
        (service, node.name)
        for service in ENSEMBLES
        for node in look.expect.running(service)
        if (seen := look.facts.get(node.name)) is not None
        and not seen.error
        and seen.units.get(UNITS[service], "") in ("", "active")  # asked of silent ones only
        and not takes_part(service, look.expect, node, seen)
        and others_serve(look, service, node.name)
    ]
