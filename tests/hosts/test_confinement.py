"""An image that is booted with cgroup v1, and agents that confine tasks by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clusterctl.render.userdata import user_data
from clusterctl.ssh.console import BootState
from lab.hosts import nodes as test_nodes

from .conftest import NONCE, ROOT, Booted, Lab, labhost

pytestmark = pytest.mark.hosts

# In place of GRUB's: reads its settings as grub-mkconfig does, and keeps what the kernel would be told
UPDATE_GRUB = """\
#!/bin/sh
set -e
GRUB_CMDLINE_LINUX=console=ttyS0
for file in /etc/default/grub.d/*.cfg; do . "$file"; done
echo "linux /vmlinuz $GRUB_CMDLINE_LINUX" > /boot/grub/grub.cfg
echo again >> /boot/grub/updates
"""
PLAY = [
    {"hosts": "all", "gather_facts": False, "tasks": [{"import_role": {"name": "common", "tasks_from": "cgroups"}}]}
]


@pytest.fixture(scope="module")
def builder(new_lab: Callable[[str], Lab]) -> Lab:
    lab = new_lab("cgroups")
    labhost("up", lab.name, "builder", "10.99.0.10", "--layer", "base")
    (lab.work / "inventory.json").write_text(labhost("inventory", lab.name))
    (lab.work / "play.yml").write_text(json.dumps(PLAY))
    return lab


def play(lab: Lab) -> subprocess.CompletedProcess[str]:
    """The part of the image's build that asks for cgroup v1."""
    programs = Path(sys.executable).parent
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}
    environment |= {"PATH": f"{programs}:{os.environ['PATH']}", "ANSIBLE_ROLES_PATH": str(ROOT / "roles")}
    command = [programs / "ansible-playbook", "-i", lab.work / "inventory.json", lab.work / "play.yml"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_an_image_without_grub_is_refused(builder: Lab) -> None:
    done = play(builder)
    assert done.returncode != 0
    assert "source_image has no GRUB" in done.stdout
    assert builder.run("builder", "ls", "/etc/default/grub.d").returncode != 0


def test_the_kernel_is_told_once(builder: Lab) -> None:
    assert builder.run("builder", "mkdir", "-p", "/boot/grub").returncode == 0
    script = f"cat > /usr/sbin/update-grub << 'E'\n{UPDATE_GRUB}E\nchmod 755 /usr/sbin/update-grub"
    assert builder.run("builder", "sh", "-c", script).returncode == 0
    for _ in range(2):
        done = play(builder)
        assert done.returncode == 0, done.stdout + done.stderr
    wanted = (
        "linux /vmlinuz console=ttyS0 systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1"
    )
    assert builder.run("builder", "cat", "/boot/grub/grub.cfg").stdout.split() == wanted.split()
    assert builder.run("builder", "cat", "/boot/grub/updates").stdout == "again\n"


@pytest.fixture(scope="module")
def confined(new_lab: Callable[[str], Lab], tmp_path_factory: pytest.TempPathFactory) -> Booted:
    """molecule/shared/one.yml, whose builders have another launcher and isolators."""
    settings = {"mesos_agent_launcher": "linux", "mesos_agent_isolation": "cgroups/cpu,cgroups/mem"}
    text = (ROOT / "molecule" / "shared" / "one.yml").read_text()
    pool = "    attributes: {pool: jenkins-builder}\n"
    assert pool in text
    file = tmp_path_factory.mktemp("confined") / "one.yml"
    file.write_text(text.replace(pool, f"{pool}    settings: {json.dumps(settings)}\n"))
    cluster = test_nodes.cluster(file)
    lab = new_lab("confined")
    for node in cluster.nodes:
        lab.boot(node.name, node.address, user_data(node.services, cluster.all_variables(node), "embedded", NONCE))
    reports = lab.reports([node.name for node in cluster.nodes])
    assert {name: report for name, report in reports.items() if report.state is not BootState.DONE} == {}
    return Booted(cluster, lab)


def ask(booted: Booted, path: str, body: dict[str, Any] | None = None) -> Any:
    """Marathon's answer to GET, or to POST of ``body``."""
    address = booted.cluster.nodes[0].address
    program = (
        "import sys, urllib.request as u\n"
        "body = sys.argv[2].encode() or None\n"
        "request = u.Request(sys.argv[1], data=body, headers={'Content-Type': 'application/json'})\n"
        "print(u.urlopen(request).read().decode())"
    )
    url, text = f"http://{address}:8080{path}", json.dumps(body) if body else ""
    done = booted.lab.run(booted.names[0], "python3", "-c", program, url, text)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


HOG = "exec python3 -c 'import time; held = bytearray(192 << 20); print(len(held), flush=True); time.sleep(3600)'"


def hog(booted: Booted, name: str, **where: Any) -> None:
    """Starts an app that takes more memory than it asked for."""
    ask(booted, "/v2/apps", {"id": name, "cmd": HOG, "cpus": 0.1, "mem": 32, "user": "root", **where})


def eventually(found: Callable[[], Any], deadline_s: float = 120) -> Any:
    deadline = time.monotonic() + deadline_s
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return value


def test_a_confined_task_dies_of_its_memory(confined: Booted) -> None:
    hog(confined, "/confined", constraints=[["pool", "LIKE", "jenkins-builder"]])
    failure = eventually(
        lambda: ask(confined, "/v2/apps/confined?embed=app.lastTaskFailure")["app"].get("lastTaskFailure")
    )
    assert failure["state"] == "TASK_FAILED"
    assert "Memory limit exceeded" in failure["message"]


def test_without_confinement_it_goes_on(confined: Booted) -> None:
    hog(confined, "/unconfined", acceptedResourceRoles=["marathon"])
    name = next(node.name for node in confined.cluster.nodes if node.group == "jenkins")
    eventually(lambda: str(192 << 20) in confined.lab.run(name, "sh", "-c", STDOUT).stdout)
    (task,) = ask(confined, "/v2/apps/unconfined")["app"]["tasks"]
    assert task["state"] == "TASK_RUNNING"


STDOUT = "cat /var/lib/mesos/agent/slaves/*/frameworks/*/executors/*/runs/latest/stdout"


def test_its_groups_are_mesos_own(confined: Booted) -> None:
    name = next(node.name for node in confined.cluster.nodes if node.group == "builders")
    unit = confined.lab.run(name, "systemctl", "show", "-p", "Delegate", "--value", "mesos-agent").stdout
    assert unit == "yes\n"
    hierarchies = confined.lab.run(name, "sh", "-c", "ls -d /sys/fs/cgroup/*/mesos").stdout
    assert {"/sys/fs/cgroup/memory/mesos", "/sys/fs/cgroup/freezer/mesos"} <= set(hierarchies.split())
