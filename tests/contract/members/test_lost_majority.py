"""What ``recover`` relies on: real ZooKeepers and Mesos masters of which one of three survived.

As many members as a majority takes, the survivor among them, and nobody else: its data win, whoever is empty. An empty
replica of the masters' log beside one full one stays empty; with a copy it is full, and the third learns from both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from clusterctl.remote import memberdata
from clusterctl.remote.members import MemberData
from clusterctl.topology import quorum
from tests.contract.members.test_members import Ensemble, Masters, address
from tests.contract.mesos.cluster import ZK_PORT, wait_for

pytestmark = pytest.mark.mesos


@pytest.fixture
def ensemble(network: None, tmp_path: Path) -> Iterator[Ensemble]:
    made = Ensemble(tmp_path)
    for n in (1, 2, 3):
        made.start(n, [1, 2, 3])
    made.synced(2)
    yield made
    made.stop()


def kept(ensemble: Ensemble, n: int) -> MemberData:
    """What the script that runs on nodes says of a member's disk."""
    done = subprocess.run(
        [sys.executable, memberdata.__file__],
        input=json.dumps(
            {
                "zookeeper": [str(ensemble.work / f"zk{n}"), str(ensemble.work / f"zk{n}-log")],
                "mesos_master": [str(ensemble.work / f"master{n}")],
            }
        ),
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return MemberData.model_validate_json(done.stdout)


def lose(ensemble: Ensemble, *names: int) -> None:
    """Their servers are deleted, with what was on them."""
    for n in names:
        ensemble.remove(n)
        shutil.rmtree(ensemble.work / f"zk{n}")


def test_the_survivors_data_win_over_an_empty_member_of_any_number(ensemble: Ensemble) -> None:
    client = KazooClient(f"{address(2)}:{ZK_PORT}")
    client.start(90)
    client.create("/kept", b"yes")
    client.stop()
    client.close()
    lose(ensemble, 1, 3)
    survivor = kept(ensemble, 2).zookeeper
    assert survivor is not None
    assert survivor.epoch > 0
    # the member with the highest number would win an election of equals
    ensemble.start(3, [1, 2, 3])
    ensemble.synced(1)
    assert ensemble.leader() == 2
    made = kept(ensemble, 3).zookeeper
    assert made is not None
    assert made.epoch > survivor.epoch
    ensemble.start(1, [1, 2, 3])
    ensemble.synced(2)
    reader = KazooClient(f"{address(1)}:{ZK_PORT}")
    reader.start(90)
    try:
        assert reader.get("/kept")[0] == b"yes"
    finally:
        reader.stop()
        reader.close()


def test_a_member_that_never_took_part_is_told_from_one_that_did(ensemble: Ensemble) -> None:
    lose(ensemble, 1, 3)
    ensemble.start(1, [1, 2, 3])
    ensemble.synced(1)
    lose(ensemble, 1)
    ensemble.remove(2)
    ensemble.start(1, [1, 2, 3])  # alone: it finds nobody
    wait_for("it has made its directory", (ensemble.work / "zk1/version-2").exists)
    alone, survivor = kept(ensemble, 1).zookeeper, kept(ensemble, 2).zookeeper
    assert alone is not None
    assert survivor is not None
    assert (alone.empty, survivor.empty) == (True, False)


def test_empty_masters_learn_from_a_copied_log(ensemble: Ensemble, root: Path, tmp_path: Path) -> None:
    masters = Masters(root, tmp_path)
    try:
        for n in (1, 2, 3):
            masters.start(n, quorum(3))
        masters.set_weight("kept", 2.0)
        for n in (1, 3):
            masters.daemons.pop(n).kill()
            shutil.rmtree(tmp_path / f"master{n}")
        masters.start(1, quorum(3))

        def stuck() -> bool:
            """The survivor says that its replica is full, the new master that it is not: how ``recover`` tells them."""
            found = [masters.metrics(n).get("registrar/log/recovered") for n in (1, 2)]
            return found == [0, 1]

        wait_for("a full and an empty replica", stuck, 60)
        for n in (1, 2):
            masters.daemons[n].kill()
        shutil.rmtree(tmp_path / "master1/replicated_log")
        shutil.copytree(tmp_path / "master2/replicated_log", tmp_path / "master1/replicated_log")
        for n in (1, 2):
            masters.start(n, quorum(3))
        wait_for(
            "two full replicas", lambda: all(masters.metrics(n).get("registrar/log/recovered") == 1 for n in (1, 2)), 60
        )
        masters.start(3, quorum(3))
        assert masters.weights() == {"kept": 2.0}
        data = kept(ensemble, 1).mesos_master
        assert data is not None
        assert data.bytes > 0
    finally:
        masters.stop()


def test_a_member_with_broken_data_learns_anew_in_a_fresh_directory(ensemble: Ensemble) -> None:
    """For ``playbooks/fresh-data.yml``: an empty newest log, as a full disk leaves it, ends a member at each start."""
    client = KazooClient(f"{address(1)}:{ZK_PORT}")
    client.start(90)
    client.create("/kept", b"yes")
    client.stop()
    client.close()
    broken = next(n for n in (1, 2, 3) if n != ensemble.leader())
    data = ensemble.work / f"zk{broken}/version-2"
    ensemble.daemons[broken].kill()
    (data / "log.ff00000001").touch()
    ensemble.start(broken, [1, 2, 3])
    wait_for("it ends by itself", lambda: not ensemble.daemons[broken].running)
    data.rename(data.with_name("version-2.aside"))
    ensemble.start(broken, [1, 2, 3])
    ensemble.synced(2)
    reader = KazooClient(f"{address(broken)}:{ZK_PORT}")
    reader.start(90)
    try:
        assert reader.get("/kept")[0] == b"yes"
    finally:
        reader.stop()
        reader.close()


@pytest.fixture
def apart(network: None, tmp_path: Path) -> Iterator[Ensemble]:
    """Its logs lie elsewhere than its snapshots."""
    made = Ensemble(tmp_path, logs=True)
    for n in (1, 2, 3):
        made.start(n, [1, 2, 3])
    made.synced(2)
    yield made
    made.stop()


def test_a_log_without_its_snapshots_keeps_a_member_from_starting(apart: Ensemble) -> None:
    """Why ``spec.zookeeper_rules`` wants both to share their fate, and ``playbooks/fresh-data.yml`` sets both aside."""
    client = KazooClient(f"{address(1)}:{ZK_PORT}")
    client.start(90)
    client.create("/kept", b"yes")
    client.stop()
    client.close()
    n = next(n for n in (1, 2, 3) if n != apart.leader())
    data = kept(apart, n).zookeeper
    assert data is not None
    assert data.epoch > 0
    assert data.zxid > 0, "it counts the log, where the snapshots are of before the first write"
    apart.daemons[n].kill()
    snapshots, log = apart.work / f"zk{n}/version-2", apart.work / f"zk{n}-log/version-2"
    assert [path.name for path in snapshots.glob("log.*")] == []
    snapshots.rename(snapshots.with_name("version-2.aside"))
    apart.start(n, [1, 2, 3])
    wait_for("it ends by itself", lambda: not apart.daemons[n].running)
    log.rename(log.with_name("version-2.aside"))
    shutil.rmtree(snapshots, ignore_errors=True)
    apart.start(n, [1, 2, 3])
    apart.synced(2)
    reader = KazooClient(f"{address(n)}:{ZK_PORT}")
    reader.start(90)
    try:
        assert reader.get("/kept")[0] == b"yes"
    finally:
        reader.stop()
        reader.close()
