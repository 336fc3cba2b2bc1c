"""Which nodes answer on a port: the cheap question before any expensive one."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Iterable


def open_ports(addresses: Iterable[str], port: int, timeout_s: float = 1.0) -> frozenset[str]:
    """The addresses that accept a TCP connection; all are tried at once, within ``timeout_s`` altogether."""
    found: set[str] = set()
    deadline = time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        try:
            for address in set(addresses):
                connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                connection.setblocking(False)
                selector.register(connection, selectors.EVENT_WRITE, address)
                if connection.connect_ex((address, port)) not in (0, errno.EINPROGRESS):
                    _drop(selector, connection)
            while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    connection = key.fileobj  # type: ignore[assignment]
                    if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                        found.add(key.data)
                    _drop(selector, connection)
        finally:
            for key in list(selector.get_map().values()):
                _drop(selector, key.fileobj)  # type: ignore[arg-type]
    return frozenset(found)


def _drop(selector: selectors.BaseSelector, connection: socket.socket) -> None:
    selector.unregister(connection)
    connection.close()
