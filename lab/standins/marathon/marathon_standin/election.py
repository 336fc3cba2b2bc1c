"""Leader election where Marathon does it: Curator's LeaderLatch at ``<path>/leader-curator``.

Each participant has an ephemeral, sequential node ``_c_<uuid>-latch-<number>`` whose data is its host:port; the one
with the lowest number leads. So anything that looks for Marathon's leader in ZooKeeper finds the stand-in's. With
credentials, the latch's node is still for everybody to read, but not the participants' (RichCuratorFramework's
ACLProvider).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NoNodeError
from kazoo.retry import KazooRetry
from kazoo.security import READ_ACL_UNSAFE

from .exits import Crash, Exit

log = logging.getLogger(__name__)


def in_order(children: Sequence[str]) -> list[str]:
    """Return the latch nodes among ``children``, the leader's first (Curator sorts by what follows "latch-")."""
    return sorted((c for c in children if "latch-" in c), key=lambda name: name.rpartition("latch-")[2])


class LeaderLatch:
    """Takes part in the election from ``start`` to ``close``.

    ``on_change(leader)`` gets the leader's host:port, or None while there is none, on every change;
    ``on_crash`` gets the Crash that the process must end with. Both run in kazoo's threads.
    """

    def __init__(
        self,
        client: KazooClient,
        path: str,
        host_port: str,
        on_change: Callable[[str | None], None],
        on_crash: Callable[[Crash], None],
    ) -> None:
        self._client, self._path, self._host_port = client, f"{path}/leader-curator", host_port
        self._on_change, self._on_crash = on_change, on_crash
        self._node: str | None = None
        self._closed = False

    def start(self) -> None:
        """Join. Raises Crash if another process takes part under the same host:port, as Marathon does."""
        self._client.retry(self._client.ensure_path, self._path.rpartition("/")[0])
        acl = [*self._client.default_acl, *READ_ACL_UNSAFE]
        self._client.retry(self._client.ensure_path, self._path, acl)
        self._node = self._create()
        log.info("Takes part in the election as %s, node %s", self._host_port, self._node)
        children = self._client.get_children(self._path)
        if sum(1 for child in in_order(children) if self._data(child) == self._host_port) > 1:
            self.close()
            raise Crash(
                Exit.LEADERSHIP_ENDED_FAULTY,
                f"Multiple election participants have the same ID: {self._host_port}. This is not allowed."
                " (After a kill -9, the old one goes when its ZooKeeper session times out.)",
            )
        self._client.ChildrenWatch(self._path, self._changed)

    def _create(self) -> str:
        """Create our node once, even if the connection is lost before the answer (Curator's protected mode)."""
        prefix = f"_c_{uuid.uuid4()}-latch-"

        def attempt() -> str:
            for child in self._client.get_children(self._path):
                if child.startswith(prefix):
                    return str(child)
            created = self._client.create(
                f"{self._path}/{prefix}", self._host_port.encode(), ephemeral=True, sequence=True
            )
            return str(created).rpartition("/")[2]

        retry = KazooRetry(max_tries=5, delay=0.2, ignore_expire=False)
        return str(retry(attempt))

    def _data(self, child: str) -> str | None:
        try:
            return bytes(self._client.get(f"{self._path}/{child}")[0]).decode()
        except NoNodeError:
            return None

    def _changed(self, children: Sequence[str]) -> bool | None:
        if self._closed:
            return False  # ends the watch
        ordered = in_order(children)
        if self._node not in ordered:
            self._on_crash(Crash(Exit.LEADERSHIP_LOSS, "our node of the election is gone"))
            return False
        try:
            # A leader that goes between the two reads changes the children again, and we are called again.
            self._on_change(self._data(ordered[0]))
        except ConnectionLoss:
            log.info("Connection to ZooKeeper lost while looking for the leader")
        return None

    def close(self) -> None:
        """Leave, so that the next one leads at once and not only when our session times out."""
        self._closed = True
        node, self._node = self._node, None
        if node is not None:
            try:
                self._client.delete(f"{self._path}/{node}")
            except NoNodeError:
                log.debug("node %s of the election was gone already", node)
