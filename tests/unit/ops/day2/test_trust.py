"""Host keys that a person answers for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from clusterctl.errors import CancelledError, InputError, NodeError
from clusterctl.ops.day2 import trust as day2
from clusterctl.ops.day2.trust import parse_key, trust
from clusterctl.ssh.config import Target
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from tests.unit.ssh.keys import ECDSA, ED25519, PROOF, RSA, key_line, said

C1 = Target("c1", "id-c1", "10.0.0.1", proof=PROOF)
A1 = Target("a1", "id-a1", "10.0.0.9", strangers=True)  # from before
OLD = f"clusterctl: hostkey {RSA.type} {RSA.base64}"


class Desk:
    """Pins, consoles and a person."""

    def __init__(self, path: Path) -> None:
        self.known = KnownHosts(path)
        self.consoles: dict[str, str] = {}
        self.asked: list[str] = []
        self.says_yes = True

    def __call__(self, *targets: Target, given: str | None = None) -> list[day2.Trust]:
        keys = HostKeys(self.known, lambda server_id: self.consoles.get(server_id, ""), lambda _: None)
        return trust(targets, keys, self._confirm, given)

    def _confirm(self, lines: Sequence[str]) -> None:
        self.asked += lines
        if not self.says_yes:
            raise CancelledError("declined")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "known_hosts")


def test_a_changed_key_is_pinned_once_somebody_has_seen_both(desk: Desk) -> None:
    desk.known.pin("id-c1", [ED25519])
    desk.consoles["id-c1"] = "\n".join((key_line(ED25519), said("done"), key_line(ECDSA)))
    [found] = desk(C1)
    assert desk.asked == [
        "node c1 (10.0.0.1)",
        f"  pinned: ssh-ed25519 {ED25519.fingerprint}",
        f"  found:  ecdsa-sha2-nistp256 {ECDSA.fingerprint}",
        "  source: its console, with the nonce of its user-data",
    ]
    assert desk.known.keys("id-c1") == (ECDSA,)
    assert found.to_json() == {
        "node": "c1",
        "pinned": [{"type": "ssh-ed25519", "fingerprint": ED25519.fingerprint}],
        "keys": [{"type": "ecdsa-sha2-nistp256", "fingerprint": ECDSA.fingerprint}],
        "source": "its console, with the nonce of its user-data",
        "changed": True,
    }


def test_what_is_pinned_already_needs_no_answer(desk: Desk) -> None:
    desk.known.pin("id-c1", [ED25519])
    desk.consoles["id-c1"] = key_line(ED25519)
    assert [found.changes for found in desk(C1)] == [False]
    assert desk.asked == []


def test_who_declines_changes_nothing(desk: Desk) -> None:
    desk.consoles = {"id-c1": key_line(ED25519), "id-a1": OLD}
    desk.says_yes = False
    with pytest.raises(CancelledError):
        desk(C1, A1)
    assert desk.known.aliases() == frozenset()


def test_an_agent_from_before_is_told_to_be_doubtful(desk: Desk) -> None:
    desk.consoles["id-a1"] = OLD
    desk(A1)
    assert "which a build on it could have written to: compare it" in desk.asked[-1]
    assert desk.known.keys("id-a1") == (RSA,)


def test_a_forged_console_is_not_even_shown(desk: Desk) -> None:
    desk.known.pin("id-c1", [ED25519])
    desk.consoles["id-c1"] = OLD
    with pytest.raises(NodeError, match="no ssh host key with the nonce") as caught:
        desk(C1)
    assert "`clusterctl trust FILE c1 --key 'TYPE BASE64'`" in (caught.value.hint or "")


def test_one_console_without_a_key_pins_none_of_the_others(desk: Desk) -> None:
    desk.consoles["id-c1"] = key_line(ED25519)
    with pytest.raises(NodeError, match=r"node a1: its console shows no ssh host key$"):
        desk(C1, A1)
    assert desk.known.aliases() == frozenset()


def test_a_key_from_elsewhere(desk: Desk) -> None:
    desk(A1, given=f"{ED25519.type} {ED25519.base64} root@a1\n")
    assert desk.known.keys("id-a1") == (ED25519,)
    assert desk.asked[-1] == "  source: given"
    with pytest.raises(InputError, match="one key for 2 nodes"):
        desk(A1, C1, given="x")


@pytest.mark.parametrize("text", ["", "ssh-ed25519", f"ssh-ed25519 {ED25519.base64[:-4]}", f"ssh-rsa {ED25519.base64}"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(InputError, match="--key: found "):
        parse_key(text)
