"""The stages by which `clusterctl secrets rotate` turns the secrets of an ensemble that serves, on real ZooKeepers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionClosedError, ConnectionLoss, NoAuthError, NodeExistsError, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import make_acl, make_digest_acl

from clusterctl.secrets import zookeeper
from clusterctl.secrets.derive import Keyring
from clusterctl.secrets.epochs import FIRST
from clusterctl.secrets.names import ZOOKEEPER_MARATHON, ZOOKEEPER_MESOS, ZOOKEEPER_SUPER
from clusterctl.secrets.stages import ON_THE_WAY, Stage
from tests.contract.mesos.cluster import wait_for
from tests.contract.mesos.netns import private_network
from tests.contract.zookeeper.secured import SecuredEnsemble

pytestmark = pytest.mark.mesos

MEMBERS = (1, 2, 3)
AWAY = (ConnectionLoss, ConnectionClosedError, SessionExpiredError, KazooTimeoutError)


class Marathon:
    """Makes nodes that only it may see, writes the older ones and reads them, as Marathon does with its state."""

    def __init__(self, ensemble: SecuredEnsemble, credentials: str) -> None:
        self.made: list[str] = []
        self.refused: list[str] = []
        self.longest_s = 0.0
        self._stop = threading.Event()
        self._client, self._acl = ensemble.client(credentials), [make_digest_acl(*credentials.split(":"), all=True)]
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        last, number = time.monotonic(), 0
        while not self._stop.is_set():
            path = f"/marathon/state/app-{threading.get_ident()}-{number}"
            try:
                self._client.create(path, b"0", acl=self._acl, makepath=True)
            except NodeExistsError:  # an answer was lost
                pass
            except NoAuthError as error:
                self.refused.append(f"create {path}: {error!r}")
                return
            except AWAY:
                time.sleep(0.05)
                continue
            self.made.append(path)
            number += 1
            self.longest_s = max(self.longest_s, time.monotonic() - last)
            last = time.monotonic()
            time.sleep(0.05)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)
        self._client.stop()
        self._client.close()


def master(ensemble: SecuredEnsemble) -> KazooClient:
    """Stands for election, as Mesos masters do."""
    client = ensemble.client(ensemble.of_mesos())
    acl = [make_digest_acl(*ensemble.of_mesos().split(":"), all=True), make_acl("world", "anyone", read=True)]
    client.create("/mesos/json.info_", b"{}", acl=acl, ephemeral=True, sequence=True)
    return client


def turned(ensemble: SecuredEnsemble, keys: Keyring) -> None:
    """All members are restarted with the files of these epochs, and close the tree by them."""
    ensemble.keys = keys
    for n in MEMBERS:
        ensemble.start(n, MEMBERS)
        ensemble.serving(*MEMBERS)
        wait_for("a closed tree", lambda n=n: ensemble.close_tree(n).returncode == 0)  # type: ignore[misc]


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[SecuredEnsemble]:
    made = SecuredEnsemble(tmp_path)
    with private_network():
        for n in MEMBERS:
            made.start(n, MEMBERS)
        made.serving(*MEMBERS)
        assert made.close_tree(1).returncode == 0
        yield made
        made.stop()


def read_all(client: KazooClient, paths: list[str]) -> list[str]:
    """Those that it may not read."""
    hidden = []
    for path in paths:
        try:
            client.get(path)
        except NoAuthError:
            hidden.append(path)
    return hidden


def test_the_secrets_of_an_ensemble_turn_while_marathon_writes(ensemble: SecuredEnsemble) -> None:
    first = ensemble.keys
    mesos = master(ensemble)
    marathon = old = Marathon(ensemble, ensemble.of_marathon())
    try:
        for stage in ON_THE_WAY:
            keys = replace(first, epochs=FIRST.at(stage))
            if stage is Stage.CLIENTS:
                # Marathon goes before ZooKeepers. What the last one made after their roll is its own only: no ACL stops
                # the next one
                count = len(old.made)
                wait_for("nodes of its own", lambda count=count: len(old.made) > count + 3)  # type: ignore[misc]
                old.stop()
                ensemble.keys = keys
                marathon = Marathon(ensemble, ensemble.of_marathon())
                reader = ensemble.client(ensemble.of_marathon())
                assert read_all(reader, old.made) == []
                reader.stop()
            if stage is Stage.REQUIRED:
                # and so do masters
                ensemble.keys = keys
                mesos.stop()
                mesos = master(ensemble)
            turned(ensemble, keys)
        count = len(marathon.made)
        wait_for("more writes", lambda: len(marathon.made) > count + 3)
    finally:
        marathon.stop()
    assert (old.refused, marathon.refused) == ([], [])
    print(f"longest pause of writes: {max(old.longest_s, marathon.longest_s):.1f} s")

    # The next secrets do all that the last ones did
    reader = ensemble.client(ensemble.of_marathon())
    assert read_all(reader, [*old.made, *marathon.made]) == []
    reader.set(old.made[0], b"1")
    # and the last ones nothing
    last = ensemble.client(f"{zookeeper.MARATHON}:{first[ZOOKEEPER_MARATHON].reveal()}")
    assert read_all(last, [*old.made, *marathon.made]) == [*old.made, *marathon.made]
    with pytest.raises(NoAuthError):
        last.create("/marathon/state/x")
    last.stop()
    last = ensemble.client(f"{zookeeper.MESOS}:{first[ZOOKEEPER_MESOS].reveal()}")
    with pytest.raises(NoAuthError):
        last.create("/mesos/x")
    last.stop()
    for user, name in ((zookeeper.SUPER, ZOOKEEPER_SUPER), (zookeeper.MARATHON, ZOOKEEPER_MARATHON)):
        last = ensemble.client(f"{user}:{first[name].reveal()}")
        with pytest.raises(NoAuthError):
            last.create("/x")
        last.stop()
    # nor is Marathon more than Marathon
    with pytest.raises(NoAuthError):
        reader.create("/x")
    with pytest.raises(NoAuthError):
        reader.create("/mesos/x")
    reader.stop()
    mesos.stop()
    client = ensemble.client(ensemble.of_super())
    client.create("/x")
    client.delete("/x")
    client.stop()


def test_a_member_with_the_last_secret_is_refused_afterwards(ensemble: SecuredEnsemble) -> None:
    first = ensemble.keys
    for stage in ON_THE_WAY:
        turned(ensemble, replace(first, epochs=FIRST.at(stage, "zookeeper/quorum")))
    before = len(ensemble.log(1))
    try:
        ensemble.start(7, [*MEMBERS, 7], keys=first)
        wait_for("a refusal", lambda: "SASL" in ensemble.log(1)[before:], 60)
        assert "not currently serving requests" in wait_for("an answer", lambda: ensemble.ask(7, "mntr"))
    finally:
        ensemble.daemons.pop(7).kill()
    ensemble.serving(*MEMBERS)


def test_without_the_first_stage_a_member_does_not_find_the_others(ensemble: SecuredEnsemble) -> None:
    """Why servers take both first."""
    first = ensemble.keys
    before = len(ensemble.log(1))
    ensemble.start(3, MEMBERS, keys=replace(first, epochs=FIRST.next()))
    wait_for("a refusal", lambda: "SASL" in ensemble.log(1)[before:], 60)
    assert "not currently serving requests" in wait_for("an answer", lambda: ensemble.ask(3, "mntr"))
