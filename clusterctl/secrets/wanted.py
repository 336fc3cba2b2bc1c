"""What the files of a node are made from."""

from __future__ import annotations

from dataclasses import dataclass

from clusterctl.secrets.derive import Keyring
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import Addresses


@dataclass(frozen=True)
class Wanted:
    """A group of nodes whose files with secrets are wanted.

    Attributes:
        at: of the control services.
    """

    spec: ClusterSpec
    group: str
    keys: Keyring
    at: Addresses

    def runs(self, service: Service) -> bool:
        """Whether the group's nodes run ``service``."""
        return service in self.spec.groups[self.group].services
