"""The cluster that the benchmarks of many agents make: one control node and N agents, small, in zone ``fake``."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

from simulated import PROJECT, Recorded, SimulatedCloud

from clusterctl.spec import load_spec

CLUSTER = "bench"
CLOUD = "lab-scale"
MARK = f"clusterctl.cluster={CLUSTER}"
# A key that is one by its form, for nodes that nobody logs in to
HOST_KEY = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode()


def content(agents: int) -> dict[str, Any]:
    """The cluster file's."""
    masters = max(agents // 5, 1)
    common = {"flavor": "ct.small", "services": ["mesos_agent"], "anti_affinity": "off"}
    return {
        "cluster": CLUSTER,
        "cloud": CLOUD,
        "image": "debian-12-fake",
        "network": "scale",
        "availability_zone": "fake",
        "keypair": "ops",
        "access": {"ssh_from": "network"},
        "security": {"insecure": "all"},  # its servers are none: nobody could bring them secrets
        "allow_non_ha": True,
        "groups": {
            "control": {"count": 1, "flavor": "ct.medium", "services": ["zookeeper", "mesos_master", "marathon"]},
            "jenkins": {**common, "count": masters, "attributes": {"pool": "masters"}, "reserve_for": "marathon"},
            "builders": {**common, "count": agents - masters, "attributes": {"pool": "builders"}},
        },
    }


def invented(agents: int) -> Recorded:
    """Answers about that cluster, in the shapes that Nova 2.90 and Neutron give them."""
    servers = [_server(0, "control", "zookeeper,mesos_master,marathon", f"{CLUSTER}-control-1")]
    for group, settings in content(agents)["groups"].items():
        if group != "control":
            for number in range(1, settings["count"] + 1):
                servers.append(_server(len(servers), group, "mesos_agent", f"{CLUSTER}-{group}-a1b2c3-{number}"))
    sizes = {"ct.small": 1024, "ct.medium": 2048}
    flavors = [
        {"id": name, "name": name, "vcpus": 1, "ram": ram, "disk": 8, "OS-FLV-EXT-DATA:ephemeral": 0}
        for name, ram in sizes.items()
    ]
    port = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, "port")),
        "name": f"{CLUSTER}-control-1",
        "description": MARK,
        "project_id": PROJECT,
        "fixed_ips": [{"subnet_id": "s", "ip_address": "10.128.0.1"}],
        "device_id": servers[0]["id"],
    }
    version = {"id": "v2.1", "status": "CURRENT", "version": "2.96", "min_version": "2.1"}
    return Recorded(servers, version, {"flavors": flavors, "ports": [port]})


def prepare(directory: Path, cloud: SimulatedCloud) -> tuple[Path, dict[str, str]]:
    """A cluster file of as many agents as ``cloud`` has, and the environment in which commands find both and trust its
    nodes.
    """
    file = directory / "bench.yml"
    agents = len(cloud.recorded.servers) - 1
    file.write_text(json.dumps(content(agents)))
    (directory / "clouds.yaml").write_text(cloud.clouds_yaml(CLOUD))
    pin(file, [server["id"] for server in cloud.recorded.servers], directory)
    return file, {"OS_CLIENT_CONFIG_FILE": str(directory / "clouds.yaml"), "XDG_CACHE_HOME": str(directory)}


def pin(file: Path, server_ids: list[str], directory: Path) -> None:
    """A known_hosts with a key for each server, below a ``$XDG_CACHE_HOME``."""
    spec = load_spec(file)
    path = directory / "clusterctl" / spec.cloud / spec.cluster / "known_hosts"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{server} ssh-ed25519 {HOST_KEY}\n" for server in sorted(server_ids)))


def _server(number: int, group: str, services: str, name: str) -> dict[str, Any]:
    identity = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
    metadata = {
        "clusterctl.cluster": CLUSTER,
        "clusterctl.group": group,
        "clusterctl.services": services,
        "clusterctl.image": "debian-12-fake",
        "clusterctl.console": "0123456789abcdef" * 4,
        **({"clusterctl.node": name} if group == "control" else {}),
    }
    address = f"10.128.{number // 250}.{number % 250 + 1}"
    return {
        "id": identity,
        "name": name,
        "status": "ACTIVE",
        "tenant_id": PROJECT,
        "user_id": PROJECT,
        "metadata": metadata,
        "hostId": "0123456789abcdef" * 3,
        "image": {"id": str(uuid.uuid5(uuid.NAMESPACE_DNS, "image")), "links": [_link("images", "image")]},
        "flavor": {"original_name": "ct.small", "vcpus": 1, "ram": 1024, "disk": 8, "ephemeral": 0, "swap": 0},
        "created": "2026-11-01T10:00:00Z",
        "updated": "2026-11-01T10:00:09Z",
        "addresses": {
            "scale": [
                {"version": 4, "addr": address, "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:0:0:1"}
            ]
        },
        "accessIPv4": "",
        "accessIPv6": "",
        "links": [_link("servers", identity), _link("servers", identity)],
        "OS-DCF:diskConfig": "MANUAL",
        "progress": 0,
        "OS-EXT-AZ:availability_zone": "fake",
        "config_drive": "True",
        "key_name": "ops",
        "OS-SRV-USG:launched_at": "2026-11-01T10:00:08.000000",
        "OS-SRV-USG:terminated_at": None,
        "security_groups": [{"name": f"clusterctl.{CLUSTER}"}],
        "OS-EXT-STS:task_state": None,
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:power_state": 1,
        "os-extended-volumes:volumes_attached": [],
        "locked": False,
        "description": None,
        "tags": [MARK],
        "server_groups": [],
    }


def _link(kind: str, identity: str) -> dict[str, str]:
    return {"rel": "bookmark", "href": f"http://cloud.example/compute/{kind}/{identity}"}
