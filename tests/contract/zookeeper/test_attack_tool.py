"""The attacks of ``tests/attacks`` on ZooKeeper: they get through to an open ensemble, and not to a closed one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.tool.main import attempt
from tests.attacks.tool.zookeeper import QUORUM_PORT
from tests.contract.mesos.cluster import wait_for
from tests.contract.mesos.netns import private_network
from tests.contract.zookeeper.secured import SecuredEnsemble, address

pytestmark = pytest.mark.mesos
MEMBERS = (1, 2, 3)
ATTACKS = {
    "create": ("zk_create", {"path": "/mesos/attack"}),
    "create at the top": ("zk_create", {"path": "/attack"}),
    "delete": ("zk_delete", {"path": "/mesos/log_replicas"}),
    "open": ("zk_set_acl", {"path": "/mesos"}),
    "open the root": ("zk_set_acl", {"path": "/"}),
    "read": ("zk_read", {"path": "/marathon"}),
    "with a guess": ("zk_read", {"path": "/marathon", "login": "marathon:guess"}),
}


def running(work: Path, *, secured: bool) -> Iterator[SecuredEnsemble]:
    made = SecuredEnsemble(work)
    with private_network():
        try:
            for n in MEMBERS:
                made.start(n, MEMBERS, secured=secured)
            made.serving(*MEMBERS)
            first = made.client()
            for path in ("/mesos/log_replicas", "/marathon/state"):
                first.create(path, b"1", makepath=True)
            first.stop()
            if secured:
                assert made.close_tree(1).returncode == 0
            yield made
        finally:
            made.stop()


def attempts(name: str) -> dict[str, str]:
    do, arguments = ATTACKS[name]
    return attempt({"name": name, "do": do, "args": {"at": address(1), **arguments}})


def observing(at: str) -> dict[str, str]:
    return attempt({"name": "observer", "do": "observer", "args": {"at": at, "says": "log_replicas"}})


def leader() -> str:
    """Who listens for learners; those who follow refuse at that port."""

    def found() -> str | None:
        ends = {address(n): observing(address(n)) for n in MEMBERS}
        return next((at for at, end in ends.items() if end["reason"] != "refused"), None)

    return wait_for(f"somebody who listens at {QUORUM_PORT}", found)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredEnsemble]:
    yield from running(tmp_path_factory.mktemp("open"), secured=False)


def test_they_get_through_where_all_is_open(opened: SecuredEnsemble) -> None:
    ends = [attempts(name) for name in ATTACKS]
    assert [end for end in ends if end["outcome"] != "through"] == []
    end = observing(leader())
    assert end["outcome"] == "through", end
    opened.stop()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredEnsemble]:
    yield from running(tmp_path_factory.mktemp("closed"), secured=True)


def test_a_closed_one_denies_them(closed: SecuredEnsemble) -> None:
    ends = {name: attempts(name) for name in ATTACKS}
    assert {name: end["reason"] for name, end in ends.items()} == dict.fromkeys(ATTACKS, "NoAuth"), ends
    at = leader()
    end = observing(at)
    assert (end["outcome"], end["reason"]) == ("denied", "closed"), end
    log = "".join(path.read_text(errors="replace") for path in closed.work.glob("*.log"))
    assert "SASL" in log
