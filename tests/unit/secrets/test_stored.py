"""What the key manager has is a key, or an error that names the secret and doesn't show it."""

from __future__ import annotations

import pytest

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.stored import StoredKey, key_name, the_key

ONE, OTHER = Secret("5a" * 32), Secret("a5" * 32)


def stored(identity: str, key: Secret | None = ONE) -> StoredKey:
    return StoredKey(identity, key_name("ci"), key)


def test_none_and_one() -> None:
    assert the_key("ci", []) is None
    assert the_key("ci", [stored("a")]) == ONE


def test_two_of_one_content_are_one() -> None:
    assert the_key("ci", [stored("a"), stored("b")]) == ONE


def test_two_that_differ_are_refused() -> None:
    with pytest.raises(ClusterctlError, match=r"2 secrets called clusterctl\.ci\.key that differ: a, b") as caught:
        the_key("ci", [stored("a"), stored("b", OTHER)])
    assert ONE.reveal() not in str(caught.value)
    assert OTHER.reveal() not in str(caught.value)


def test_one_without_payload_is_named_though_another_has_one() -> None:
    with pytest.raises(ClusterctlError, match=r"clusterctl\.ci\.key \(b\) of the key manager has no payload"):
        the_key("ci", [stored("a"), stored("b", None)])


def test_something_else_than_a_key() -> None:
    with pytest.raises(InputError, match=r"secret clusterctl\.ci\.key \(a\): found 7 characters that are not a key"):
        the_key("ci", [stored("a", Secret("secret?"))])
