"""Mesos packages with units of their own, through image, first boot, reboot and upgrade: exactly our units run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clusterctl.render.userdata import user_data
from clusterctl.services import UNITS
from clusterctl.ssh.console import BootState
from lab.hosts import nodes as test_nodes

from . import upstream
from .conftest import NONCE, ROOT, Booted, Lab, labhost

pytestmark = pytest.mark.hosts
SERVICES = re.compile(r"mesos|zookeeper|marathon|dcos")


def ansible(playbook: str, inventory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a playbook with our configuration."""
    programs = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "0",
    }
    command = [programs / "ansible-playbook", "-i", inventory, *arguments, ROOT / "playbooks" / playbook]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@dataclass(frozen=True)
class Image:
    """A base image with an upstream-shaped Mesos, as a layer, and what its build said."""

    lab: Lab
    layer: Path
    refused: subprocess.CompletedProcess[str]
    after_install: str


@pytest.fixture(scope="module")
def image(new_lab: Callable[[str], Lab], tmp_path_factory: pytest.TempPathFactory) -> Image:
    """playbooks/image.yml on a stock Debian; in between a unit of another name that would start is planted."""
    lab = new_lab("upstream")
    artifacts = json.loads(labhost("artifacts"))
    work = tmp_path_factory.mktemp("upstream-packages")
    artifacts["mesos_artifact"] = upstream.build(Path(artifacts["mesos_artifact"]["src"]), work, 1, systemd=True)
    variables = work / "artifacts.json"
    variables.write_text(json.dumps(artifacts))
    labhost("up", lab.name, "builder", "10.99.0.10", "--layer", "base")
    inventory = work / "builder.json"
    inventory.write_text(labhost("inventory", lab.name))
    extra = ("-e", f"@{variables}")

    built = ansible("image.yml", inventory, *extra, "--skip-tags", "clean")
    assert built.returncode == 0, built.stdout + built.stderr
    after_install = active(lab, "builder") + lab.run("builder", "ls", upstream.STARTED).stdout
    planted = upstream.UNIT.format(name="master").replace("\n", "\\n")
    plant = f"printf '{planted}' > /lib/systemd/system/dcos-leader.service && systemctl enable -q dcos-leader"
    assert lab.run("builder", "sh", "-c", plant).returncode == 0
    refused = ansible("image.yml", inventory, *extra, "--start-at-task", "Look for foreign units")
    remove = "systemctl disable -q dcos-leader && rm /lib/systemd/system/dcos-leader.service && systemctl daemon-reload"
    assert lab.run("builder", "sh", "-c", remove).returncode == 0
    cleaned = ansible("image.yml", inventory, *extra, "--start-at-task", "Look for foreign units")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr

    labhost("stop", lab.name, "builder")
    layer = lab.state / "image"
    labhost("take", lab.name, "builder", str(layer))
    return Image(lab, layer, refused, after_install)


@pytest.fixture(scope="module")
def nodes(image: Image) -> Booted:
    """The nodes of molecule/shared/one.yml from that image, by the real cloud-init."""
    cluster = test_nodes.cluster(ROOT / "molecule" / "shared" / "one.yml")
    for node in cluster.nodes:
        data = user_data(node.services, cluster.all_variables(node), "embedded", NONCE)
        image.lab.boot(node.name, node.address, data, layer=str(image.layer))
    reports = image.lab.reports([node.name for node in cluster.nodes])
    assert {name: report for name, report in reports.items() if report.state is not BootState.DONE} == {}
    return Booted(cluster, image.lab)


def active(lab: Lab, name: str) -> str:
    """Active units of these services on a host, one a line: name and file."""
    lines = lab.run(name, "systemctl", "list-units", "--state=active,activating", "--plain", "--no-legend").stdout
    found = sorted(line.split()[0] for line in lines.splitlines() if SERVICES.search(line))
    shown = [lab.run(name, "systemctl", "show", "--value", "-p", "FragmentPath", unit).stdout.strip() for unit in found]
    return "".join(f"{unit} {path}\n" for unit, path in zip(found, shown, strict=True))


def jobs(lab: Lab, name: str) -> str:
    """What systemd has yet to do on a host."""
    return lab.run(name, "systemctl", "list-jobs", "--no-legend").stdout.replace("No jobs running.\n", "")


def wanted(booted: Booted, name: str) -> str:
    """What ``active`` says where exactly our units run."""
    services = next(node.services for node in booted.cluster.nodes if node.name == name)
    units = sorted(f"{UNITS[service]}.service" for service in services)
    return "".join(f"{unit} /etc/systemd/system/{unit}\n" for unit in units)


def assert_exactly_ours_run(booted: Booted, deadline_s: float = 90) -> None:
    """On every node, once all that is to start has started; and nothing foreign has run since the image was made."""
    deadline = time.monotonic() + deadline_s
    for name in booted.names:
        while active(booted.lab, name) != wanted(booted, name) or jobs(booted.lab, name):
            assert time.monotonic() < deadline, f"{name}: {active(booted.lab, name)}{jobs(booted.lab, name)}"
            time.sleep(0.5)
        assert booted.lab.run(name, "ls", upstream.STARTED).returncode != 0, f"{name}: a foreign unit has started"
        arguments = booted.lab.run(name, "ps", "-eo", "args=").stdout
        assert "mesos-init-wrapper" not in arguments
        assert not re.search(r"mesos-slave|--quorum=1", arguments)
        checked = booted.lab.run(name, "sha256sum", "--quiet", "--check", "/var/lib/clusterctl/files.sha256")
        assert checked.returncode == 0, checked.stdout
        masters = [node for node in booted.cluster.nodes if node.name == name and "mesos_master" in node.services]
        for node in masters:
            flags = f"http://{node.address}:5050/flags"
            program = f"import json, urllib.request as u; print(json.load(u.urlopen({flags!r}))['flags']['work_dir'])"
            while not (found := booted.lab.run(name, "python3", "-c", program).stdout.strip()):
                assert time.monotonic() < deadline, f"{name}: no master answers"
                time.sleep(0.5)
            assert found == "/var/lib/mesos/master"


def reboot(booted: Booted) -> Iterator[str]:
    """All nodes, one after another."""
    for node in booted.cluster.nodes:
        labhost("stop", booted.lab.name, node.name)
    for node in booted.cluster.nodes:
        labhost("up", booted.lab.name, node.name, node.address)
        yield node.name


def test_nothing_of_the_package_starts_at_the_build(image: Image) -> None:
    assert image.after_install == ""


def test_a_unit_that_would_start_fails_the_build(image: Image) -> None:
    assert image.refused.returncode != 0
    assert "dcos-leader.service would start at boot (/lib/systemd/system/dcos-leader.service" in image.refused.stdout


def test_exactly_our_units_run_after_the_first_boot(nodes: Booted) -> None:
    assert_exactly_ours_run(nodes)


def test_exactly_our_units_run_after_a_reboot(nodes: Booted) -> None:
    assert list(reboot(nodes)) == nodes.names
    assert_exactly_ours_run(nodes)


def test_a_foreign_unit_is_not_started_by_hand_either(nodes: Booted) -> None:
    for name in nodes.names:
        assert nodes.lab.run(name, "systemctl", "start", "mesos-slave").returncode == 0, "a postinst may do so"
    assert_exactly_ours_run(nodes)


def test_packages_are_held(nodes: Booted) -> None:
    for name in nodes.names:
        held = nodes.lab.run(name, "apt-mark", "showhold").stdout.split()
        assert held == ["libslf4j-java", "libzookeeper-java", "mesos", "openjdk-17-jre-headless", "python3-kazoo"]


def test_a_held_zookeeper_is_upgraded_by_a_roll_only(nodes: Booted) -> None:
    name = nodes.names[0]
    offer = (ROOT / "tests" / "e2e" / "next_zookeeper.sh").read_text()
    version = nodes.lab.run(name, "sh", "-c", offer).stdout.strip()
    assert version.endswith("+next1")
    assert nodes.lab.run(name, "apt-get", "-qq", "update").returncode == 0
    by_hand = nodes.lab.run(name, "apt-get", "-y", "upgrade").stdout
    assert re.search(r"kept back:\n  libzookeeper-java$", by_hand, re.MULTILINE), by_hand
    variables = ("-e", "roll_component=zookeeper", "-e", f"roll_version={version}", "--limit", name)
    done = ansible("upgrade.yml", nodes.inventory, *variables)
    assert done.returncode == 0, done.stdout + done.stderr
    query = ("dpkg-query", "--show", "--showformat", "${Status} ${Version}", "libzookeeper-java")
    assert nodes.lab.run(name, *query).stdout == f"hold ok installed {version}"


def test_an_upgrade_to_a_package_with_init_scripts_changes_no_unit(
    nodes: Booted, tmp_path_factory: pytest.TempPathFactory
) -> None:
    work = tmp_path_factory.mktemp("upstream-next")
    lab_package = Path(json.loads(labhost("artifacts"))["mesos_artifact"]["src"])
    variables = work / "next.json"
    artifact = upstream.build(lab_package, work, 2, systemd=False)
    variables.write_text(json.dumps({"roll_component": "mesos", "mesos_artifact": artifact}))
    done = ansible("upgrade.yml", nodes.inventory, "-e", f"@{variables}")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in nodes.names:
        status = nodes.lab.run(name, "dpkg-query", "--show", "--showformat", "${Status} ${Version}", "mesos").stdout
        assert status == "hold ok installed 1.11.0-2"
        assert "revision 2" in nodes.lab.run(name, "cat", "/etc/default/mesos").stdout, "the package's own came"
    assert_exactly_ours_run(nodes)
    assert list(reboot(nodes)) == nodes.names
    assert_exactly_ours_run(nodes)
