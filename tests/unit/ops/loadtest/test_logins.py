"""Who simulated frameworks are where Mesos asks."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.ops.loadtest.logins import ClosedLogins, Logins
from clusterctl.secrets.derive import Keyring, new_key
from clusterctl.secrets.names import mesos_secret
from tests.unit.specs import demo_spec

SPEC = demo_spec(jenkins={"allow_ephemeral_homes": True, "max_masters": 2})
KEYS = Keyring("demo", new_key())


def said(headers: Mapping[str, str]) -> tuple[str, str]:
    principal, _, secret = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
    return principal, secret


def secret(principal: str) -> str:
    return KEYS[mesos_secret(principal)].reveal()


def test_an_open_cluster_asks_nobody() -> None:
    who = Logins().framework(3, "*", "nobody")
    assert (who.user, who.principal, who.headers, Logins().operator) == ("nobody", None, {}, {})


@pytest.mark.parametrize(
    ("number", "role", "principal", "user"),
    [
        (0, "*", "jenkins-001", "b-001"),
        (1, "*", "jenkins-002", "b-002"),
        (2, "*", "jenkins-001", "b-001"),
        (5, "marathon", "marathon", "jenkins"),
    ],
)
def test_frameworks_are_the_tenants_of_their_role(number: int, role: str, principal: str, user: str) -> None:
    who = ClosedLogins(SPEC, KEYS).framework(number, role, "nobody")
    assert (who.principal, who.user) == (principal, user)
    assert said(who.headers) == (principal, secret(principal))
    assert secret(principal) not in repr(who)


def test_an_operator_asks() -> None:
    assert said(ClosedLogins(SPEC, KEYS).operator) == ("operator", secret("operator"))


def test_a_role_that_nobody_may_have_is_named() -> None:
    with pytest.raises(ClusterctlError, match="no framework may register in role web of cluster demo"):
        ClosedLogins(SPEC, KEYS).framework(0, "web", "nobody")
    with pytest.raises(ClusterctlError) as caught:
        ClosedLogins(demo_spec(), KEYS).framework(0, "*", "nobody")
    assert "section `jenkins`" in str(caught.value.hint)
