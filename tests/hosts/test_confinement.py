"""An image that is booted with cgroup v1. What agents do with it: tests/contract/mesos/test_confinement.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT, Lab, labhost

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
