"""Who a load test is to Mesos: an operator where it asks, and a tenant of the cluster where it is a framework."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from clusterctl.errors import ClusterctlError
from clusterctl.jenkins.slots import build_user
from clusterctl.secrets.derive import Keyring
from clusterctl.secrets.mesos import login
from clusterctl.secrets.mesos_files import app_users
from clusterctl.secrets.names import MARATHON, OPERATOR, jenkins_principal
from clusterctl.spec.model import ClusterSpec


@dataclass(frozen=True)
class Who:
    """A framework's identity; ``user`` is its tasks'. ``headers`` hold its secret."""

    user: str
    principal: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Logins:
    """Of a cluster where nobody is asked."""

    @property
    def operator(self) -> Mapping[str, str]:
        """Headers of requests to masters that don't come from a framework."""
        return {}

    def framework(self, number: int, role: str, user: str) -> Who:
        """Of a simulated framework.

        Args:
            number: among the test's.
            user: that its tasks should have.
        """
        return Who(user)


class ClosedLogins(Logins):
    """Of a cluster whose Mesos is closed: frameworks share the principals of the slots of Jenkins masters."""

    def __init__(self, spec: ClusterSpec, keys: Keyring) -> None:
        self._spec, self._keys = spec, keys

    @property
    def operator(self) -> Mapping[str, str]:
        return self._header(OPERATOR)

    def framework(self, number: int, role: str, user: str) -> Who:
        """See ``Logins``; what tasks may run as is a matter of the principal.

        Raises:
            ClusterctlError: nobody may register in that role.
        """
        jenkins = self._spec.jenkins
        if role == self._spec.marathon.role:
            return self._who(app_users(self._spec)[0], MARATHON)
        if jenkins is not None and role == jenkins.role:
            slot = number % jenkins.max_masters + 1
            return self._who(build_user(slot), jenkins_principal(slot))
        raise ClusterctlError(
            f"no framework may register in role {role} of cluster {self._spec.cluster}, whose Mesos is closed",
            hint="Frameworks in the role of Jenkins masters need section `jenkins` in the cluster file.",
        )

    def _who(self, user: str, principal: str) -> Who:
        said, _ = login(principal, self._keys)
        return Who(user, said, self._header(principal))

    def _header(self, principal: str) -> dict[str, str]:
        who, secret = login(principal, self._keys)
        words = f"{who}:{secret.reveal()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(words).decode()}"}
