"""A cluster whose ZooKeepers and Marathons are closed, by the files that clusterctl brings to nodes; Mesos is open.

ZooKeepers are configured and started as the role does; masters and Marathons have its settings and the secrets' files.
"""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

from clusterctl.paths import roles_dir
from clusterctl.render.templates import render_files
from clusterctl.secrets.derive import Keyring, new_key
from clusterctl.secrets.marathon_files import ENVIRONMENT, HTTP_FILE, marathon_files
from clusterctl.secrets.wanted import Wanted
from clusterctl.secrets.zookeeper_files import MARATHON, MASTERS, zookeeper_files
from clusterctl.topology import Addresses
from tests.contract.loopback import Marathon, MarathonCluster
from tests.contract.mesos.cluster import Daemon
from tests.contract.zookeeper.secured import SecuredEnsemble
from tests.unit.specs import demo_spec, only_closed

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


class SecuredCluster(MarathonCluster):
    """Not yet started."""

    def __init__(self, mesos: Path, marathon: Path, work: Path) -> None:
        self.keys = Keyring("demo", new_key())
        self.ensemble = SecuredEnsemble(work, self.keys)
        self.files = self._secret_files(work)
        self.logback, self.script = self._scripts(work)
        super().__init__(mesos, marathon, work)
        self.login = json.loads(self.files[HTTP_FILE].read_text())
        pair = f"{self.login['principal']}:{self.login['secret']}"
        self.headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def _secret_files(self, work: Path) -> dict[str, Path]:
        """Where the files of a control node are, by their places there."""
        at = Addresses(tuple(enumerate(HOSTS, 1)), HOSTS, HOSTS)
        wanted = Wanted(demo_spec(security=only_closed("zookeeper", "marathon")), "control", self.keys, at)
        made = {file.path: file.content for file in (*zookeeper_files(wanted), *marathon_files(wanted))}
        found = {}
        for path, content in made.items():
            found[path] = work / Path(path).name
            found[path].touch(mode=0o600)
            found[path].write_text(content.reveal())
        return found

    def _scripts(self, work: Path) -> tuple[Path, Path]:
        """Files of the roles that matter here: logback's, and the script that puts credentials into a URL."""
        variables = {
            "clusterctl_address": HOSTS[0],
            "mesos_zk_url": "zk://x/mesos",
            "marathon_zk_url": "zk://x/marathon",
            "marathon_secured": True,
            "common_secrets": True,
            "clusterctl_hardened": False,
        }
        rendered = render_files(roles_dir(), ["common", "marathon"], variables)
        files = {Path(file.path).name: file.content for file in rendered}
        for name in ("marathon-logback.xml", "with-credentials"):
            (work / name).write_text(files[name])
        return work / "marathon-logback.xml", work / "with-credentials"

    def _zookeeper(self, n: int) -> Daemon:
        return self.ensemble.prepare(n, (1, 2, 3))

    def _master(self, n: int) -> Daemon:
        made = super()._master(n)
        url = self._with_credentials(self.zk, self.files[MASTERS], self.work / "masters-zk")
        made.argv = [f"--zk=file://{url}" if "--zk=" in word else word for word in made.argv]
        return made

    def _with_credentials(self, url: str, secret: Path, file: Path, *name: str) -> Path:
        """What the units do before their start."""
        subprocess.run(["sh", self.script, url, secret, file, *name], check=True)
        assert file.stat().st_mode & 0o777 == 0o600
        return file

    def marathon(self, n: int, unpacked: Path, **more: str) -> Marathon:
        made = super().marathon(n, unpacked, **more)
        url = made.env.pop("MARATHON_ZK")
        own = self._with_credentials(url, self.files[MARATHON], self.work / "zk.env", "MARATHON_ZK")
        lines = [*self.files[ENVIRONMENT].read_text().splitlines(), *own.read_text().splitlines()]
        made.env |= dict(line.split("=", 1) for line in lines)
        made.env["JAVA_OPTS"] = f"-Dlogback.configurationFile={self.logback}"
        return made
