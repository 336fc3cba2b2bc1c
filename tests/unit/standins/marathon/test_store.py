"""The store on a client that loses its connection in the middle of a write."""

from collections.abc import Callable
from typing import Any

import pytest
from kazoo.exceptions import ConnectionLoss, NodeExistsError, NoNodeError

from lab.standins.marathon.marathon_standin.buildinfo import for_build
from lab.standins.marathon.marathon_standin.exits import Crash, Exit
from lab.standins.marathon.marathon_standin.state import KINDS
from lab.standins.marathon.marathon_standin.store import ZooKeeperStore, migrations

MARK = "/m/state/migration-in-progress"


class Zk:
    """As much of KazooClient as the store uses; `lose` is "before" or "after" the next transaction is done."""

    def __init__(self) -> None:
        self.nodes: dict[str, bytes] = {}
        self.lose: str | None = None
        self.transactions = 0
        self.paused: list[tuple[float, bool]] = []

    def retry(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def sync(self, path: str) -> None:
        assert path == "/m/state"

    def ensure_path(self, path: str) -> None:
        self.nodes.setdefault(path, b"")

    def get(self, path: str) -> tuple[bytes, None]:
        if path not in self.nodes:
            raise NoNodeError
        return self.nodes[path], None

    def get_children(self, path: str) -> list[str]:
        return [node.rpartition("/")[2] for node in self.nodes if node.rpartition("/")[0] == path]

    def create(self, path: str, data: bytes) -> None:
        if path in self.nodes:
            raise NodeExistsError
        self.nodes[path] = data

    def set(self, path: str, data: bytes) -> None:
        self.get(path)
        self.nodes[path] = data

    def delete(self, path: str) -> None:
        self.get(path)
        del self.nodes[path]

    def transaction(self) -> "Transaction":
        return Transaction(self)


class Transaction:
    def __init__(self, zk: Zk) -> None:
        self.zk = zk
        self.operations: list[Callable[[], None]] = []

    def create(self, path: str, data: bytes) -> None:
        self.operations.append(lambda: self.zk.create(path, data))

    def set_data(self, path: str, data: bytes) -> None:
        self.operations.append(lambda: self.zk.set(path, data))

    def delete(self, path: str) -> None:
        self.operations.append(lambda: self.zk.delete(path))

    def commit(self) -> list[None]:
        self.zk.transactions += 1
        lose, self.zk.lose = self.zk.lose, None
        if lose != "before":
            for operation in self.operations:
                operation()
        if lose:
            raise ConnectionLoss
        return [None] * len(self.operations)


@pytest.fixture
def zk() -> Zk:
    return Zk()


def store_of(zk: Zk, build: int = 2, release: str = "1.11", step_s: float = 0) -> ZooKeeperStore:
    def pause(seconds: float) -> None:
        zk.paused.append((seconds, MARK in zk.nodes))

    return ZooKeeperStore(zk, "/m", for_build(build, release), step_s, pause)


def loaded(zk: Zk) -> ZooKeeperStore:
    store = store_of(zk)
    store.load()
    return store


def test_an_empty_zookeeper_gets_the_layout_and_the_version(zk: Zk) -> None:
    data, framework_id = store_of(zk).load()
    assert data == {kind: {} for kind in KINDS}
    assert framework_id is None
    assert zk.nodes["/m/state/version"] == b'{"build": 2, "storage": [110, 100, 0], "version": "1.11.25"}'


def test_what_is_committed_is_loaded(zk: Zk) -> None:
    store = loaded(zk)
    store.save_framework_id("fw-1")
    store.commit([("apps", "/a/b", {"x": 1}), ("instances", "i1", {}), ("instances", "gone", None)])
    store.commit([("apps", "/a/b", {"x": 2}), ("instances", "i1", None)])
    assert "/m/state/apps/%2Fa%2Fb" in zk.nodes
    data, framework_id = store_of(zk, build=1).load()
    assert data == {kind: {} for kind in KINDS} | {"apps": {"/a/b": {"x": 2}}}
    assert framework_id == "fw-1"


@pytest.mark.parametrize("lose", ["before", "after"])
def test_a_lost_connection_leaves_the_same_state(zk: Zk, lose: str) -> None:
    store = loaded(zk)
    store.commit([("apps", "/a", {"x": 1}), ("apps", "/b", {}), ("instances", "i1", {})])
    zk.lose = lose
    store.commit([("apps", "/a", {"x": 2}), ("apps", "/b", None), ("apps", "/c", {})])
    store.commit([("apps", "/a", {"x": 3}), ("apps", "/c", None)])
    assert loaded(zk) is not store
    data, _ = store_of(zk, build=1).load()
    assert (data["apps"], data["instances"]) == ({"/a": {"x": 3}}, {"i1": {}})


def test_large_changes_are_written_in_parts(zk: Zk) -> None:
    store = loaded(zk)
    store.commit([("instances", f"i{n}", {}) for n in range(1001)])
    assert zk.transactions == 3
    assert len(zk.get_children("/m/state/instances")) == 1001


def test_migrations_take_their_time_and_leave_a_mark_meanwhile(zk: Zk) -> None:
    store_of(zk, build=1, release="1.8").load()
    store_of(zk, release="1.9", step_s=25).load()  # three steps, told of every 10 s
    assert [seconds for seconds, _ in zk.paused] == [10, 10, 5] * 3
    assert all(marked for _, marked in zk.paused)
    assert MARK not in zk.nodes
    assert b'"storage": [19, 300, 0]' in zk.nodes["/m/state/version"]


def test_a_migration_that_was_killed_begins_again(zk: Zk) -> None:
    store_of(zk, release="1.9").load()

    def killed(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ZooKeeperStore(zk, "/m", for_build(1, "1.10"), 1, killed).load()
    assert MARK in zk.nodes
    assert b'"storage": [19, 300, 0]' in zk.nodes["/m/state/version"]
    store_of(zk, release="1.10", step_s=1).load()
    assert zk.paused == [(1, True)]
    assert MARK not in zk.nodes


def test_releases_of_one_storage_version_read_each_others_state(zk: Zk) -> None:
    store_of(zk, release="1.11").load()
    store_of(zk, release="1.10").load()
    assert b'"version": "1.10.37"' not in zk.nodes["/m/state/version"]  # nothing was migrated
    with pytest.raises(Crash, match=r"Version\(110, 100, 0, .*is not supported as it is newer") as refused:
        store_of(zk, release="1.9").load()
    assert refused.value.code == Exit.LEADERSHIP_ENDED_FAULTY


def test_state_older_than_any_migration_is_refused() -> None:
    with pytest.raises(Crash, match="Migration from versions <"):
        migrations((1, 5, 0), (110, 100, 0))
    assert migrations((19, 200, 0), (110, 100, 0)) == [(19, 300, 0), (110, 100, 0)]
