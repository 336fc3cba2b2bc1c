"""Connections between members that are cut without a word: no packet of them arrives any more, new ones work.

A deleted rule of a security group, a firewall that forgot its state, a migrated host do that. Here the kernel drops
what arrives of the connections that there are, by their addresses and ports.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusterctl.paths import roles_dir
from tests.contract.mesos.cluster import wait_for
from tests.contract.mesos.netns import private_network

from .test_members import Ensemble

pytestmark = pytest.mark.mesos

SYSCTL = roles_dir() / "common/files/sysctl.conf"
OPTION = "-Dzookeeper.tcpKeepAlive={}"
# Lost pings, then unanswered data (tcp_retries2 = 6 on a quick network: 25 s) or probes (30 s and 3 times 10 s), then
# an election; what is left is for a busy machine
WITHIN_S = 120.0
# Without the settings: tcp(7) gives up after a quarter of an hour; this is longer than the wait for probes
STUCK_S = 75.0
PEER, ELECTION = 2888, 3888


def run(*words: str, stdin: str = "") -> str:
    """Runs a program in this network namespace."""
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=True).stdout


def established() -> list[tuple[str, str, str, str]]:
    """Of the members' connections among each other: source, its port, destination, its port; each direction once."""
    found = []
    for line in run("ss", "-Htn", "state", "established").splitlines():
        here, there = line.split()[2:4]
        (source, sport), (target, dport) = (
            re.sub(r"^\[(::ffff:)?|\]", "", each).rsplit(":", 1) for each in (here, there)
        )
        if {int(sport), int(dport)} & {PEER, ELECTION}:
            found.append((source, sport, target, dport))
    return found


def cut() -> int:
    """Drops whatever arrives of the connections that there are now; returns their number."""
    flows = established()
    rules = [f"-A INPUT -p tcp -s {a} --sport {b} -d {c} --dport {d} -j DROP" for a, b, c, d in flows]
    run("iptables-restore", "--noflush", stdin="\n".join(["*filter", *rules, "COMMIT", ""]))
    return len(flows)


@contextmanager
def members(work: Path, options: Sequence[str]) -> Iterator[Ensemble]:
    """Three that serve, in a network of their own."""
    made = Ensemble(work, options)
    try:
        for n in (1, 2, 3):
            made.start(n, [1, 2, 3])
        made.synced(2)
        yield made
    finally:
        made.stop()


def whole(ensemble: Ensemble) -> bool:
    """Whether one leads and two follow."""
    try:
        leader = ensemble.leader()
        return leader is not None and ensemble.mntr(leader).get("zk_synced_followers") == "2"
    except OSError:
        return False


def test_with_the_settings_of_the_image_members_come_back(tmp_path: Path) -> None:
    with private_network():
        run("sysctl", "--quiet", "--load", str(SYSCTL))
        with members(tmp_path, [OPTION.format("true")]) as ensemble:
            kept = run("ss", "-Htno", "state", "established", f"( sport = :{ELECTION} or dport = :{ELECTION} )")
            assert kept.count("timer:(keepalive") == len(kept.splitlines()) >= 6, kept
            assert cut() >= 10  # three connections for elections and two to the leader, from both ends
            wait_for("the cut to be felt", lambda: not whole(ensemble), 60)
            began = time.monotonic()
            wait_for("all members to come back", lambda: whole(ensemble), WITHIN_S)
            print(f"whole again after {time.monotonic() - began:.1f} s")


@pytest.mark.operate
def test_without_them_they_stay_apart(tmp_path: Path) -> None:
    """That the test above can fail: the kernel's and ZooKeeper's defaults."""
    with private_network(), members(tmp_path, [OPTION.format("false")]) as ensemble:
        assert cut() >= 10
        wait_for("the cut to be felt", lambda: not whole(ensemble), 60)
        end = time.monotonic() + STUCK_S
        while time.monotonic() < end:
            assert not whole(ensemble)
            time.sleep(1)
