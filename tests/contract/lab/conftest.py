"""Servers in the lab made straight through its APIs, removed whatever happens."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
import pytest

LAB = Path(__file__).resolve().parents[3] / "lab" / "lab"


@pytest.fixture(scope="session")
def env() -> dict[str, str]:
    """What `lab/lab env` exports, set in this process too."""
    lines = subprocess.run([LAB, "env"], capture_output=True, text=True, check=True).stdout.splitlines()
    found = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    os.environ.update(found)
    return found


@dataclass
class Tenant:
    """One project of the lab, and a shell on its servers."""

    cloud: Any
    key: str
    name: str

    def boot(self, image: str, flavor: str, zone: str, **more: Any) -> Any:
        """Creates a server on the network `lab` (not waited for)."""
        compute = self.cloud.compute
        return compute.create_server(
            name=self.name,
            image_id=self.cloud.image.find_image(image, ignore_missing=False).id,
            flavor_id=compute.find_flavor(flavor, ignore_missing=False).id,
            availability_zone=zone,
            key_name="ops",
            **({"networks": [{"uuid": self.cloud.network.find_network("lab").id}]} | more),
        )

    def server(self) -> Any:
        return next(iter(self.cloud.compute.servers(name=self.name)))

    def ssh(self, address: str, command: str) -> str:
        """Output of a command on a server. Raises CalledProcessError if it fails."""
        # addresses are used again by other servers, and nothing but this lab is reached
        checks = ["StrictHostKeyChecking=accept-new", "UserKnownHostsFile=/dev/null"]
        options = ["BatchMode=yes", *checks, "ConnectTimeout=5"]
        argv = ["ssh", "-n", "-i", self.key, "-o", "LogLevel=ERROR", *[w for o in options for w in ("-o", o)]]
        argv += [f"debian@{address}", command]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300).stdout

    def until(self, what: str, condition: Callable[[], Any], deadline_s: float) -> Any:
        """Waits for a condition and returns what it gave."""
        end = time.monotonic() + deadline_s
        while not (value := condition()):
            assert time.monotonic() < end, f"{what}: not so after {deadline_s} s"
            time.sleep(1)
        return value

    def booted(self, address: str) -> bool:
        """Whether cloud-init ended."""
        try:
            self.ssh(address, "test -e /run/cloud-init/result.json")
        except subprocess.SubprocessError:
            return False
        return True


def user_data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def tenant(env: dict[str, str]) -> Iterator[Tenant]:
    """The project demo; its servers, volumes and groups of this test's name are removed."""
    cloud = openstack.connect(cloud="lab")
    one = Tenant(cloud, env["CLUSTERCTL_SSH_KEY"], f"lab-{secrets.token_hex(3)}")
    yield one
    servers = list(cloud.compute.servers(name=one.name))
    for server in servers:
        cloud.compute.delete_server(server)
    for server in servers:
        cloud.compute.wait_for_delete(server, interval=1, wait=180)
    for group in cloud.compute.server_groups():
        if group.name == one.name:
            cloud.compute.delete_server_group(group)
    for volume in cloud.block_storage.volumes(name=one.name):
        cloud.block_storage.delete_volume(volume)
    for port in cloud.network.ports(name=one.name):
        cloud.network.delete_port(port)
    for security in cloud.network.security_groups(name=one.name):
        cloud.network.delete_security_group(security)
