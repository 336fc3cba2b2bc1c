"""What the playbooks of an upgrade of Marathon do to nodes, done to processes on loopback addresses."""

import hashlib
import json
import re
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clusterctl.ansible.playbook import PlaybookResult
from tests.contract.health.world import World
from tests.contract.loopback import Marathon

ZK_TREE = Path(__file__).parents[3] / "playbooks/files/zk_tree.py"
LEVEL = re.compile(r"\[[^]]*\] (ERROR|FATAL)\s")  # as in playbooks/marathon-log.yml


class LoopbackHosts:
    """``Hosts`` for control nodes.

    Attributes:
        programs: version -> unpacked Marathon.
        on_run: told of every playbook before it runs, with the node.
    """

    def __init__(self, world: World, programs: Mapping[str, Path], first: str) -> None:
        self._world, self._programs = world, programs
        self.versions = {f"loop-control-{n}": first for n in (1, 2, 3)}
        self.ran: list[tuple[str, str]] = []
        self.on_run: Callable[[str, str], None] = lambda _what, _node: None

    def run(self, playbook: str, names: Sequence[str], variables: Mapping[str, Any] | None = None) -> PlaybookResult:
        """See ``Hosts``."""
        given = dict(variables or {})
        notes = []
        for name in names:
            what = given["roll_state"] if playbook == "restart" else playbook
            self.ran.append((what, name))
            self.on_run(what, name)
            note = getattr(self, "_" + playbook.replace("-", "_"))(name, given)
            notes += [(name, "Tell", note)] if note else []
        counts = {"ok": 1, "changed": 1, "failed": 0, "unreachable": 0}
        return PlaybookResult(dict.fromkeys(names, counts), (), (), tuple(notes), "")

    def marathon(self, name: str) -> Marathon:
        """The process of a node."""
        return self._world.cluster.marathons[int(name[-1]) - 1]

    def sha256(self, version: str) -> str:
        """A digest to tell the versions by; there are no tarballs here."""
        return hashlib.sha256(version.encode()).hexdigest()

    def _restart(self, name: str, given: Mapping[str, Any]) -> None:
        marathon = self.marathon(name)
        if given["roll_state"] != "started" and marathon.running:
            marathon.terminate()
        if given["roll_state"] == "stopped":
            marathon.supervised = False
            marathon.kill()
        elif not marathon.running:
            marathon.start(supervised=True)

    def _upgrade(self, name: str, given: Mapping[str, Any]) -> None:
        self._use(name, given["roll_version"])
        self._restart(name, given)

    def _marathon_back(self, name: str, given: Mapping[str, Any]) -> None:
        self._use(name, given["roll_version"])

    def _use(self, name: str, version: str) -> None:
        self.versions[name] = version
        self.marathon(name).program = self._programs[version] / "bin/marathon"

    def _upgrade_check(self, name: str, _: Mapping[str, Any]) -> str:
        version = self.versions[name]
        record = {"sha256": self.sha256(version), "version": version, "since": 0.0}
        facts = {
            "free_mib": {"/opt": 9000},
            "records": {"marathon": record},
            "marathon": version,
            "units": {"marathon": {"active": self.marathon(name).running, "since": 1.0}},
        }
        return "facts " + json.dumps(facts)

    def _marathon_log(self, name: str, _: Mapping[str, Any]) -> str:
        run = self.marathon(name).log.read_text().rpartition("Starting Marathon")[2]
        return "\n".join(line for line in run.splitlines() if LEVEL.match(line))

    def _backup(self, name: str, given: Mapping[str, Any]) -> None:
        directory = Path(given["backup_directory"])
        self._zk_tree("dump", name, given["backup_tree"], directory / "tree.json")
        with tarfile.open(directory / "zookeeper.tar.gz", "w:gz") as archive:
            archive.add(self._world.cluster.work / f"zk{name[-1]}" / "version-2", "version-2")

    def _restore(self, name: str, given: Mapping[str, Any]) -> None:
        self._zk_tree("restore", name, given["backup_tree"], Path(given["backup_directory"]) / "tree.json")

    def _zk_tree(self, verb: str, name: str, tree: str, file: Path) -> None:
        place = f"127.0.0.{name[-1]}:2181"
        subprocess.run(["/usr/bin/python3", ZK_TREE, verb, place, tree, file], check=True, stdout=subprocess.DEVNULL)
