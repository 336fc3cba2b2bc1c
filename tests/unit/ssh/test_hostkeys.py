"""Pinning of host keys: the file, and where its content comes from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clusterctl.errors import NodeError
from clusterctl.ssh.config import Target
from clusterctl.ssh.console import HostKey
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts, known_hosts_path
from tests.unit.ssh.keys import ECDSA, ED25519, PROOF, RSA, key_line, said

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def known(tmp_path: Path) -> KnownHosts:
    return KnownHosts(tmp_path / "new" / "known_hosts", now=lambda: NOW)


def test_path_follows_the_xdg_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/op")
    assert known_hosts_path("lab", "ci", {"XDG_CACHE_HOME": "/c"}) == Path("/c/clusterctl/lab/ci/known_hosts")
    expected = Path("/home/op/.cache/clusterctl/my%2Fcloud/ci/known_hosts")
    assert known_hosts_path("my/cloud", "ci", {}) == expected
    assert known_hosts_path("my/cloud", "ci", {"XDG_CACHE_HOME": "relative"}) == expected


def test_pins_are_lines_that_ssh_reads(known: KnownHosts) -> None:
    known.pin("id-1", [RSA, ED25519])
    known.pin("id-2", [ECDSA])
    assert known.path.read_text() == "".join(
        f"{name} {key.type} {key.base64} 2026-01-02T03:04:05Z\n"
        for name, key in (("id-1", ED25519), ("id-1", RSA), ("id-2", ECDSA))
    )
    assert known.keys("id-1") == (ED25519, RSA)
    assert known.aliases() == {"id-1", "id-2"}


def test_a_new_pin_replaces_the_old_one(known: KnownHosts) -> None:
    known.pin("id-1", [RSA])
    known.pin("id-1", [ED25519])
    assert known.keys("id-1") == (ED25519,)
    known.pin("id-1", [])
    assert known.aliases() == frozenset()


def test_a_broken_key_is_never_written(known: KnownHosts) -> None:
    with pytest.raises(ValueError, match="ssh-ed25519"):
        known.pin("id-1", [HostKey("ssh-ed25519", ED25519.base64[:-8])])
    assert not known.path.exists()


def test_entries_of_gone_servers_are_removed(known: KnownHosts) -> None:
    known.keep_only(["id-1"])  # no file yet
    for name in ("id-1", "id-2", "id-3"):
        known.pin(name, [ED25519])
    known.keep_only(["id-2", "id-9"])
    assert known.aliases() == {"id-2"}


def test_many_threads_lose_no_pin(known: KnownHosts) -> None:
    names = [f"id-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: KnownHosts(known.path).pin(name, [ED25519]), names))
    assert known.aliases() == set(names)
    assert [path.name for path in known.path.parent.iterdir() if path.name.startswith(".")] == []


CONTROL = Target("n1", "id-1", "10.0.0.1", proof=PROOF)
AGENT = Target("a1", "id-1", "10.0.0.9", proof=PROOF, strangers=True)
OLD_CONTROL = Target("n1", "id-1", "10.0.0.1")
OLD_AGENT = Target("a1", "id-1", "10.0.0.9", strangers=True)
OLD_LINE = f"clusterctl: hostkey {ED25519.type} {ED25519.base64}\n"


class Console:
    """The console of id-1, and when it was rebuilt; counts what is asked."""

    def __init__(self, text: str = "", rebuilt: datetime | None = None) -> None:
        self.text = text
        self.rebuilt_at = rebuilt
        self.reads = 0
        self.asked = 0

    def read(self, server_id: str) -> str:
        assert server_id == "id-1"
        self.reads += 1
        return self.text

    def rebuilt(self, server_id: str) -> datetime | None:
        assert server_id == "id-1"
        self.asked += 1
        return self.rebuilt_at

    def keys(self, known: KnownHosts) -> HostKeys:
        return HostKeys(known, self.read, self.rebuilt)


def test_a_pinned_server_costs_no_console_read(known: KnownHosts) -> None:
    console = Console(key_line(ED25519))
    keys = console.keys(known)
    keys.require(CONTROL)
    keys.require(CONTROL)
    assert (console.reads, console.asked) == (1, 0)
    assert keys.pinned("id-1")


def test_no_key_on_the_console_is_an_error_that_says_what_to_do(known: KnownHosts) -> None:
    with pytest.raises(NodeError, match=r"node n1: .*no ssh host key") as caught:
        Console("booting\n").keys(known).require(CONTROL)
    assert "`clusterctl trust FILE n1`" in (caught.value.hint or "")


def test_a_pinned_key_is_not_replaced_by_what_the_console_says_later(known: KnownHosts) -> None:
    console = Console(key_line(ED25519))
    keys = console.keys(known)
    keys.require(AGENT)
    console.text = key_line(ECDSA)  # even with the nonce
    assert keys.find(AGENT)
    assert keys.learn(AGENT, console.text)
    assert not keys.renew(AGENT)
    assert known.keys("id-1") == (ED25519,)


def test_a_server_that_nova_rebuilt_since_is_pinned_anew(known: KnownHosts) -> None:
    console = Console("\n".join((key_line(ED25519), said("done"), key_line(ECDSA))))
    keys = console.keys(known)
    known.pin("id-1", [ED25519])
    pinned_at = known.pinned_at("id-1")
    assert pinned_at == NOW
    console.rebuilt_at = NOW - timedelta(seconds=1)
    assert not keys.renew(AGENT)
    assert console.reads == 0
    console.rebuilt_at = NOW + timedelta(seconds=1)
    assert keys.renew(AGENT)
    assert known.keys("id-1") == (ECDSA,)
    assert not keys.renew(AGENT)  # nothing new


def test_a_rebuild_is_no_licence_for_lines_without_the_nonce(known: KnownHosts) -> None:
    console = Console(OLD_LINE, rebuilt=NOW + timedelta(days=1))
    known.pin("id-1", [ECDSA])
    assert not console.keys(known).renew(AGENT)
    assert not console.keys(known).renew(OLD_AGENT)
    assert known.keys("id-1") == (ECDSA,)


def test_a_server_rebuilt_before_it_was_ever_pinned_has_its_last_keys(known: KnownHosts) -> None:
    text = "\n".join((key_line(ED25519), said("done"), key_line(ECDSA), said("done")))
    Console(text).keys(known).require(CONTROL)
    assert known.keys("id-1") == (ED25519,)  # Nova knows of no rebuild: the first key counts
    known.pin("id-1", [])
    Console(text, rebuilt=NOW - timedelta(days=1)).keys(known).require(CONTROL)
    assert known.keys("id-1") == (ECDSA,)


def test_an_old_pin_without_its_time_is_replaced_by_nobody(known: KnownHosts) -> None:
    known.path.parent.mkdir()
    known.path.write_text(f"id-1 {ED25519.type} {ED25519.base64}\n")
    console = Console(key_line(ECDSA), rebuilt=NOW)
    assert known.keys("id-1") == (ED25519,)
    assert not console.keys(known).renew(CONTROL)


def test_nodes_from_before_the_nonce(known: KnownHosts) -> None:
    """Control nodes are believed: nobody's builds run there. Agents are not, and their console isn't even read."""
    console = Console(OLD_LINE)
    assert not console.keys(known).find(OLD_AGENT)
    assert not console.keys(known).learn(OLD_AGENT, OLD_LINE)
    with pytest.raises(NodeError, match="made before console lines carried a proof") as caught:
        console.keys(known).require(OLD_AGENT)
    assert "`clusterctl trust FILE a1`" in (caught.value.hint or "")
    assert console.reads == 0
    assert console.keys(known).find(OLD_CONTROL)
    assert known.keys("id-1") == (ED25519,)


def test_whoever_answers_for_a_key_may_replace_it(known: KnownHosts) -> None:
    keys = Console(OLD_LINE).keys(known)
    assert keys.shown(OLD_AGENT) == (ED25519,)
    keys.replace(OLD_AGENT, [RSA])
    assert known.keys("id-1") == (RSA,)
    assert keys.find(OLD_AGENT)
