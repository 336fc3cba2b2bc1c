"""Which masters a command line means."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.errors import InputError
from clusterctl.ops.jenkins.names import wanted_names


@pytest.mark.parametrize(
    ("names", "more", "wanted"),
    [
        (["bob", "alice"], {}, ["bob", "alice"]),
        ([], {"listed": "alice\n\n# all of team b\nbob  # on leave\n"}, ["alice", "bob"]),
        ([], {"listed": "a\nb\nc\n", "count": 2}, ["a", "b"]),
        (["dev"], {"count": 3}, ["dev-001", "dev-002", "dev-003"]),
    ],
)
def test_good(names: list[str], more: dict[str, Any], wanted: list[str]) -> None:
    assert wanted_names(names, **more) == wanted


@pytest.mark.parametrize(
    ("names", "more", "message"),
    [
        ([], {}, "NAME: found none"),
        ([], {"listed": "# nobody\n"}, "NAME: found none"),
        (["Bob"], {}, "NAME: found 'Bob'; allowed: up to 32 lower-case letters"),
        (["a", "a"], {}, "NAME: found a twice"),
        (["a", "b"], {"count": 2}, "--count: found 2 names"),
        (["a" * 30], {"count": 1}, "NAME: found 'aaaa"),
    ],
)
def test_bad(names: list[str], more: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        wanted_names(names, **more)
    assert caught.value.message.startswith(message)
