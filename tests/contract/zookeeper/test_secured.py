"""What strangers can do with an ensemble that clusterctl has closed: nothing but look where the leaders are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoAuthError
from kazoo.security import ACL, OPEN_ACL_UNSAFE, Id

from clusterctl.secrets import zookeeper
from clusterctl.secrets.derive import Keyring, new_key
from tests.contract.mesos.cluster import wait_for
from tests.contract.mesos.netns import private_network
from tests.contract.zookeeper.secured import SecuredEnsemble, secrets_of

pytestmark = pytest.mark.mesos


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredEnsemble]:
    made = SecuredEnsemble(tmp_path_factory.mktemp("secured"))
    with private_network():
        for n in (1, 2, 3):
            made.start(n, [1, 2, 3])
        made.serving(1, 2, 3)
        yield made
        made.stop()


@pytest.fixture(scope="module")
def closed(ensemble: SecuredEnsemble) -> SecuredEnsemble:
    """With nodes as Mesos and Marathon leave them, older than any credentials; closed then."""
    before = ensemble.client()
    for path in ("/mesos/log_replicas", "/marathon/state/apps/app", "/marathon/leader-curator"):
        before.create(path, b"1", makepath=True)
    before.stop()
    done = ensemble.close_tree(2)
    assert (done.returncode, done.stderr) == (0, "")
    # /, /zookeeper and its quota; /mesos and one; /marathon and four
    assert done.stdout == "zookeeper-tree: closed 10 nodes\n"
    assert (ensemble.member(2) / "closed").exists()
    return ensemble


@pytest.fixture
def stranger(closed: SecuredEnsemble) -> Iterator[KazooClient]:
    """Says some name and password, as anybody may: ZooKeeper takes any pair for an identity."""
    client = closed.client("super:guess")
    yield client
    client.stop()


def test_closing_once_more_changes_nothing(closed: SecuredEnsemble) -> None:
    done = closed.close_tree(1)
    assert (done.returncode, done.stdout, done.stderr) == (0, "zookeeper-tree: closed\n", "")


FORBIDDEN: dict[str, Callable[[KazooClient], object]] = {
    "create below the root": lambda client: client.create("/x"),
    "create a master's candidate": lambda client: client.create("/mesos/json.info_", b"{}", sequence=True),
    "change a node": lambda client: client.set("/mesos/log_replicas", b"2"),
    "delete a node": lambda client: client.delete("/mesos/log_replicas"),
    "open a node": lambda client: client.set_acls("/mesos", OPEN_ACL_UNSAFE),
    "open the root": lambda client: client.set_acls("/", OPEN_ACL_UNSAFE),
    "read Marathon's apps": lambda client: client.get("/marathon/state/apps/app"),
    "list Marathon's apps": lambda client: client.get_children("/marathon/state/apps"),
    "become Marathon's leader": lambda client: client.create("/marathon/leader-curator/latch-0", b"me:8080"),
    "limit Marathon": lambda client: client.set("/zookeeper/quota/marathon/zookeeper_limits", b"count=1,bytes=1"),
    "make a quota": lambda client: client.create("/zookeeper/quota/x", b""),
    "write below /zookeeper": lambda client: client.create("/zookeeper/x", b""),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_stranger_may_not(what: str, stranger: KazooClient) -> None:
    with pytest.raises(NoAuthError):
        FORBIDDEN[what](stranger)


def test_a_stranger_may_find_the_leaders(stranger: KazooClient) -> None:
    assert stranger.get_children("/mesos") == ["log_replicas"]
    assert stranger.get("/mesos/log_replicas")[0] == b"1"
    assert stranger.get_children("/marathon/leader-curator") == []


def test_each_may_what_is_its_own_and_no_more(closed: SecuredEnsemble) -> None:
    marathon, mesos = closed.client(closed.of_marathon()), closed.client(closed.of_mesos())
    marathon.set("/marathon/state/apps/app", b"2")
    mesos.set("/mesos/log_replicas", b"2")
    with pytest.raises(NoAuthError):
        mesos.get("/marathon/state/apps/app")
    with pytest.raises(NoAuthError):
        marathon.create("/mesos/x")
    marathon.set("/marathon/state/apps/app", b"1")
    mesos.set("/mesos/log_replicas", b"1")
    marathon.stop()
    mesos.stop()


def test_quotas_are_enforced(closed: SecuredEnsemble) -> None:
    mesos = closed.client(closed.of_mesos())
    mesos.create("/mesos/large", b"x" * 600_000)
    with pytest.raises(KazooException) as caught:
        mesos.create("/mesos/larger", b"x" * 600_000)
    # kazoo 2 doesn't know the code of QuotaExceededException
    assert "125" in repr(caught.value) or "Quota" in repr(caught.value)
    mesos.delete("/mesos/large")
    mesos.stop()


def test_the_next_epoch_is_let_in_and_the_last_one_is_not(closed: SecuredEnsemble) -> None:
    old = closed.keys
    directory = closed.member(1) / "secrets"
    wanted = (directory / "zookeeper-tree.json").read_text()
    turned = Keyring(old.cluster, old.key, old.epochs.next("zookeeper/marathon"))
    (directory / "zookeeper-tree.json").write_text(zookeeper.tree(turned, 96).reveal())
    try:
        assert closed.close_tree(1).stdout == "zookeeper-tree: closed 5 nodes\n"
        last = closed.client(closed.of_marathon())
        with pytest.raises(NoAuthError):
            last.get("/marathon/state/apps/app")
        last.stop()
    finally:
        (directory / "zookeeper-tree.json").write_text(wanted)
        assert closed.close_tree(1).returncode == 0


def test_no_secret_is_in_argv_configuration_and_log(closed: SecuredEnsemble) -> None:
    texts = {n: closed.log(n) for n in (1, 2, 3)}
    for n, daemon in closed.daemons.items():
        command = Path(f"/proc/{daemon.pid}/cmdline").read_text()
        assert "zookeeper.options" in command
        assert "superDigest" not in command
        texts[n] += command + (closed.member(n) / "etc/zoo.cfg").read_text()
    for secret in secrets_of(closed.keys):
        assert not [n for n, text in texts.items() if secret.reveal() in text]


@pytest.mark.parametrize(("n", "secured"), [(7, False), (8, True)], ids=["no secret", "another cluster's"])
def test_a_learner_that_does_not_know_the_secret_is_sent_nothing(
    closed: SecuredEnsemble, n: int, secured: bool
) -> None:
    closed.serving(1, 2, 3)
    before = len(refusals(closed))
    try:
        closed.start(n, [1, 2, 3, n], secured=secured, keys=Keyring("other", new_key()))
        wait_for("its refusal by each member", lambda: len(refusals(closed)) >= before + 3, 60)
        assert "not currently serving requests" in closed.ask(n, "mntr")
        assert not holds(closed, n, b"/marathon/state")
    finally:
        closed.daemons.pop(n).kill()


def refusals(ensemble: SecuredEnsemble) -> list[str]:
    """What the members say of connections that did not prove themselves."""
    lines = [line for n in (1, 2, 3) for line in ensemble.log(n).splitlines()]
    return [
        line for line in lines if "Failed to authenticate using SASL" in line or "SASL authentication failed" in line
    ]


def holds(ensemble: SecuredEnsemble, n: int, text: bytes) -> bool:
    """Whether a member has that on its disk."""
    return any(text in path.read_bytes() for path in (ensemble.member(n) / "data").rglob("*") if path.is_file())


@pytest.fixture
def opened(tmp_path: Path, ensemble: SecuredEnsemble) -> Iterator[SecuredEnsemble]:
    """Another one, as the open templates have it."""
    made = SecuredEnsemble(tmp_path)
    for n in (11, 12, 13):
        made.start(n, [11, 12, 13], secured=False)
    made.serving(11, 12, 13)
    yield made
    made.stop()


def test_without_sasl_a_stranger_that_learns_gets_the_tree(opened: SecuredEnsemble) -> None:
    """The attack itself: else the test above could not fail."""
    client = opened.client()
    client.create("/hidden", b"1", acl=[ACL(31, Id("digest", "a:b"))])
    client.stop()
    opened.start(17, [11, 12, 13, 17], secured=False)
    opened.serving(17)
    wait_for("the tree on the stranger's disk", lambda: holds(opened, 17, b"/hidden"), 30)


def test_an_open_ensemble_is_closed_by_rolls(opened: SecuredEnsemble) -> None:
    for auth in ("offered", "learners", "required"):
        for n in (11, 12, 13):
            opened.start(n, [11, 12, 13], auth=auth)
            opened.serving(n)
    master = opened.client()
    master.create("/mesos/json.info_0", b"{}", ephemeral=True, makepath=True)
    done = opened.close_tree(11)
    assert (done.returncode, "/mesos/json.info_0 is of a session without credentials" in done.stderr) == (1, True)
    master.create("/marathon")
    master.stop()
    assert opened.close_tree(11).returncode == 0
    client = opened.client()
    with pytest.raises(NoAuthError):
        client.create("/x")
    client.stop()
    before = len(opened.log(11))
    opened.start(17, [11, 12, 13, 17], secured=False)
    wait_for("a refusal", lambda: "SASL" in opened.log(11)[before:], 30)
    assert not holds(opened, 17, b"/marathon")


def test_a_new_member_joins_and_every_one_may_be_restarted(closed: SecuredEnsemble) -> None:
    closed.start(4, [1, 2, 3, 4])
    try:
        closed.serving(4)
        for n in (1, 2, 3):
            closed.start(n, [1, 2, 3, 4])
            closed.serving(n, 4)
        client = closed.client(closed.of_marathon())
        assert client.get("/marathon/state/apps/app")[0] == b"1"
        client.stop()
    finally:
        closed.daemons.pop(4).kill()
    for n in (1, 2, 3):
        closed.start(n, [1, 2, 3])
    closed.serving(1, 2, 3)
