"""A firewall that forgets the connections that there are, and lets in what belongs to one that it knows, or begins one.

Neutron does that when a rule of a security group is deleted: the agent of Linux bridges and of hybrid plugging removes
what connection tracking knows of all connections of the rule's protocol into its ports, whatever the rule's ports are
(``neutron/agent/linux/ip_conntrack.py``), also for the other end where both share a zone. What the end that took the
connection sends is refused then until the other end has sent something. Here another zone takes the place of the
entries that were removed.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.contract.mesos.netns import private_network

from .test_cut_connections import SYSCTL, run

pytestmark = pytest.mark.mesos

PORT = 7000  # strangers may connect there
RULES = f"""\
*filter
:INPUT DROP [0:0]
-A INPUT -p tcp --dport {PORT} -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
"""
FORGET = """\
*raw
-A OUTPUT -j CT --zone 2
COMMIT
"""


@contextmanager
def silent_client(*settings: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection, the client's and the server's, with the image's settings and others. The client asks
    for keepalive, as build agents of Jenkins do, and says nothing.
    """
    with private_network():
        run("sysctl", "--quiet", "--load", str(SYSCTL))
        for setting in settings:
            run("sysctl", "--quiet", "--write", setting)
        run("iptables-restore", stdin=RULES)
        with socket.create_server(("127.0.0.1", PORT)) as listener, socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            client.connect(("127.0.0.1", PORT))
            server, _ = listener.accept()
            with server:
                server.sendall(b"1")
                assert client.recv(1) == b"1"
                yield client, server


def test_a_client_that_only_listens_is_heard_of_again() -> None:
    with silent_client() as (client, server):
        run("iptables-restore", "--noflush", stdin=FORGET)
        began = time.monotonic()
        server.sendall(b"2")  # the worst moment: it is given up 25 s later
        client.settimeout(60)
        assert client.recv(1) == b"2"
        print(f"heard of again after {time.monotonic() - began:.1f} s")
        server.settimeout(60)
        client.sendall(b"3")
        assert server.recv(1) == b"3"


@pytest.mark.operate
def test_with_later_probes_it_is_lost() -> None:
    """That the test above can fail: the first probe comes when the other end has given up."""
    with silent_client("net.ipv4.tcp_keepalive_time=30") as (_, server):
        run("iptables-restore", "--noflush", stdin=FORGET)
        server.sendall(b"2")
        server.settimeout(60)
        with pytest.raises(TimeoutError, match="110"):
            server.recv(1)
