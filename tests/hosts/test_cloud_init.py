"""cloud-init turns the base image into each kind of node, and Ansible then finds nothing to do (D7)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import NONCE, ROOT, Booted

pytestmark = pytest.mark.hosts
PROGRAMS = Path(sys.executable).parent
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "ANSIBLE_FORCE_COLOR": "0",
}


def playbook(booted: Booted, *arguments: str) -> dict[str, Any]:
    """Runs playbooks/site.yml; the recap by host, the output and the exit status."""
    done = subprocess.run(
        [PROGRAMS / "ansible-playbook", "-i", booted.inventory, *arguments, ROOT / "playbooks" / "site.yml"],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    recap = re.findall(r"^(\S+) +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", done.stdout, re.MULTILINE)
    assert recap, done.stdout + done.stderr
    names = ("ok", "changed", "unreachable", "failed")
    found = {host: dict(zip(names, map(int, numbers), strict=True)) for host, *numbers in recap}
    return {"hosts": found, "output": done.stdout, "exit": done.returncode}


def test_every_step_is_told_on_the_console(booted: Booted) -> None:
    steps = {name: [step.name for step in booted.lab.console(name).steps if step.ok] for name in booted.names}
    control = ["files", "zookeeper", "mesos-master", "marathon"]
    agent = ["files", "mesos-agent"]
    assert steps == {name: control if "control" in name else agent for name in booted.names}
    assert all(booted.lab.console(name).host_keys for name in booted.names)


def test_only_root_can_read_the_nonce_of_the_console(booted: Booted) -> None:
    """Who knows it could write a host key on the console that operators would take for the node's."""
    node = "th-builders-1"
    places = ["/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var"]
    search = ["grep", "--recursive", "--files-with-matches", "--devices=skip", "--no-messages", "-F", NONCE, *places]
    found = set(booted.lab.run(node, *search).stdout.splitlines())
    assert "/var/lib/clusterctl/console" in found
    assert not [path for path in found if path.startswith("/var/log")]
    as_build = booted.lab.run(node, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *search)
    assert (as_build.stdout, as_build.returncode) == ("", 2), as_build.stdout  # 2: much may not be read
    in_journal = booted.lab.run(node, "sh", "-c", f"journalctl --no-pager | grep -c {NONCE}")
    assert in_journal.stdout.strip() == "0"
    arguments = booted.lab.run(node, "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'")
    assert "mesos-agent" in arguments.stdout
    assert NONCE not in arguments.stdout.replace(f"grep -c {NONCE}", "")


def test_host_keys_come_again_before_the_last_line(booted: Booted) -> None:
    """A console that is read slowly loses its middle."""
    text = booted.lab.console_text("th-builders-1").replace("\r", "")
    began, _, rest = text.partition(f"clusterctl {NONCE}: step ")
    ended, done, _ = rest.rpartition(f"clusterctl {NONCE}: done")
    assert done
    key = f"clusterctl {NONCE}: hostkey ssh-ed25519 "
    assert key in began
    assert key in ended


def test_others_write_to_the_console_in_vain(booted: Booted) -> None:
    node = "th-builders-1"
    before = booted.lab.console(node)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1cLxzsPvgWZ7Cg8wgdNgqwFyEC2/p8LqbEqEdgLmqf"
    as_build = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    refused = booted.lab.run(node, *as_build, "sh", "-c", f"echo 'clusterctl: hostkey {key}' > /dev/console")
    assert refused.returncode != 0
    # whatever way a build finds: root here stands for it
    forged = f"clusterctl: hostkey {key}\\nclusterctl {'0' * 32}: hostkey {key}\\nclusterctl: failed files\\n"
    assert booted.lab.run(node, "sh", "-c", f"printf '\\n{forged}' > /dev/console").returncode == 0
    text = booted.lab.console_text(node)
    assert f"\nclusterctl: hostkey {key}" in text.replace("\r", "")
    assert booted.lab.console(node) == before


def test_the_state_is_on_the_node(booted: Booted) -> None:
    for name in booted.names:
        state = json.loads(booted.lab.run(name, "cat", "/var/lib/clusterctl/boot.json").stdout)
        assert state == {"state": "done", "step": "", "detail": ""}, name


def test_cloud_init_is_content(booted: Booted) -> None:
    for name in booted.names:
        status = booted.lab.run(name, "cloud-init", "status", "--wait", "--long")
        assert "status: done" in status.stdout, status.stdout
        schema = booted.lab.run(name, "cloud-init", "schema", "--system")
        assert schema.returncode == 0, schema.stdout + schema.stderr


def test_testinfra(booted: Booted) -> None:
    done = subprocess.run(
        [PROGRAMS / "pytest", "-q", "-p", "no:cacheprovider", f"--ansible-inventory={booted.inventory}",
         "--connection=ansible", ROOT / "tests" / "testinfra"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_the_first_ansible_run_changes_nothing(booted: Booted) -> None:
    result = playbook(booted)
    assert result["exit"] == 0, result["output"]
    assert {name: host["changed"] for name, host in result["hosts"].items()} == dict.fromkeys(booted.names, 0)
    assert "restart pending" not in result["output"]


def test_tampering_is_found_and_mended(booted: Booted) -> None:
    node = "th-control-2"
    for path in ("/etc/zookeeper/zoo.cfg", "/etc/systemd/system/mesos-master.service"):
        assert booted.lab.run(node, "sh", "-c", f"echo '# tampered' >> {path}").returncode == 0
    assert booted.lab.run(node, "chmod", "0600", "/etc/default/marathon").returncode == 0
    wanted = {name: 3 if name == node else 0 for name in booted.names}

    found = playbook(booted, "--check", "--diff")
    assert {name: host["changed"] for name, host in found["hosts"].items()} == wanted
    assert "-# tampered" in found["output"]
    assert "restart pending: mesos-master.service, zookeeper.service" in found["output"]

    mended = playbook(booted)
    assert {name: host["changed"] for name, host in mended["hosts"].items()} == wanted
    # What runs was started with these very files
    assert "restart pending" not in mended["output"]
    again = playbook(booted)
    assert {name: host["changed"] for name, host in again["hosts"].items()} == dict.fromkeys(booted.names, 0)


@pytest.mark.parametrize(
    ("node", "path"),
    [
        ("th-control-1", "/usr/lib/clusterctl/config-digest"),
        ("th-control-1", "/etc/zookeeper/zoo.cfg"),
        ("th-control-1", "/etc/default/mesos-master"),
        ("th-control-1", "/etc/default/marathon"),
        ("th-builders-1", "/usr/lib/clusterctl/confine"),
        ("th-builders-1", "/etc/default/mesos-agent"),
    ],
)
def test_of_a_node_only_the_role_that_differs_is_put_right(booted: Booted, node: str, path: str) -> None:
    before = booted.lab.run(node, "sha256sum", path).stdout
    assert booted.lab.run(node, "sh", "-c", f"echo '# tampered' >> {path}").returncode == 0
    result = playbook(booted, "--limit", node)
    assert (result["exit"], result["hosts"][node]["changed"]) == (0, 1), result["output"]
    assert result["output"].count(": Write the files]") == 1
    assert booted.lab.run(node, "sha256sum", path).stdout == before


def test_a_unit_file_that_is_gone_is_told_in_check_mode_and_put_back(booted: Booted) -> None:
    node, unit = "th-control-3", "/etc/systemd/system/marathon.service"
    gone = booted.lab.run(node, "sh", "-ec", f"systemctl stop marathon; rm {unit}; systemctl daemon-reload")
    assert gone.returncode == 0, gone.stderr

    found = playbook(booted, "--check", "--diff", "--limit", node)
    assert found["exit"] == 0, found["output"]
    assert "Could not find the requested service" not in found["output"]
    assert found["hosts"][node]["changed"] >= 1
    assert unit in found["output"]
    assert booted.lab.run(node, "test", "-e", unit).returncode == 1, "check mode wrote it"

    mended = playbook(booted, "--limit", node)
    assert mended["exit"] == 0, mended["output"]
    assert booted.lab.run(node, "systemctl", "is-active", "marathon").stdout.strip() in ("active", "activating")
    assert playbook(booted, "--check", "--limit", node)["hosts"][node]["changed"] == 0


def test_a_new_setting_is_written_and_no_service_restarted(booted: Booted) -> None:
    node = "th-control-1"
    before = booted.lab.run(node, "systemctl", "show", "--property=ExecMainStartTimestamp", "zookeeper").stdout
    result = playbook(booted, "-e", "zookeeper_init_limit=11", "--limit", node)
    assert result["hosts"][node]["changed"] == 1
    assert "restart pending: zookeeper.service" in result["output"]
    assert booted.lab.run(node, "systemctl", "show", "--property=ExecMainStartTimestamp", "zookeeper").stdout == before
    assert playbook(booted, "--limit", node)["hosts"][node]["changed"] == 1
