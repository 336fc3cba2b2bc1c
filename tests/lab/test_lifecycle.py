"""A lab of its own, beside the usual one, is started, stopped, killed, repaired and removed.

It takes 5 GB of memory and some minutes, so it runs only on request: LAB_LIFECYCLE=1 pytest tests/lab
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from oslab import processes, settings

pytestmark = pytest.mark.skipif(not os.environ.get("LAB_LIFECYCLE"), reason="LAB_LIFECYCLE=1 asks for it")
PROGRAM = Path(__file__).resolve().parents[2] / "lab" / "lab"
LAB = settings.from_environment({"CLUSTERCTL_LAB_INDEX": "1"})


def lab(*words: str, check: bool = True) -> str:
    env = {k: v for k, v in os.environ.items() if k != "CLUSTERCTL_LAB_STATE"} | {"CLUSTERCTL_LAB_INDEX": "1"}
    return subprocess.run([PROGRAM, *words], env=env, check=check, text=True, stdout=subprocess.PIPE).stdout


def until(what: str, condition: Callable[[], Any], deadline_s: float = 300) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not so after {deadline_s} s"
        time.sleep(1)


@pytest.fixture(scope="module", autouse=True)
def removed() -> Iterator[None]:
    lab("destroy")
    yield
    lab("destroy")


@pytest.fixture(scope="module")
def compute() -> Any:
    lab("up")
    return openstack.connection.Connection(**json.loads(LAB.clouds.read_text())["clouds"]["lab"])


def ssh(address: str, command: str) -> str:
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=3"]
    argv = ["ssh", "-n", "-i", str(LAB.key), *[w for o in [*options, "LogLevel=ERROR"] for w in ("-o", o)]]
    return subprocess.run([*argv, f"debian@{address}", command], text=True, capture_output=True, check=False).stdout


def leftovers() -> list[str]:
    """What a stopped lab must not have: processes, mounts, loop devices, control groups."""
    found = [f"process {pid}" for pid in processes.members(LAB)]
    for file in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            if f"/{LAB.name}/" in file.read_text().replace("\n", "/"):
                found.append(f"process {file.parent.name}")
        except OSError:
            continue
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if f"{LAB.state}/" in line]
    loops = subprocess.run(["losetup", "--list", "--noheadings"], text=True, capture_output=True, check=True).stdout
    found += [line for line in loops.splitlines() if f"{LAB.state}/" in line]
    return found + [str(p) for p in Path("/sys/fs/cgroup").glob(f"**/{LAB.name}")]


class TestLifecycle:
    address = ""

    def answers(self, mark: str) -> bool:
        return ssh(self.address, "cat mark") == f"{mark}\n"

    def revive(self, cloud: Any) -> None:
        """Starts the server that went down with the lab."""
        server = next(iter(cloud.compute.servers(name="one")))
        until("SHUTOFF", lambda: cloud.compute.get_server(server.id).status == "SHUTOFF")
        cloud.compute.start_server(server)
        until("server answers", lambda: self.answers("kept"))

    def test_a_new_lab_serves(self, compute: Any) -> None:
        cloud = compute
        demo = cloud.network.find_network("lab")
        group = cloud.network.find_security_group("default")
        cloud.network.create_security_group_rule(security_group_id=group.id, direction="ingress", protocol="tcp")
        server = cloud.compute.create_server(
            name="one",
            image_id=cloud.image.find_image("debian-12-ct").id,
            flavor_id=cloud.compute.find_flavor("ct.small").id,
            networks=[{"uuid": demo.id}],
            key_name="ops",
            availability_zone="container",
        )
        server = cloud.compute.wait_for_server(server, wait=300)
        type(self).address = server.addresses["lab"][0]["addr"]
        until("server answers", lambda: ssh(self.address, "echo kept > mark; cat mark") == "kept\n")

    def test_up_on_a_well_lab_does_nothing(self) -> None:
        begin = time.monotonic()
        assert lab("up") == "lab: is up\n"
        assert time.monotonic() - begin < 20  # 1.5 s on an idle machine; a start takes a minute

    def test_stop_ends_all_and_keeps_data(self, compute: Any) -> None:
        lab("stop")
        assert leftovers() == []
        lab("up")
        self.revive(compute)

    def test_up_repairs_a_killed_lab(self, compute: Any) -> None:
        for pid in processes.members(LAB):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        lab("up")
        assert json.loads(lab("status", "--json"))["missing"] == []
        self.revive(compute)

    def test_destroy_leaves_nothing(self) -> None:
        lab("destroy")
        assert leftovers() == []
        assert not LAB.state.exists()
        for listing in (["ip", "netns"], ["ip", "route"], ["ip", "link"]):
            text = subprocess.run(listing, text=True, capture_output=True, check=True).stdout
            assert not any(word in text for word in (LAB.name, LAB.veth_host, LAB.gateway.rsplit(".", 2)[0] + "."))
        assert not list(Path("/run/systemd/nspawn/propagate").glob(f"{LAB.name}*"))
