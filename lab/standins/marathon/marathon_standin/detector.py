"""Finding the leading Mesos master: from ZooKeeper as libmesos does, or the one address given."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Sequence
from datetime import datetime

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss, NoNodeError

from .config import parse_zk_url

log = logging.getLogger(__name__)
_INFO = re.compile(r"json\.info_\d+")


def leader_node(children: Sequence[str]) -> str | None:
    """Return the node of the leading master: the lowest ``json.info_<number>`` (Mesos docs/high-availability)."""
    nodes = sorted(child for child in children if _INFO.fullmatch(child))
    return nodes[0] if nodes else None


def address_of(info: bytes) -> str:
    """Return host:port out of a master's node (MasterInfo as JSON)."""
    address = json.loads(info)["address"]
    return f"{address['ip']}:{address['port']}"


class MasterDetector:
    """``leader`` is the leading master's host:port, None while there is none."""

    def __init__(self, master: str, session_timeout_s: float) -> None:
        self._changed = threading.Condition()
        self._leader: str | None = None
        self._client: KazooClient | None = None
        if master.startswith("zk:"):
            url = parse_zk_url(master)
            self._path = url.path
            auth = [("digest", url.credentials)] if url.credentials else []
            self._client = KazooClient(hosts=url.hosts, timeout=session_timeout_s, auth_data=auth)
        else:
            self._leader = master.removeprefix("http://").rstrip("/")

    @property
    def leader(self) -> str | None:
        with self._changed:
            return self._leader

    def start(self) -> None:
        """Begin to watch; does not wait for ZooKeeper."""
        if self._client is not None:
            threading.Thread(target=self._watch, args=[self._client], name="master-detector", daemon=True).start()

    def _watch(self, client: KazooClient) -> None:
        client.add_listener(_tell_as_libmesos_does)
        client.start_async().wait()
        client.retry(client.ensure_path, self._path)
        client.ChildrenWatch(self._path, self._children)

    def _children(self, children: Sequence[str]) -> None:
        node = leader_node(children)
        leader = None
        if node is not None and self._client is not None:
            try:
                leader = address_of(self._client.get(f"{self._path}/{node}")[0])
            except (NoNodeError, ConnectionLoss):
                return  # the children change again, or the connection comes back; either calls us again
        with self._changed:
            if leader != self._leader:
                log.info("The leading Mesos master is %s", leader or "unknown")
                self._leader = leader
                self._changed.notify_all()

    def wait(self, not_this: str | None, timeout_s: float) -> str | None:
        """Return the leader once it is another than ``not_this``, or what it is after ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._leader != not_this, timeout_s)
            return self._leader


def _tell_as_libmesos_does(state: str) -> None:
    """Write what ZooKeeper's C client, which Marathon has through libmesos, writes to stderr; Marathon goes on."""
    if state == KazooState.SUSPENDED:
        print(
            f"{datetime.now():%Y-%m-%d %H:%M:%S,%f}:{os.getpid()}:ZOO_ERROR@handle_socket_error_msg: connection lost",
            file=sys.stderr,
            flush=True,
        )
