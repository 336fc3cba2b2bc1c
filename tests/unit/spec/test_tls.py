"""Section ``tls``: three files on the nodes, and what libprocess is told of them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.unit.specs import demo_spec

FILES = {"key": "/etc/ssl/private/mesos.key", "certificate": "/etc/ssl/mesos.pem", "ca": "/etc/ssl/ca.pem"}


def test_none_by_default() -> None:
    assert demo_spec().tls is None


def test_libprocess_is_told() -> None:
    tls = demo_spec(tls=FILES).tls
    assert tls is not None
    told = dict(line.split("=", 1) for line in tls.lines())
    assert {name.removeprefix("LIBPROCESS_SSL_"): value for name, value in told.items()} == {
        "ENABLED": "1",
        "SUPPORT_DOWNGRADE": "1",
        "KEY_FILE": FILES["key"],
        "CERT_FILE": FILES["certificate"],
        "CA_FILE": FILES["ca"],
        "VERIFY_SERVER_CERT": "1",
        "REQUIRE_CLIENT_CERT": "1",
        "HOSTNAME_VALIDATION_SCHEME": "openssl",
    }


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"key": None}, "tls.key"),
        ({"key": "mesos.key"}, "allowed: an absolute path"),
        ({"ca": FILES["certificate"]}, "found '/etc/ssl/mesos.pem', which another key names"),
        ({"password": "x"}, "tls.password"),
    ],
)
def test_what_is_refused(changes: dict[str, str | None], text: str) -> None:
    given = {key: value for key, value in (FILES | changes).items() if value is not None}
    with pytest.raises(ValidationError) as caught:
        demo_spec(tls=given)
    assert text in str(caught.value)
