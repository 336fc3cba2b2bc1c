"""Tells the leading Mesos master of agents that were replaced or whose servers were deleted, so that what ran there is
started elsewhere at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice

from clusterctl.health.expect import Expected
from clusterctl.health.facts import NodeFacts
from clusterctl.health.marathon import replaced_agents
from clusterctl.health.mesos import stray_agents
from clusterctl.ops.kit.access import Access
from clusterctl.remote.masters import MasterError, Masters, SshMasters, gone_call, hosts_call
from clusterctl.resources import Server
from clusterctl.secrets.logins import operator_logins
from clusterctl.services import PORTS, Service
from clusterctl.spec.model import ClusterSpec

_AT_ONCE = 50  # agents a look: a control node asks them all at the same time


class Farewell:
    """Of one command, which holds the cluster's lock.

    Args:
        used: those of the given addresses that a port has (``Cloud.used_addresses``).
        note: told of what is waited for.
        masters: the masters of a cluster; None: asked over ssh.
    """

    def __init__(
        self,
        spec: ClusterSpec,
        access: Access,
        used: Callable[[Collection[str]], set[str]],
        note: Callable[[str], None],
        masters: Callable[[Expected], Masters] | None = None,
    ) -> None:
        self._spec, self._access, self._used, self._note = spec, access, used, note
        self._masters = masters or self._over_ssh
        self._told: set[str] = set()
        self._alive: set[str] = set()

    def tell(self, expect: Expected, facts: Mapping[str, NodeFacts], servers: Sequence[Server]) -> None:
        """Once of each agent; a master that can't be asked now is asked with the next look.

        Args:
            servers: all of the cluster.

        Raises:
            CloudError: the ports of addresses can't be listed.
        """
        replaced = replaced_agents(expect, facts)
        portless = self._portless(expect, facts, servers)
        if not portless and not set(replaced) - self._told:
            return
        masters = self._masters(expect)
        try:
            gone = dict.fromkeys([*replaced, *self._silent(masters, portless)])
            if calls := [gone_call(agent) for agent in gone if agent not in self._told]:
                masters.call(calls)
        except MasterError as error:
            self._note(f"agents whose servers are gone can't be marked so yet: {error.message}")
        else:
            self._told |= set(gone)

    def _portless(self, expect: Expected, facts: Mapping[str, NodeFacts], servers: Sequence[Server]) -> dict[str, str]:
        """Id -> address of the cluster's agents that have neither a server nor a port.

        Neutron is asked since Nova's list may lack what is there: a cell that is down takes its servers from it, and
        a server's addresses are those of a cache.
        """
        stray = stray_agents(expect, facts, {server.address for server in servers if server.address})
        left = {agent: address for agent, address in stray.items() if agent not in self._told | self._alive}
        left = dict(islice(left.items(), _AT_ONCE))
        used = self._used(set(left.values())) if left else set()
        return {agent: address for agent, address in left.items() if address not in used}

    def _silent(self, masters: Masters, agents: Mapping[str, str]) -> list[str]:
        """Those at whose address nobody answers. A host that is not OpenStack's has no port either, and may live."""
        if not agents:
            return []
        port = PORTS[Service.MESOS_AGENT]
        [answers] = masters.call([hosts_call([f"{address}:{port}" for address in agents.values()])])
        self._alive |= {agent for agent, answered in zip(agents, answers, strict=True) if answered}
        return [agent for agent in agents if agent not in self._alive]

    def _over_ssh(self, expect: Expected) -> Masters:
        nodes = expect.running(Service.MESOS_MASTER)
        return SshMasters(self._access.ssh, self._access.host_keys, nodes, operator_logins(self._spec))
