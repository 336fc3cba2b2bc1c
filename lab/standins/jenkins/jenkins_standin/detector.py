"""The leading Mesos master: from ZooKeeper, or the one address given."""

from __future__ import annotations

import json
import logging
import re
import threading
from typing import TYPE_CHECKING, Any

from .errors import PluginError

if TYPE_CHECKING:
    from kazoo.client import KazooClient

log = logging.getLogger("org.apache.mesos.MasterDetector")
_INFO = re.compile(r"json\.info_\d+")
_ZK = re.compile(r"zk://(?:([^@/]+)@)?([^/@]+)(/.+)?")
_SESSION_S = 10.0  # libmesos' ZooKeeper session


def check(master: str, http_allowed: bool) -> None:
    """Raise PluginError for an address that the plugin's library refuses: libmesos takes no http://."""
    if master.startswith("zk:"):
        found = _ZK.fullmatch(master)
        if not found:
            raise PluginError(f"Failed to create a master detector: {master!r} is no ZooKeeper URL")
        if not (found[3] or "").strip("/"):
            raise PluginError("Expecting a (chroot) path for ZooKeeper ('/' is not supported)")
        return
    bare = re.sub(r"^https?://", "", master) if http_allowed else master
    if not re.fullmatch(r"[^/:\s]+:\d+/?", bare):
        raise PluginError(f"Failed to create a master detector for {master!r}: expecting zk://…/path or host:port")
    if master.startswith("https://"):
        raise PluginError("the stand-in speaks no TLS to Mesos")


def leader_node(children: list[str]) -> str | None:
    """Return the node of the leading master: the lowest ``json.info_<number>`` (Mesos docs/high-availability)."""
    return min((child for child in children if _INFO.fullmatch(child)), default=None)


class Detector:
    """``once``: ZooKeeper is read one time only; after that a master's redirects tell (plugin 2.x)."""

    def __init__(self, master: str, once: bool) -> None:
        """Raises PluginError."""
        check(master, http_allowed=once)
        self._once = once
        self._changed = threading.Condition()
        self._leader: str | None = None
        self._base: str | None = None  # 2.x: where every attempt begins
        self._client: KazooClient | None = None
        self._closed = False
        found = _ZK.fullmatch(master)
        if found:
            self._start(found[2], found[3].rstrip("/"), found[1])
        else:
            self._leader = self._base = re.sub(r"^http://", "", master).rstrip("/")

    def _start(self, hosts: str, path: str, credentials: str | None) -> None:
        from kazoo.client import KazooClient  # noqa: PLC0415 - 8 MB that a master which is not registered saves

        auth = [("digest", credentials)] if credentials else None
        self._client = KazooClient(hosts=hosts, timeout=_SESSION_S, auth_data=auth)
        threading.Thread(target=self._watch, args=[self._client, path], name="detector", daemon=True).start()

    def _watch(self, client: Any, path: str) -> None:
        from kazoo.exceptions import KazooException  # noqa: PLC0415

        connected = client.start_async()
        while not connected.wait(1.0):
            if self._closed:
                return
        try:
            client.retry(client.ensure_path, path)
            client.ChildrenWatch(path, lambda children: self._children(client, path, children))
        except KazooException as exc:
            if not self._closed:
                log.log(logging.ERROR, "ZooKeeper at %s: %r", path, exc)

    def _children(self, client: Any, path: str, children: list[str]) -> bool:
        from kazoo.exceptions import ConnectionLoss, NoNodeError  # noqa: PLC0415

        node, leader = leader_node(children), None
        if node is not None:
            try:
                address = json.loads(client.get(f"{path}/{node}")[0])["address"]
            except (NoNodeError, ConnectionLoss):
                return True  # the children change again, or the connection comes back: we are called again
            leader = f"{address['ip']}:{address['port']}"
        with self._changed:
            self._leader = leader
            self._base = self._base or leader
            self._changed.notify_all()
        return not (self._once and leader is not None)  # False ends the watch

    def leader(self, timeout_s: float) -> str | None:
        """Return host:port once it is known, None when it does not come or this is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._leader is not None or self._closed, timeout_s)
            return self._leader

    def changed(self) -> str | None:
        """Wait for another leader than now; None when this is closed."""
        with self._changed:
            known = self._leader
            self._changed.wait_for(lambda: self._leader != known or self._closed)
            return None if self._closed else self._leader

    def redirected(self, address: str) -> None:
        """A master named the leading one. Only 2.x follows that; libmesos with host:port asks the same one for ever."""
        if self._once:
            with self._changed:
                self._leader = address or self._base
                self._changed.notify_all()

    def failed(self) -> None:
        """An attempt failed: the next one begins where the first did (2.x)."""
        if self._once:
            with self._changed:
                self._leader = self._base

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        client, self._client = self._client, None
        if client is not None:
            client.stop()
            client.close()
