"""Derivation: the standard's vectors, and what must differ."""

from __future__ import annotations

import re

import pytest

from clusterctl.errors import InputError
from clusterctl.secrets.derive import Keyring, derive, hkdf_sha256, new_key, parse_key
from clusterctl.secrets.epochs import Epochs
from clusterctl.secrets.secret import Secret

KEY = Secret("0b" * 32)

# RFC 5869, appendix A.1 to A.3: key, salt, info, length, OKM
VECTORS = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8"
        "367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    ("0b" * 22, "", "", 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
]


@pytest.mark.parametrize(("key", "salt", "info", "length", "okm"), VECTORS)
def test_vectors_of_rfc_5869(key: str, salt: str, info: str, length: int, okm: str) -> None:
    made = hkdf_sha256(bytes.fromhex(key), bytes.fromhex(salt), bytes.fromhex(info), length)
    assert made.hex() == okm


def test_a_secret_never_changes_by_itself() -> None:
    """Another text here would lock every cluster out that exists."""
    assert derive(KEY, "demo", 1, "mesos/marathon").reveal() == "6gQNAkv_FZdrPae_DKCsRYeSe3Vkms2vHLhvB9e789I"


def test_every_part_counts() -> None:
    made = [
        derive(key, cluster, epoch, name).reveal()
        for key in (KEY, new_key())
        for cluster in ("demo", "demo1")
        for epoch in (1, 11)
        for name in ("mesos/marathon", "mesos/agent-a", "1/mesos/marathon"[2:] + "x")
    ]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch("[A-Za-z0-9_-]{43}", text) for text in made)


@pytest.mark.parametrize(
    ("cluster", "epoch", "name"),
    [("", 1, "mesos/x"), ("demo\0", 1, "mesos/x"), ("demo", 0, "mesos/x"), ("demo", 1, "mesos"), ("demo", 1, "a/\0")],
)
def test_what_could_be_taken_for_another_is_refused(cluster: str, epoch: int, name: str) -> None:
    with pytest.raises(ValueError, match="no secret is called"):
        derive(KEY, cluster, epoch, name)


def test_epochs() -> None:
    first = Epochs()
    assert first["mesos/a"] == 1
    ahead = first.next("mesos/a")
    assert (ahead["mesos/a"], ahead["mesos/b"]) == (2, 1)
    every = ahead.next()
    assert (every["mesos/a"], every["mesos/b"]) == (3, 3)  # a new one for each, also for the one that was ahead
    ring, turned = Keyring("demo", KEY), Keyring("demo", KEY, ahead)
    assert ring["mesos/a"] != turned["mesos/a"]
    assert ring["mesos/b"] == turned["mesos/b"]


def test_a_new_key_is_a_key() -> None:
    assert parse_key(new_key().reveal() + "\n", "here").reveal() != new_key().reveal()


@pytest.mark.parametrize("text", ["", "0b" * 31, "0B" * 32, "0b" * 33, "zz" * 32])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError, match="vault: found ") as caught:
        parse_key(text, "vault")
    assert not text or text not in str(caught.value)


def test_a_keyring_shows_no_key() -> None:
    assert "0b0b" not in repr(Keyring("demo", KEY))
