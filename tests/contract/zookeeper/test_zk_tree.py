"""The backup of Marathon's state: a subtree of a real ZooKeeper is dumped, damaged and restored."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from tests.contract.mesos.cluster import JAVA, ZK_PORT, Daemon
from tests.contract.mesos.netns import private_network

SCRIPT = Path(__file__).parents[3] / "playbooks/files/zk_tree.py"
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
        client.start(timeout=60)  # tries to connect until then
        yield client
        client.stop()
        daemon.kill()


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False
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


def test_what_is_not_there_is_an_error_and_no_file(zookeeper: KazooClient, tmp_path: Path) -> None:
    done = run("dump", PLACE, "/nosuch", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert "/nosuch: ZooKeeper error -101" in done.stderr
    assert not (tmp_path / "out").exists()


def test_no_zookeeper_is_an_error(zookeeper: KazooClient, tmp_path: Path) -> None:
    done = run("dump", "127.0.0.2:1", "/marathon", tmp_path / "out")
    assert done.returncode == 1
    assert "ConnectionRefusedError" in done.stderr


def test_wrong_arguments_show_the_usage() -> None:
    done = run("copy", PLACE)
    assert done.returncode == 2
    assert "zk_tree.py dump" in done.stderr
