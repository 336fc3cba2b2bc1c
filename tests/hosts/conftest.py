"""A cluster on test hosts, made by the real cloud-init from the user-data that ``create`` would send."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clusterctl.render.userdata import user_data
from clusterctl.ssh.console import BootReport, BootState, new_nonce, parse_console, proof_of
from lab.hosts import nodes as test_nodes

ROOT = Path(__file__).resolve().parent.parent.parent
NONCE = new_nonce()
LABHOST = ROOT / "lab" / "hosts" / "labhost"


@dataclass(frozen=True)
class Lab:
    """A lab of test hosts whose disks carry a seed of cloud-init."""

    name: str
    work: Path

    @property
    def state(self) -> Path:
        """Its directory."""
        return Path(labhost("state", self.name).strip())

    def boot(self, name: str, address: str, data: bytes, *, layer: str = "node", files: Path | None = None) -> None:
        """Boots a host with ``data`` as its user-data; returns at once.

        Args:
            files: a directory copied over its disk beside the seed.
        """
        labhost("keys", self.name)
        directory = self.work / name
        if files:
            shutil.copytree(files, directory)
        _write_seed(directory, name, address, data, (self.state / "id_ed25519.pub").read_text().strip())
        labhost("up", self.name, name, address, "--layer", layer, "--files", str(directory), "--no-wait")

    def console(self, name: str) -> BootReport:
        """What the host's first boot said."""
        return parse_console(self.console_text(name), proof_of(NONCE))

    def console_text(self, name: str) -> str:
        """The host's console log."""
        return (self.state / name / "console.log").read_text(errors="replace")

    def reports(self, names: Iterable[str], deadline_s: float = 420) -> dict[str, BootReport]:
        """The reports of the hosts, once each has said its last word."""
        deadline = time.monotonic() + deadline_s
        while True:
            found = {name: self.console(name) for name in names}
            late = {name for name, report in found.items() if report.state not in (BootState.DONE, BootState.FAILED)}
            if not late:
                return found
            assert time.monotonic() < deadline, {name: found[name] for name in late}
            time.sleep(0.5)

    def run(self, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Runs a program on a host, without SSH."""
        return subprocess.run([LABHOST, "sh", self.name, name, *argv], capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Booted:
    """A cluster, and the lab that it is in."""

    cluster: test_nodes.Cluster
    lab: Lab

    @property
    def names(self) -> list[str]:
        return [node.name for node in self.cluster.nodes]

    @property
    def inventory(self) -> Path:
        """Inventory whose host keys are pinned from the consoles, as clusterctl's are."""
        connections = json.loads(labhost("inventory", self.lab.name))["all"]["hosts"]
        known = self.lab.work / "known_hosts"
        lines = [
            f"{node.address} {key.type} {key.base64}\n"
            for node in self.cluster.nodes
            for key in self.lab.console(node.name).host_keys
        ]
        known.write_text("".join(lines))
        for variables in connections.values():
            arguments = variables["ansible_ssh_common_args"]
            variables["ansible_ssh_common_args"] = arguments.replace(f"{self.lab.state}/known_hosts", str(known))
        path = self.lab.work / "inventory.json"
        path.write_text(json.dumps(self.cluster.inventory(connections)))
        return path


def labhost(*arguments: str) -> str:
    """Runs labhost; its errors are the test's."""
    done = subprocess.run([LABHOST, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _write_seed(directory: Path, name: str, address: str, data: bytes, public_key: str) -> None:
    """A ConfigDrive as a directory, as cloud-init finds it on an image: what Nova would have attached."""
    latest = directory / "var/lib/cloud/seed/config_drive/openstack/latest"
    latest.mkdir(parents=True)
    # as the drive itself, a block device of root's; cloud-init opens the directory above to all
    (directory / "var/lib/cloud/seed/config_drive").chmod(0o700)
    metadata: dict[str, Any] = {
        "uuid": f"00000000-0000-4000-8000-{int(address.split('.')[3]):012}",
        "hostname": name,
        "name": name,
        "public_keys": {"test": public_key},
    }
    (latest / "meta_data.json").write_text(json.dumps(metadata))
    (latest / "user_data").write_bytes(data)
    settings = directory / "etc/cloud/cloud.cfg.d"
    settings.mkdir(parents=True)
    (settings / "95_test.cfg").write_text("disable_root: false\n")


@pytest.fixture(scope="module")
def new_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Lab]]:
    """Makes an empty lab; all are removed at the end."""
    made: list[str] = []
    labhost("image")

    def make(name: str) -> Lab:
        labhost("down", name)
        made.append(name)
        return Lab(name, tmp_path_factory.mktemp(name))

    yield make
    for name in made:
        labhost("down", name)


@pytest.fixture(scope="module")
def booted(new_lab: Callable[[str], Lab]) -> Booted:
    """All nodes of molecule/shared/three.yml, their first boot over."""
    cluster = test_nodes.cluster(ROOT / "molecule" / "shared" / "three.yml")
    lab = new_lab("cloudinit")
    for node in cluster.nodes:
        lab.boot(node.name, node.address, user_data(node.services, cluster.all_variables(node), "embedded", NONCE))
    reports = lab.reports([node.name for node in cluster.nodes])
    assert {name: report for name, report in reports.items() if report.state is not BootState.DONE} == {}
    return Booted(cluster, lab)
