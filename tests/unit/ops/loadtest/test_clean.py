"""What is left of load tests, and what is other people's."""

from __future__ import annotations

import asyncio

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.load.plan import NAME_PREFIX
from clusterctl.ops.loadtest import clean as cleaning
from clusterctl.ops.loadtest.clean import clean, other_work
from clusterctl.ops.loadtest.masters import MasterMap, Registered


def registered(name: str, *, tasks: int = 0, connected: bool = True) -> Registered:
    return Registered(id=f"id of {name}", name=name, connected=connected, tasks=tasks)


LEFT = registered(f"{NAME_PREFIX}aa11-jenkins-3", connected=False)
ALIVE = registered(f"{NAME_PREFIX}bb22-canary-9", tasks=1)


class Masters(MasterMap):
    """Frameworks in memory.

    Attributes:
        sticky: how many removals are refused at first.
    """

    def __init__(self, *frameworks: Registered, sticky: int = 0) -> None:
        super().__init__([])
        self.known = {each.id: each for each in frameworks}
        self.sticky = sticky

    async def frameworks(self) -> list[Registered]:
        return list(self.known.values())

    async def teardown(self, framework_id: str) -> None:
        if self.sticky:
            self.sticky -= 1
            raise ClusterctlError("not now")
        del self.known[framework_id]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "_PAUSE_S", 0)
    monkeypatch.setattr(cleaning, "_DEADLINE_S", 0.2)


def test_only_ours_and_of_one_run() -> None:
    other = registered("clusterctl-other")
    masters = Masters(LEFT, ALIVE, other)
    assert asyncio.run(clean(masters, run="aa11")) == [LEFT]
    assert list(masters.known.values()) == [ALIVE, other]
    assert asyncio.run(clean(masters)) == [ALIVE]
    assert list(masters.known.values()) == [other]


def test_it_tries_again_and_says_what_is_left() -> None:
    assert asyncio.run(clean(Masters(LEFT, sticky=3))) == [LEFT]
    with pytest.raises(ClusterctlError, match=r"may be left on the masters, among them .*aa11.*: not now") as caught:
        asyncio.run(clean(Masters(LEFT, sticky=1_000_000)))
    assert "loadtest clean" in str(caught.value.hint)


def test_what_a_load_test_would_disturb() -> None:
    assert other_work([registered("marathon"), registered("jenkins-old", connected=False)]) == []
    assert other_work([registered("marathon", tasks=2), registered("jenkins-7"), LEFT, ALIVE]) == [
        "marathon: 2 tasks",
        "jenkins-7: registered",
        f"{LEFT.name}: another load test, left over",
        f"{ALIVE.name}: another load test, at work",
    ]
