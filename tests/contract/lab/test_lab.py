"""The running lab keeps what its README promises, in each zone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import openstack
import pytest

from tests.contract.lab.conftest import LAB, Tenant, user_data

pytestmark = pytest.mark.contract
DONE = {"ACTIVE", "ERROR"}


def open_port(tenant: Tenant) -> dict[str, Any]:
    """A port that lets SSH in; returns the server's `networks`."""
    network = tenant.cloud.network
    group = network.create_security_group(name=tenant.name)
    network.create_security_group_rule(
        security_group_id=group.id,
        direction="ingress",
        ethertype="IPv4",
        protocol="tcp",
        port_range_min=22,
        port_range_max=22,
    )
    lab = network.find_network("lab")
    port = network.create_port(name=tenant.name, network_id=lab.id, security_groups=[group.id])
    return {"networks": [{"port": port.id}]}


def address(tenant: Tenant) -> str:
    return str(tenant.server().addresses["lab"][0]["addr"])


def test_status_is_ready() -> None:
    result = subprocess.run([LAB, "status", "--json"], capture_output=True, text=True, check=False)
    state = json.loads(result.stdout)
    assert (result.returncode, state["ready"], state["missing"]) == (0, True, [])
    assert set(state["zones"]) == {"vm", "container", "fake"}


def test_quotas_of_the_projects(env: dict[str, str]) -> None:
    demo, scale = (openstack.connect(cloud=name).compute.get_limits().absolute for name in ("lab", "lab-scale"))
    assert (demo.instances, demo.total_cores, demo.server_group_members) == (40, 80, 30)
    assert (scale.instances, scale.total_cores, scale.server_group_members) == (-1, -1, -1)


def test_container_server(tenant: Tenant, env: dict[str, str], tmp_path: Path) -> None:
    tenant.boot(
        "debian-12-ct",
        "ct.small",
        "container",
        user_data=user_data("#cloud-config\nwrite_files: [{path: /etc/mark, content: here}]\n"),
        **open_port(tenant),
    )
    tenant.until("ACTIVE", lambda: tenant.server().status in DONE, 180)
    assert tenant.server().status == "ACTIVE"
    ip = address(tenant)
    tenant.until("cloud-init done", lambda: tenant.booted(ip), 180)
    result = json.loads(tenant.ssh(ip, "cat /run/cloud-init/result.json"))
    assert result["v1"]["errors"] == []
    assert "ConfigDrive" in result["v1"]["datasource"]
    assert tenant.ssh(ip, "cat /etc/mark /etc/hostname; systemctl is-system-running") == f"here{tenant.name}\nrunning\n"
    assert "BEGIN SSH HOST KEY KEYS" in tenant.cloud.compute.get_server_console_output(tenant.server())["output"]
    assert int(tenant.ssh(ip, "df --output=avail -m / | tail -1")) > 1800, "the root file system did not grow"
    # Packages through the gateway's cache, and no other way out.
    tenant.ssh(
        ip, "sudo apt-get -qq update && sudo apt-get -qq install -y --no-install-recommends tree && tree --version"
    )
    with pytest.raises(subprocess.CalledProcessError):
        tenant.ssh(ip, "curl -s --max-time 5 http://10.51.0.1:3142/")
    # A commit pushed on the machine is there for the servers.
    work, bare = tmp_path / "work", Path(env["LAB_GIT_DIR"]) / f"{tenant.name}.git"
    subprocess.run(["git", "init", "-q", "--bare", bare], check=True)
    git = ["git", "-C", str(work), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "init", "-q", work], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    subprocess.run([*git, "push", "-q", bare, "HEAD:refs/heads/main"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    refs = tenant.ssh(
        ip, f"curl -sf '{env['LAB_GIT_URL']}/{bare.name}/info/refs?service=git-upload-pack' | tr -d '\\0'"
    )
    subprocess.run(["rm", "-r", bare], check=True)
    assert commit in refs


def test_an_image_boots_only_on_its_hypervisor(tenant: Tenant) -> None:
    tenant.boot("debian-12-ct", "ct.small", "vm")
    tenant.until("refused", lambda: tenant.server().status in DONE, 60)
    server = tenant.cloud.compute.get_server(tenant.server().id)  # the list leaves the fault out
    assert "No valid host" in server.fault["message"]


def test_anti_affinity_across_fake_hosts(tenant: Tenant, env: dict[str, str]) -> None:
    group = tenant.cloud.compute.create_server_group(name=tenant.name, policy="anti-affinity")
    tenant.boot("debian-12-fake", "m1.tiny", "fake", min_count=5, max_count=5, scheduler_hints={"group": group.id})

    def settled() -> list[Any]:
        servers = list(tenant.cloud.compute.servers(name=tenant.name))
        return servers if len(servers) == 5 and {s.status for s in servers} <= DONE else []

    servers = tenant.until("all built", settled, 240)
    assert {s.status for s in servers} == {"ACTIVE"}
    admin = openstack.connect(cloud="lab-admin")
    hosts = {s.hypervisor_hostname for s in admin.compute.servers(all_projects=True, name=tenant.name)}
    assert len(hosts) == 5


@pytest.mark.vm
def test_vm_with_a_volume(tenant: Tenant) -> None:
    storage = tenant.cloud.block_storage
    volume = storage.create_volume(name=tenant.name, size=1)
    storage.wait_for_status(volume, "available", ["error"], 1, 120)
    image = tenant.cloud.image.find_image("debian-12")
    disk = {"boot_index": 0, "uuid": image.id, "source_type": "image", "destination_type": "local"}
    data = {"boot_index": -1, "uuid": volume.id, "source_type": "volume", "destination_type": "volume"}
    tenant.boot("debian-12", "m1.small", "vm", block_device_mapping=[disk, data], **open_port(tenant))
    tenant.until("ACTIVE", lambda: tenant.server().status in DONE, 300)
    assert tenant.server().status == "ACTIVE"
    ip = address(tenant)
    tenant.until("cloud-init done", lambda: tenant.booted(ip), 600)
    assert int(tenant.ssh(ip, "df --output=size -m / | tail -1")) > 5500, "the root file system did not grow"
    assert f"virtio-{volume.id[:20]}" in tenant.ssh(ip, "ls /dev/disk/by-id")
    tenant.ssh(ip, "sudo mkfs.ext4 -q /dev/vdb && sudo mount /dev/vdb /mnt && sudo touch /mnt/x && sudo umount /mnt")
