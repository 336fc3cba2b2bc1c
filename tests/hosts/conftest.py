"""A cluster on test hosts, made by the real cloud-init from the user-data that ``create`` would send."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clusterctl.render.userdata import user_data
from clusterctl.ssh.console import BootReport, BootState, parse_console
from lab.hosts import nodes as test_nodes

ROOT = Path(__file__).resolve().parent.parent.parent
LABHOST = ROOT / "lab" / "hosts" / "labhost"
LAB = "cloudinit"


@dataclass(frozen=True)
class Booted:
    """The cluster, where its consoles are, and a place for files of the tests."""

    cluster: test_nodes.Cluster
    state: Path
    work: Path

    def console(self, name: str) -> BootReport:
        """What the host's first boot said."""
        return parse_console((self.state / name / "console.log").read_text(errors="replace"))

    def run(self, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Runs a program on a host, without SSH."""
        return subprocess.run([LABHOST, "sh", LAB, name, *argv], capture_output=True, text=True, check=False)

    @property
    def inventory(self) -> Path:
        """Inventory whose host keys are pinned from the consoles, as clusterctl's are."""
        connections = json.loads(labhost("inventory", LAB))["all"]["hosts"]
        known = self.work / "known_hosts"
        lines = [
            f"{node.address} {key.type} {key.base64}\n"
            for node in self.cluster.nodes
            for key in self.console(node.name).host_keys
        ]
        known.write_text("".join(lines))
        for variables in connections.values():
            arguments = variables["ansible_ssh_common_args"]
            variables["ansible_ssh_common_args"] = arguments.replace(f"{self.state}/known_hosts", str(known))
        path = self.work / "inventory.json"
        path.write_text(json.dumps(self.cluster.inventory(connections)))
        return path


def labhost(*arguments: str) -> str:
    """Runs labhost; its errors are the test's."""
    done = subprocess.run([LABHOST, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def seed(directory: Path, node: test_nodes.Node, data: bytes, public_key: str) -> Path:
    """A ConfigDrive as a directory, as cloud-init finds it on an image: what Nova would have attached."""
    latest = directory / "var/lib/cloud/seed/config_drive/openstack/latest"
    latest.mkdir(parents=True)
    metadata: dict[str, Any] = {
        "uuid": f"00000000-0000-4000-8000-{int(node.address.split('.')[3]):012}",
        "hostname": node.name,
        "name": node.name,
        "public_keys": {"test": public_key},
    }
    (latest / "meta_data.json").write_text(json.dumps(metadata))
    (latest / "user_data").write_bytes(data)
    settings = directory / "etc/cloud/cloud.cfg.d"
    settings.mkdir(parents=True)
    (settings / "95_test.cfg").write_text("disable_root: false\n")
    return directory


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """All nodes of molecule/shared/three.yml, their first boot over."""
    work = tmp_path_factory.mktemp("hosts")
    of = test_nodes.cluster(ROOT / "molecule" / "shared" / "three.yml")
    labhost("down", LAB)
    labhost("image")
    state = Path(labhost("state", LAB).strip())
    labhost("keys", LAB)
    public_key = (state / "id_ed25519.pub").read_text().strip()
    try:
        for node in of.nodes:
            data = user_data(node.services, of.all_variables(node), "embedded")
            files = seed(work / node.name, node, data, public_key)
            labhost("up", LAB, node.name, node.address, "--files", str(files), "--no-wait")
        result = Booted(of, state, work)
        deadline = time.monotonic() + 180
        waiting = {node.name for node in of.nodes}
        while waiting:
            reports = {name: result.console(name) for name in waiting}
            failed = {name: report for name, report in reports.items() if report.state is BootState.FAILED}
            assert not failed, failed
            waiting = {name for name, report in reports.items() if report.state is not BootState.DONE}
            assert time.monotonic() < deadline, {name: reports[name] for name in waiting}
            time.sleep(0.5)
        yield result
    finally:
        labhost("down", LAB)
