"""The step by which nodes get their files with secrets; all that make, find again or configure nodes share it.

While new nodes boot, ``bring`` is called again and again (``observe.verify.wait_healthy``): it gives files to those
that can be reached and did not get theirs in this run. Control nodes come first: where they keep the cluster's key, an
agent gets nothing before a majority of them has it (``clusterkey``). Nothing is written to the cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit import clusterkey
from clusterctl.ops.kit.access import Access, target_of
from clusterctl.ops.kit.credentials import attempt, deliver
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.resources import Server
from clusterctl.secrets.derive import Keyring
from clusterctl.secrets.epochs import FIRST, Epochs, furthest
from clusterctl.secrets.files import SecretFile
from clusterctl.secrets.nodes import credentials_for
from clusterctl.secrets.secret import Secret
from clusterctl.services import CONTROL_SERVICES
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.config import Target
from clusterctl.topology import Addresses, quorum, topology
from clusterctl.variables import control_addresses

PATIENCE_S = 90.0  # for control nodes that don't answer yet, when a majority does


class Delivery:
    """Of one command.

    Args:
        guard: holds the lock under which a key is made.
        note: told of what a person should know.
    """

    def __init__(
        self, cloud: Cloud, access: Access, guard: Guard, *, note: Callable[[str], None], waiter: Waiter | None = None
    ) -> None:
        self.failed: dict[str, str] = {}  # node name -> why it lacks its files still
        self._cloud, self._access, self._guard = cloud, access, guard
        self._note = note
        self._clock = (waiter or Waiter()).clock
        self._key: Secret | None = None
        self._given: Secret | None = None  # asked for once: it may be a vault
        self._epochs: Epochs | None = None
        self._holders: set[str] = set()  # ids of control servers that have the key
        self._done: set[str] = set()
        self._found = clusterkey.Found()
        self._asked_since: float | None = None
        self._at: tuple[ClusterSpec, Addresses] | None = None

    def bring(self, spec: ClusterSpec, servers: Sequence[Server], wanting: Collection[str]) -> None:
        """One try, for nodes that boot.

        Args:
            servers: all of the cluster.
            wanting: ids of those that may lack their files.

        Raises:
            ClusterctlError: the key is lost, control nodes have different ones, or another command holds the lock; one
                that is only not there yet, and nodes that can't be reached yet, are no error.
        """
        if not spec.has_secrets:
            return
        pinned = self._access.host_keys.known_hosts.aliases()
        known = [server for server in servers if server.group in spec.groups]  # others are no business of the file
        reached = [server for server in known if server.status == "ACTIVE" and server.id in pinned]
        lacking = [server for server in reached if server.id in wanting and server.id not in self._done]
        if not lacking:
            return
        control = [server for server in servers if is_control(server)]
        if self._key is None and not self._find_key(spec, control, [s for s in reached if is_control(s)]):
            return
        self._give(spec, filter(is_control, lacking))
        if spec.secrets.source != "control" or len(self._holders) >= quorum(len(control)):
            self._give(spec, (server for server in lacking if not is_control(server)))

    def keyring(self, spec: ClusterSpec, servers: Sequence[Server]) -> Keyring:
        """The secrets of a cluster that is there; asks its control nodes if need be.

        Raises:
            ClusterctlError: the key can't be had.
        """
        if self._key is None:
            self._key = clusterkey.given_key(spec, self._cloud)
        if self._key is None:
            found = self._asked(servers, control=True)
            self._key = clusterkey.agreed(spec.cluster, found)
            if self._key is None:
                members = len(found.fresh) + len(found.bare) + len(found.silent)
                clusterkey.may_make(spec.cluster, found, members, patient=True)
                raise clusterkey.missing(spec.cluster, found)
            self._epochs = self._epochs or furthest(found.epochs.values())
        if self._epochs is None:
            # others are asked only where no control node tells, as in a recovery
            told = self._asked(servers, control=True).epochs or self._asked(servers, control=False).epochs
            self._epochs = furthest(told.values())
        return Keyring(spec.cluster, self._key, self._epochs)

    def turn(self, epochs: Epochs) -> None:
        """From now on nodes get the secrets of these epochs. Held is the cluster's lock."""
        self._epochs = epochs

    def _asked(self, servers: Sequence[Server], *, control: bool) -> clusterkey.Found:
        targets = [target_of(s) for s in servers if is_control(s) is control and s.status == "ACTIVE"]
        return clusterkey.ask_nodes(self._access, list(filter(self._access.host_keys.find, targets)))

    def begin(self, spec: ClusterSpec, servers: Sequence[Server], *, untouched: bool) -> None:
        """The key of a cluster that is to be closed: the one that it has, or a new one, which is nowhere yet.

        Held is the cluster's lock.

        Args:
            servers: all of the cluster.
            untouched: no node has a file with secrets.

        Raises:
            ClusterctlError: the key can't be had; or it is lost, since nodes have what was derived from one.
        """
        if spec.secrets.source == "barbican":
            # with files on nodes, one that isn't there is lost
            clusterkey.store_key(spec, self._cloud, () if untouched else servers)
        self._key = self._key or clusterkey.given_key(spec, self._cloud)
        if self._key is not None:
            self.keyring(spec, servers)
            return
        control = [target_of(server) for server in servers if is_control(server)]
        found = clusterkey.ask_nodes(self._access, list(filter(self._access.host_keys.find, control)))
        self._key = clusterkey.agreed(spec.cluster, found)
        if self._key is None:
            if len(found.fresh) + len(found.bare) < len(control):
                raise clusterkey.missing(spec.cluster, found)
            if not untouched:
                clusterkey.may_make(spec.cluster, found, len(control), patient=True)
            self._key = clusterkey.make_key()
            self._note("made the cluster's key; its control nodes keep it")
        self._epochs = furthest(found.epochs.values())

    def settle(
        self,
        spec: ClusterSpec,
        servers: Sequence[Server],
        names: Collection[str] | None = None,
        *,
        look: bool = False,
    ) -> dict[str, list[str]]:
        """Gives nodes of a running cluster what they should have; by node name, the paths that changed.

        Args:
            servers: all of the cluster.
            names: of servers or nodes; None for all that run.
            look: writes nothing; tells what would change.

        Raises:
            ClusterctlError: the key can't be had.
            NodeError: nodes could not be reached; the others have their files.
        """
        if not spec.has_secrets:
            return {}
        keys = self.keyring(spec, servers)
        files = {
            target_of(server): self._files(spec, server, keys)
            for server in servers
            if server.status == "ACTIVE" and server.group in spec.groups
            if names is None or {server.name, server.node} & set(names)
        }
        return deliver(self._access, files, look=look)

    def _find_key(self, spec: ClusterSpec, control: Sequence[Server], reached: Sequence[Server]) -> bool:
        self._given = self._given or clusterkey.given_key(spec, self._cloud)
        if not reached:
            return False
        if self._asked_since is None:
            self._asked_since = self._clock()
        if self._given is not None:
            self._found = clusterkey.ask_nodes(self._access, list(map(target_of, reached)))
            self._epochs = clusterkey.known_epochs(self._found, len(control), patient=self._patient())
            self._key = self._given if self._epochs else None
            return self._key is not None
        if self._ask(spec, reached):
            return True
        if not self._may_make(spec, control):
            return False
        with self._locked(spec):
            # another command may have made one until now
            if not self._ask(spec, reached) and self._may_make(spec, control):
                self._key = clusterkey.make_key()
                self._note("made the cluster's key; its control nodes keep it")
                self._give(spec, reached)
        return self._key is not None

    def _ask(self, spec: ClusterSpec, reached: Sequence[Server]) -> bool:
        self._found = clusterkey.ask_nodes(self._access, list(map(target_of, reached)))
        self._key = clusterkey.agreed(spec.cluster, self._found)
        self._epochs = furthest(self._found.epochs.values())
        self._holders = {server.id for server in reached if target_of(server).name in self._found.keys}
        return self._key is not None

    def _may_make(self, spec: ClusterSpec, control: Sequence[Server]) -> bool:
        return clusterkey.may_make(spec.cluster, self._found, len(control), patient=self._patient())

    def _patient(self) -> bool:
        asked = self._asked_since if self._asked_since is not None else self._clock()
        return self._clock() < asked + PATIENCE_S

    def _locked(self, spec: ClusterSpec) -> AbstractContextManager[None]:
        return nullcontext() if spec.cluster in self._guard.held else self._guard.hold(spec.cluster, self._cloud)

    def _give(self, spec: ClusterSpec, servers: Iterable[Server]) -> None:
        assert self._key is not None  # noqa: S101  (the callers')
        keys = Keyring(spec.cluster, self._key, self._epochs or FIRST)
        by_target: dict[Target, Server] = {target_of(s): s for s in servers if s.id not in self._done}
        if not by_target:
            return
        done = attempt(self._access, {target: self._files(spec, s, keys) for target, s in by_target.items()})
        for target, server in by_target.items():
            if target.name in done.changed:
                self.failed.pop(target.name, None)
                self._done.add(server.id)
                if is_control(server):
                    self._holders.add(server.id)
        self.failed |= done.failed

    def _files(self, spec: ClusterSpec, server: Server, keys: Keyring) -> list[SecretFile]:
        return credentials_for(spec, server.group, keys, self._addresses(spec))

    def _addresses(self, spec: ClusterSpec) -> Addresses:
        if self._at is None or self._at[0] != spec:
            ports = self._cloud.ports(spec.cluster)
            known = {port.name for port in ports}
            if lacking := [node.name for node in topology(spec).nodes if node.name not in known]:
                raise ClusterctlError(
                    f"cluster {spec.cluster} is not complete: no port for {', '.join(lacking)}",
                    hint="`clusterctl create FILE` completes it.",
                )
            self._at = spec, control_addresses(topology(spec), ports)
        return self._at[1]


def is_control(server: Server) -> bool:
    """Whether the node runs a service of the control plane, and so keeps the cluster's key."""
    return any(service in server.services for service in CONTROL_SERVICES)
