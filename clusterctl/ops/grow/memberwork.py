"""The work on members of ensembles that ``recover`` and ``repair`` take, on real nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusterctl.errors import NodeError
from clusterctl.health.expect import Node
from clusterctl.ops.backup.backup import bring_back
from clusterctl.ops.day2.hosts import AnsibleHosts, ansible_hosts, set_unit
from clusterctl.ops.day2.inventory import cluster_inventory
from clusterctl.ops.kit.run import Run
from clusterctl.ops.observe.look import Look
from clusterctl.remote.members import MemberData, member_data
from clusterctl.services import UNITS, Service


@dataclass(frozen=True)
class RealMemberWork:
    """Implements ``recover.MemberWork`` and ``repairing.ServiceWork``.

    Attributes:
        root: directory with ``playbooks/`` and ``ansible.cfg``.
    """

    run: Run
    root: Path

    def data(
        self, nodes: Sequence[Node], directories: Mapping[Service, Sequence[str]]
    ) -> Mapping[str, MemberData | NodeError]:
        """See ``MemberWork``."""
        return member_data(self.run.access.ssh, nodes, directories)

    def copy_log(self, source: str, targets: Sequence[str]) -> None:
        """See ``MemberWork``."""
        self._hosts().run("copy-log", [source, *targets], {"log_source": source})

    def bring_back(self, look: Look, directory: Path) -> None:
        """See ``MemberWork``."""
        hosts = self._hosts()
        names = [node.name for node in look.expect.running(Service.MARATHON)]
        stop = {"roll_unit": f"{UNITS[Service.MARATHON]}.service", "roll_state": "stopped", "roll_together": True}
        hosts.run("restart", names, stop)
        bring_back(hosts, look, directory)
        for name in names:
            set_unit(hosts, Service.MARATHON, [name], "started")

    def restart(self, service: Service, name: str) -> None:
        """See ``repairing.ServiceWork``."""
        set_unit(self._hosts(), service, [name], "restarted")

    def fresh_data(self, service: Service, name: str) -> None:
        """See ``repairing.ServiceWork``."""
        self._hosts().run("fresh-data", [name], {"roll_unit": f"{UNITS[service]}.service"})

    def _hosts(self) -> AnsibleHosts:
        # a broken agent must not stop it
        inventory = cluster_inventory(self.run.spec, self.run.cloud, self.run.access, self.run.warn)
        return ansible_hosts(self.run, inventory, self.root)
