"""An ensemble of real ZooKeepers as the role configures and starts it, with the secrets that nodes get.

Made for use inside ``private_network``: ZooKeeper N on 127.0.0.N.
"""

from __future__ import annotations

import shlex
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from kazoo.client import KazooClient

from clusterctl.paths import roles_dir
from clusterctl.render.templates import render_files
from clusterctl.secrets import zookeeper
from clusterctl.secrets.derive import Keyring, new_key
from clusterctl.secrets.names import ZOOKEEPER_MARATHON, ZOOKEEPER_MESOS, ZOOKEEPER_QUORUM, ZOOKEEPER_SUPER
from clusterctl.secrets.secret import Secret
from tests.contract.mesos.cluster import JAVA, ZK_PORT, Daemon, wait_for

NODE_PYTHON = "/usr/bin/python3"  # with Debian's kazoo, as on nodes
HEAP_MIB = 96
# Where the role has them, and where they are below a member's directory
PLACES = {
    "/etc/clusterctl/secrets": "secrets",
    "/var/lib/zookeeper": "data",
    "/etc/zookeeper": "etc",
    "/etc/default": "default",
}


def address(n: int) -> str:
    return f"127.0.0.{n}"


class SecuredEnsemble:
    """Not yet started."""

    def __init__(self, work: Path, keys: Keyring | None = None) -> None:
        self.work = work
        self.keys = keys or Keyring("demo", new_key())
        self.daemons: dict[int, Daemon] = {}

    @property
    def hosts(self) -> str:
        return ",".join(f"{address(n)}:{ZK_PORT}" for n in sorted(self.daemons))

    def start(
        self, n: int, members: Sequence[int], *, secured: bool = True, keys: Keyring | None = None, auth: str = ""
    ) -> None:
        """Starts member N (again) with that list of members; arguments as ``prepare``'s."""
        if n in self.daemons:
            self.daemons[n].kill()
        self.prepare(n, members, secured=secured, keys=keys, auth=auth).start()

    def prepare(
        self, n: int, members: Sequence[int], *, secured: bool = True, keys: Keyring | None = None, auth: str = ""
    ) -> Daemon:
        """Writes the files of member N; not yet started.

        Args:
            secured: False for one as the open templates have it.
            keys: another key, for one that is not of the cluster.
            auth: zookeeper_members_auth.
        """
        top = self.member(n)
        for name in PLACES.values():
            (top / name).mkdir(parents=True, exist_ok=True)
        self._write_secrets(top / "secrets", keys or self.keys)
        files = self._rendered(n, members, secured, auth)
        (top / "etc/zoo.cfg").write_text(f"{files['/etc/zookeeper/zoo.cfg']}clientPortAddress={address(n)}\n")
        (top / "data/myid").write_text(files["/etc/zookeeper/myid"])
        if secured:
            (top / "zookeeper-tree").write_text(files["/usr/lib/clusterctl/zookeeper-tree"])
            (top / "zookeeper-tree").chmod(0o755)
        (top / "etc/simplelogger.properties").write_text(files["/etc/zookeeper/simplelogger.properties"])
        self.daemons[n] = Daemon(f"zk{n}", self._command(files), self.work / f"zk{n}.log")
        return self.daemons[n]

    def member(self, n: int) -> Path:
        return self.work / f"zk{n}"

    def _write_secrets(self, directory: Path, keys: Keyring) -> None:
        texts = {
            "zookeeper.jaas": zookeeper.jaas(keys),
            "zookeeper.options": zookeeper.java_options(keys, str(directory / "zookeeper.jaas")),
            "zookeeper-tree.json": zookeeper.tree(keys, HEAP_MIB),
            "zookeeper-super": zookeeper.super_credentials(keys),
        }
        for name, text in texts.items():
            (directory / name).touch(mode=0o600)
            (directory / name).write_text(text.reveal())

    def _rendered(self, n: int, members: Sequence[int], secured: bool, auth: str) -> dict[str, str]:
        variables = {
            "clusterctl_address": address(n),
            "zookeeper_servers": [{"id": i, "address": address(i)} for i in members],
            "zookeeper_myid": n,
            "zookeeper_java": JAVA,
            "zookeeper_heap_mib": HEAP_MIB,
            "zookeeper_tick_time_ms": 500,
            "zookeeper_init_limit": 20,
            "zookeeper_sync_limit": 10,
            "zookeeper_secured": secured,
            "clusterctl_hardened": False,
            **({"zookeeper_members_auth": auth} if auth else {}),
        }
        found = {file.path: file.content for file in render_files(roles_dir(), ["zookeeper"], variables)}
        for path, text in found.items():
            for place, name in PLACES.items():
                text = text.replace(place, str(self.member(n) / name))  # noqa: PLW2901
            found[path] = text
        return found

    def _command(self, files: dict[str, str]) -> list[str]:
        """The unit's ExecStart, with what its EnvironmentFile says."""
        unit = files["/etc/systemd/system/zookeeper.service"]
        [line] = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
        set_lines = [text for text in files["/etc/default/zookeeper"].splitlines() if not text.startswith("#")]
        env = dict(shlex.split(text)[0].split("=", 1) for text in set_lines)
        words = shlex.split(line.removeprefix("ExecStart="))
        at = words.index("$ZOOKEEPER_JVM_OPTIONS")  # systemd splits this one, and ${...} not
        words[at : at + 1] = env["ZOOKEEPER_JVM_OPTIONS"].split()
        return [word.replace("${ZOOKEEPER_CLASSPATH}", env["ZOOKEEPER_CLASSPATH"]) for word in words]

    def serving(self, *members: int) -> None:
        """Waits until these serve."""
        for n in members:
            client = KazooClient(f"{address(n)}:{ZK_PORT}")
            try:
                client.start(180)
                wait_for(f"member {n}", lambda client=client: client.exists("/zookeeper"))  # type: ignore[misc]
            finally:
                client.stop()
                client.close()

    def close_tree(self, n: int) -> subprocess.CompletedProcess[str]:
        """What zookeeper-tree.service does on member N."""
        top = self.member(n)
        secrets = top / "secrets"
        arguments = [
            f"{address(n)}:{ZK_PORT}",
            secrets / "zookeeper-tree.json",
            secrets / "zookeeper-super",
            top / "closed",
        ]
        return subprocess.run(
            [top / "zookeeper-tree", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )

    def client(self, credentials: str | None = None) -> KazooClient:
        """A started client; ``credentials`` are user:password of scheme "digest"."""
        auth = [("digest", credentials)] if credentials else []
        client = KazooClient(self.hosts, auth_data=auth)
        client.start(180)
        return client

    def of_marathon(self) -> str:
        return f"{zookeeper.MARATHON}:{self.keys[ZOOKEEPER_MARATHON].reveal()}"

    def of_mesos(self) -> str:
        return f"{zookeeper.MESOS}:{self.keys[ZOOKEEPER_MESOS].reveal()}"

    def of_super(self) -> str:
        return zookeeper.super_credentials(self.keys).reveal().strip()

    def ask(self, n: int, word: str) -> str:
        """The answer to a four-letter word; empty while nothing listens."""
        try:
            with socket.create_connection((address(n), ZK_PORT), timeout=5) as connection:
                connection.sendall(word.encode())
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return ""

    def log(self, n: int) -> str:
        return (self.work / f"zk{n}.log").read_text(errors="replace")

    def stop(self) -> None:
        for daemon in self.daemons.values():
            daemon.kill()


def secrets_of(keys: Keyring) -> list[Secret]:
    """All that ZooKeeper's part derives."""
    return [keys[name] for name in (ZOOKEEPER_SUPER, ZOOKEEPER_QUORUM, ZOOKEEPER_MESOS, ZOOKEEPER_MARATHON)]
