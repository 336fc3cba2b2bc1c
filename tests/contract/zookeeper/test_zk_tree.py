"""The backup of Marathon's state: a subtree of a real ZooKeeper is dumped, damaged and restored."""

import json
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.security import OPEN_ACL_UNSAFE, make_acl, make_digest_acl

from tests.contract.mesos.cluster import JAVA, ZK_PORT, Daemon
from tests.contract.mesos.netns import private_network

SCRIPT = Path(__file__).parents[3] / "playbooks/files/zk_tree.py"
NODE_PYTHON = "/usr/bin/python3"  # with Debian's kazoo, as on nodes
PLACE = f"127.0.0.1:{ZK_PORT}"

pytestmark = pytest.mark.mesos


@pytest.fixture(scope="module")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KazooClient]:
    """A client of a single ZooKeeper, that of Debian, in a network namespace of its own."""
    work = tmp_path_factory.mktemp("zookeeper")
    config = work / "zoo.cfg"
    config.write_text(f"dataDir={work}\nclientPort={ZK_PORT}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n")
    server = "org.apache.zookeeper.server.ZooKeeperServerMain"
    argv = [JAVA, "-Xmx64m", "-cp", "/usr/share/java/zookeeper.jar", server, str(config)]
    with private_network():
        daemon = Daemon("zookeeper", argv, work / "log")
        daemon.start()
        client = KazooClient(PLACE, timeout=20)
        client.start(timeout=180)  # tries to connect until then
        yield client
        client.stop()
        daemon.kill()


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NODE_PYTHON, "-I", SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def tree(client: KazooClient, path: str) -> dict[str, bytes]:
    data, stat = client.get(path)
    found = {} if stat.ephemeralOwner else {path: data}
    for name in client.get_children(path):
        found |= tree(client, f"{path}/{name}")
    return found


def test_a_dump_restores_what_was_changed_removed_and_added(zookeeper: KazooClient, tmp_path: Path) -> None:
    binary = bytes(range(256)) * 400  # larger than one packet
    zookeeper.create("/marathon/state/framework-id", b"F-1", makepath=True)
    zookeeper.create("/marathon/state/apps/%2Fa", binary, makepath=True)
    zookeeper.create("/marathon/state/empty", b"")
    zookeeper.create("/marathon/leader-curator/latch", b"127.0.0.1:8080", ephemeral=True, makepath=True)
    before = tree(zookeeper, "/marathon")
    file = tmp_path / "marathon.json"

    done = run("dump", PLACE, "/marathon", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{len(before)}\n", "")
    assert file.stat().st_mode & 0o777 == 0o600
    held = json.loads(file.read_text())
    assert held["path"] == "/marathon"
    assert "/leader-curator" in held["nodes"]
    assert "/leader-curator/latch" not in held["nodes"], "ephemeral nodes belong to sessions"

    zookeeper.delete("/marathon/leader-curator/latch")
    zookeeper.set("/marathon/state/framework-id", b"F-2")
    zookeeper.delete("/marathon/state/apps", recursive=True)
    zookeeper.create("/marathon/state/new/deeper", b"x", makepath=True)
    done = run("restore", PLACE, "/marathon", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert tree(zookeeper, "/marathon") == before


def test_access_control_comes_back(zookeeper: KazooClient, tmp_path: Path) -> None:
    closed = [make_digest_acl("marathon", "secret", all=True), make_acl("world", "anyone", read=True)]
    zookeeper.create("/closed/state/app", b"1", makepath=True)
    zookeeper.set_acls("/closed/state/app", closed)
    file, auth = tmp_path / "closed.json", tmp_path / "auth"
    auth.write_text("marathon:secret\n")
    hidden = run("dump", PLACE, "/closed", file)
    assert hidden.returncode == 1, "ZooKeeper masks digests for strangers: the backup would be useless"
    assert "/closed/state/app: its ACL is hidden from this client" in hidden.stderr
    assert not file.exists()
    assert run("dump", PLACE, "/closed", file, auth).returncode == 0
    zookeeper.set_acls("/closed/state", closed)
    zookeeper.add_auth("digest", "marathon:secret")
    zookeeper.delete("/closed/state/app")
    zookeeper.set_acls("/closed/state", OPEN_ACL_UNSAFE)

    done = run("restore", PLACE, "/closed", file, auth)
    assert (done.returncode, done.stderr) == (0, "")
    assert zookeeper.get_acls("/closed/state")[0] == OPEN_ACL_UNSAFE
    assert sorted(zookeeper.get_acls("/closed/state/app")[0]) == sorted(closed)


@pytest.mark.parametrize(
    ("owner", "ephemeral"),
    [(0, False), (-(1 << 63), False), (-(1 << 56) + 60_000, False), (0x1000A5B3C9D0001, True)],
    ids=["persistent", "container", "with a time to live", "of a session"],
)
def test_only_nodes_of_sessions_are_left_out(owner: int, ephemeral: bool) -> None:
    values = runpy.run_path(str(SCRIPT))
    assert values["is_ephemeral"](owner) is ephemeral


def test_what_is_not_there_is_an_error_and_no_file(zookeeper: KazooClient, tmp_path: Path) -> None:
    done = run("dump", PLACE, "/nosuch", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"/nosuch: no such node in ZooKeeper at {PLACE}" in done.stderr
    assert not (tmp_path / "out").exists()


def test_no_zookeeper_is_an_error(zookeeper: KazooClient, tmp_path: Path) -> None:
    done = run("dump", "127.0.0.2:1", "/marathon", tmp_path / "out")
    assert done.returncode == 1
    assert "ZooKeeper at 127.0.0.2:1: KazooTimeoutError" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_arguments_show_the_usage() -> None:
    done = run("copy", PLACE)
    assert done.returncode == 2
    assert "zk_tree.py dump" in done.stderr
