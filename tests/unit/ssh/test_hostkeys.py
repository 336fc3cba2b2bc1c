"""Pinning of host keys: the file, and where its content comes from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clusterctl.errors import NodeError
from clusterctl.ssh.console import HostKey
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts, known_hosts_path
from tests.unit.ssh.keys import ECDSA, ED25519, RSA, key_line


@pytest.fixture
def known(tmp_path: Path) -> KnownHosts:
    return KnownHosts(tmp_path / "new" / "known_hosts")


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
        f"{name} {key.type} {key.base64}\n" for name, key in (("id-1", ED25519), ("id-1", RSA), ("id-2", ECDSA))
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


def test_a_pinned_server_costs_no_console_read(known: KnownHosts) -> None:
    reads: list[str] = []

    def console(server_id: str) -> str:
        reads.append(server_id)
        return key_line(ED25519)

    keys = HostKeys(known, console)
    keys.require("id-1", "n1")
    keys.require("id-1", "n1")
    assert reads == ["id-1"]
    assert keys.pinned("id-1")


def test_no_key_on_the_console_is_an_error_that_says_what_to_do(known: KnownHosts) -> None:
    with pytest.raises(NodeError, match=r"node n1: .*no ssh host key") as caught:
        HostKeys(known, lambda _: "booting\n").require("id-1", "n1")
    assert "id-1 ssh-ed25519 KEY" in (caught.value.hint or "")


def test_refresh_tells_whether_the_console_says_something_new(known: KnownHosts) -> None:
    consoles = {"id-1": key_line(ED25519)}
    keys = HostKeys(known, consoles.__getitem__)
    assert keys.refresh("id-1")
    assert not keys.refresh("id-1")
    consoles["id-1"] = "nothing"
    assert not keys.refresh("id-1")
    assert known.keys("id-1") == (ED25519,)
    consoles["id-1"] = key_line(ECDSA)
    assert keys.refresh("id-1")
    assert known.keys("id-1") == (ECDSA,)
