"""Nodes behind a bastion that lets three people log in at once: sshd drops the others without a word."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from clusterctl.ssh.client import Ssh, SshError
from clusterctl.ssh.config import SshConfig, Target
from clusterctl.ssh.console import HostKey
from clusterctl.ssh.hostkeys import KnownHosts
from clusterctl.ssh.process import Children, Finished

from .conftest import Lab, labhost

pytestmark = pytest.mark.hosts

GATE, PORT, NODES = "10.99.0.31", 2222, 8
# The second sshd of the host; the first, on port 22 of all its loopback addresses, stands for the nodes behind it
SSHD = f"/usr/sbin/sshd -p {PORT} -o MaxStartups=3:100:3 -o PidFile=none"
CONFIG = """
Host gate
  HostName {address}
  Port {port}
  User root
  IdentityFile {key}
  IdentitiesOnly yes
  StrictHostKeyChecking yes
  UserKnownHostsFile {known}
"""


class Inside(Children):
    """Runs programs in the lab's network."""

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self.enter = ["ip", "netns", "exec", f"clhosts-{lab.name}"]

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        return super().__call__([*self.enter, *argv], stdin=stdin, timeout_s=timeout_s)


@pytest.fixture(scope="module")
def gate(new_lab: Callable[[str], Lab]) -> Lab:
    lab = new_lab("bastion")
    labhost("keys", lab.name)
    labhost("up", lab.name, "gate", GATE, "--layer", "base")
    done = lab.run("gate", "sh", "-ec", SSHD)
    assert done.returncode == 0, done.stderr
    return lab


@pytest.fixture
def sockets() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="c") as name:  # short enough for the names of sockets
        yield Path(name)


def test_that_many_logins_at_once_are_dropped(gate: Lab, sockets: Path) -> None:
    """That the test below can fail: each node by a login of its own."""
    config = bastion(gate, sockets)
    words = ["ip", "netns", "exec", f"clhosts-{gate.name}", "ssh", "-F", str(config), "-o", "BatchMode=yes", "gate"]
    logins = [subprocess.Popen([*words, "true"], stderr=subprocess.DEVNULL) for _ in range(3 * NODES)]
    assert 255 in [each.wait(60) for each in logins]


def test_all_nodes_are_reached(gate: Lab, sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = bastion(gate, sockets)
    program = sockets / "ssh"
    program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {config} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sockets}:/usr/sbin:/usr/bin:/sbin:/bin")
    targets = [Target(f"node-{number}", f"id-{number}", f"127.0.0.{10 + number}") for number in range(1, NODES + 1)]
    kind, key, *_ = (gate.state / "host_key.pub").read_text().split()
    known = KnownHosts(sockets / "known_hosts")
    for target in targets:
        known.pin(target.server_id, [HostKey(kind, key)])
    ssh = Ssh(SshConfig("root", known.path, sockets, identity=gate.state / "id_ed25519", bastion="gate"), Inside(gate))
    try:
        answers = ssh.run_many(targets, lambda target: ["echo", target.name])
        told = {name: str(each) if isinstance(each, SshError) else each.stdout for name, each in answers.items()}
        assert told == {target.name: f"{target.name}\n" for target in targets}
    finally:
        for socket in sockets.glob("?" * 16):
            subprocess.run(["/usr/bin/ssh", "-O", "exit", "-S", socket, "any"], capture_output=True, check=False)


def bastion(gate: Lab, directory: Path) -> Path:
    """A configuration of ssh that knows the bastion."""
    config, known = directory / "config", directory / "known_bastions"
    key = (gate.state / "host_key.pub").read_text()
    known.write_text(f"[{GATE}]:{PORT} {key}")
    config.write_text(CONFIG.format(address=GATE, port=PORT, key=gate.state / "id_ed25519", known=known))
    return config
