"""Two of three serve: one leads, what was written is there, and more can be written."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="module")
def survivors(alive: Any) -> list[Any]:
    found: list[Any] = alive("zookeeper")
    return found


def mode(host: Any) -> str:
    answer = host.run("echo srvr | nc -w 3 $(/usr/lib/clusterctl/primary-address) 2181").stdout
    return next((line.removeprefix("Mode: ") for line in answer.splitlines() if line.startswith("Mode: ")), "")


def test_the_survivors_serve(survivors: list[Any], eventually: Any) -> None:
    assert len(survivors) == 2
    wanted = ["follower", "leader"]
    assert eventually(lambda: sorted(map(mode, survivors)), wanted) == wanted


def test_data_are_kept_and_more_can_be_written(survivors: list[Any]) -> None:
    one, other = survivors
    assert "written" in one.check_output("zkcli -server $(/usr/lib/clusterctl/primary-address):2181 get /before")
    other.check_output("zkcli -server $(/usr/lib/clusterctl/primary-address):2181 create /after again")
    assert "again" in one.check_output("zkcli -server $(/usr/lib/clusterctl/primary-address):2181 get /after")
