"""Tells the leading Mesos master of agents that were replaced, so that what ran there is started on the new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clusterctl.health.expect import Expected
from clusterctl.health.facts import NodeFacts
from clusterctl.health.marathon import replaced_agents
from clusterctl.ops.kit.access import Access
from clusterctl.remote.masters import MasterError, Masters, SshMasters, gone_call
from clusterctl.secrets.logins import operator_logins
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec


class Farewell:
    """Of one command, which holds the cluster's lock.

    Args:
        note: told of what is waited for.
        masters: the masters of a cluster; None: asked over ssh.
    """

    def __init__(
        self,
        spec: ClusterSpec,
        access: Access,
        note: Callable[[str], None],
        masters: Callable[[Expected], Masters] | None = None,
    ) -> None:
        self._spec, self._access, self._note = spec, access, note
        self._masters = masters or self._over_ssh
        self._told: set[str] = set()

    def tell(self, expect: Expected, facts: Mapping[str, NodeFacts]) -> None:
        """Once of each agent; a master that can't be asked now is asked with the next look."""
        gone = [agent for agent in replaced_agents(expect, facts) if agent not in self._told]
        if not gone:
            return
        try:
            self._masters(expect).call([gone_call(each) for each in gone])
        except MasterError as error:
            self._note(f"agents that were replaced can't be marked gone yet: {error.message}")
        else:
            self._told |= set(gone)

    def _over_ssh(self, expect: Expected) -> Masters:
        nodes = expect.running(Service.MESOS_MASTER)
        return SshMasters(self._access.ssh, self._access.host_keys, nodes, operator_logins(self._spec))
