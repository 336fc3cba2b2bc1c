"""``restart``: one service, node by node, with the cluster healthy before and after each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clusterctl.health.expect import UNITS
from clusterctl.ops.day2.hosts import Hosts
from clusterctl.spec.model import Service


@dataclass(frozen=True)
class Restart:
    """The work of a restart; putting a node back is starting its unit (``roll.steps.Work``)."""

    hosts: Hosts
    verb: str = "restart"

    def apply(self, service: Service, names: Sequence[str]) -> None:
        """See ``Work``."""
        set_unit(self.hosts, service, names, "restarted")

    def put_back(self, service: Service, name: str) -> str:
        """See ``Work``."""
        set_unit(self.hosts, service, [name], "started")
        return ""


def set_unit(hosts: Hosts, service: Service, names: Sequence[str], state: str) -> None:
    """Brings the unit of a service to a state on some nodes.

    Args:
        state: ``started``, ``restarted`` or ``stopped`` (Ansible's module systemd_service).

    Raises:
        PlaybookError: it failed on one of them.
    """
    hosts.run("restart", names, {"roll_unit": f"{UNITS[service]}.service", "roll_state": state})
