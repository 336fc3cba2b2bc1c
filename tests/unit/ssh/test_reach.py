"""Which addresses answer, on real loopback sockets."""

from __future__ import annotations

import socket

from clusterctl.ssh.reach import open_ports


def test_open_and_closed_ports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert open_ports(["127.0.0.1", "127.0.0.2"], port) == {"127.0.0.1"}
    assert open_ports(["127.0.0.1"], port) == frozenset()


def test_no_addresses() -> None:
    assert open_ports([], 22) == frozenset()


def test_a_silent_address_costs_the_time_limit_once() -> None:
    # A full backlog drops the connection requests that come after it
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        assert open_ports(["127.0.0.1"], port, timeout_s=0.05) == frozenset()
        for each in waiting:
            each.close()
