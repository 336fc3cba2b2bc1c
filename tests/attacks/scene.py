"""A cluster to attack: two Jenkins masters, two builders, a victim's build, and what an attacker looks for."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import labkit
import yaml

from clusterctl.spec.security import NOT_YET
from tests.attacks.positions import Positions
from tests.attacks.table import METADATA_4, METADATA_6, Place, Scene
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.jenkins import QUICK, Tier

OPEN: Mapping[str, Any] = {"insecure": "all"}
# What is closed by default, and what is not yet
CLOSED: Mapping[str, Any] = {"require": sorted(part.value for part in NOT_YET)} if NOT_YET else {}
OPERATOR = "10.51.0.1"  # this machine, as servers see it
SETUID = "/usr/local/bin/id-of-root"
VICTIM = "of-tenant-two"
PORTS = (22, 2181, 2888, 3888, 5050, 5051, 8080, 9090, 31000, 31001)

# Answers as a metadata service would; the lab has none
_METADATA = (
    "import http.server, socket\n"
    "class Server(http.server.ThreadingHTTPServer): address_family = socket.AF_INET6\n"
    "Server(('::', 80), http.server.SimpleHTTPRequestHandler).serve_forever()\n"
)
# Which of [[address, port], ...] take a connection: JSON in, JSON out
_SCAN = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def taken(place):
    try:
        socket.create_connection(place, 3).close()
    except OSError:
        return False
    return True
places = [tuple(place) for place in json.load(sys.stdin)]
with ThreadPoolExecutor(64) as pool:
    json.dump([place for place, found in zip(places, pool.map(taken, places)) if found], sys.stdout)
"""


def attack_file(name: str, security: Mapping[str, Any], *ssh_from: str) -> Path:
    """Three control nodes, one agent for Jenkins masters, one for builds, and another that takes none of theirs."""
    path = labkit.cluster_file("demo", "container", name=name)
    spec = yaml.safe_load(path.read_text())
    large = labkit.ZONES["container"]["flavors"]["m1.large"]
    spec["groups"]["jenkins"]["flavor"] = large
    spec["groups"]["others"] = {**spec["groups"]["builders"], "attributes": {"pool": "others"}}
    spec["jenkins"]["max_masters"] = 4
    spec["jenkins"]["master"] |= {"java_options": QUICK}
    spec["security"] = dict(security)
    spec["access"]["ssh_from"] = [OPERATOR, *ssh_from]
    path.write_text(json.dumps(spec, indent=1))  # JSON is YAML
    return path


@dataclass
class Attacked:
    """The cluster, what attacks are made from, and what the attackers know."""

    cluster: Cluster
    tier: Tier
    positions: Positions
    scene: Scene
    nodes: dict[str, dict[str, Any]]
    victim: tuple[str, str, str]

    @property
    def control(self) -> list[str]:
        """Names of the control nodes."""
        return [name for name, node in self.nodes.items() if node["group"] == "control"]

    def everywhere(self, command: str) -> dict[str, str]:
        """What a command prints on each node, as root."""
        return {name: self.cluster.on(name, f"sudo sh -c {shlex.quote(command)}") for name in self.nodes}

    def lives(self, pid: int) -> bool:
        """Whether the victim's process still runs."""
        return self.cluster.on(self.scene.own.name, f"test -d /proc/{pid} && echo yes || true").strip() == "yes"


@contextmanager
def attacked(file: Path) -> Iterator[Attacked]:
    """Made, with masters and the victim's build; destroyed afterwards."""
    with Cluster(file) as cluster:
        tier = Tier(cluster)
        tier.created = tier.clusterctl("create", "dev", "--count", "2")
        assert not tier.created["failed"], tier.created
        yield prepared(cluster, tier)


def prepared(cluster: Cluster, tier: Tier) -> Attacked:
    """With what an attacker is after: another's build, a setuid program, a metadata service."""
    status = cluster.status()
    nodes = {node["name"]: node for node in status["nodes"]}
    agents = cluster.agents()

    def only(group: str) -> Place:
        [node] = [node for node in nodes.values() if node["group"] == group]
        return Place(node["name"], node["address"], agents[node["address"]])

    own, other, masters = only("builders"), only("others"), only("jenkins")
    tier.job("dev-002", "victim", f"echo {VICTIM} {escape('>')} mine; echo at $(pwd); SECRET={VICTIM} sleep 1500")
    item = tier.build("dev-002", "victim")
    tier.number("dev-002", "victim", item)
    pid = eventually(
        "the victim's build runs",
        lambda: cluster.on(own.name, "pgrep -u b-002 -x sleep || true").split(),
        lambda found: len(found) == 1,
    )[0]
    cluster.on(own.name, f"sudo cp /usr/bin/id {SETUID} && sudo chmod 4755 {SETUID}")
    link = cluster.on(own.name, "ip -o -4 route show default").split("dev ")[1].split()[0]
    cluster.on(
        own.name,
        f"sudo ip addr add {METADATA_4}/32 dev lo && sudo ip addr add {METADATA_6}/64 dev {link} nodad && "
        f"sudo systemd-run --quiet --unit=metadata --working-directory=/srv python3 -c {shlex.quote(_METADATA)}",
    )
    listed = tier.list()
    leaders = status["leaders"]
    scene = Scene(
        control=tuple(node["address"] for node in nodes.values() if node["group"] == "control"),
        mesos=nodes[leaders["mesos_master"]]["address"],
        zookeeper=nodes[leaders["zookeeper"]]["address"],
        marathon=nodes[leaders["marathon"]]["address"],
        own=own,
        other=other,
        masters=masters,
        victim=int(pid),
        victim_place=cluster.on(own.name, f"sudo readlink /proc/{pid}/cwd").strip(),
        agent_pid=int(cluster.on(own.name, "systemctl show --property=MainPID --value mesos-agent")),
        other_jvm=tier.pid(listed["dev-002"]["slot"], masters.name),
        other_port=listed["dev-002"]["ports"]["http"],
        link=link,
        setuid=SETUID,
    )
    assert (listed["dev-001"]["slot"], listed["dev-002"]["slot"]) == (1, 2)
    made = Attacked(cluster, tier, Positions(cluster, tier), scene, nodes, ("dev-002", "victim", item))
    there(made)
    return made


def there(made: Attacked) -> None:
    """That what the attacks look for is there to be had: root gets all of it."""
    scene, on = made.scene, made.cluster.on
    assert on(scene.own.name, f"sudo cat {scene.victim_place}/mine").strip() == VICTIM
    environment = on(scene.own.name, f"sudo cat /proc/{scene.victim}/environ | tr '\\0' '\\n'")
    assert f"SECRET={VICTIM}" in environment.splitlines()
    for path in (
        "/var/lib/cloud/instance/user-data.txt",
        "/var/lib/cloud/seed/config_drive",
        "/var/lib/clusterctl/console",
    ):
        assert on(scene.own.name, f"sudo ls -d {path}").strip() == path
    assert on(scene.own.name, "sudo journalctl --no-pager --output=cat --lines=5").strip()
    code = "import sys, urllib.request as u; [print(u.urlopen(x, timeout=5).status) for x in sys.argv[1:]]"
    urls = f"http://{METADATA_4}/ 'http://[{METADATA_6}%25{scene.link}]/'"
    eventually(
        "root reaches the metadata service by both families",
        lambda: on(scene.own.name, f"sudo python3 -c {shlex.quote(code)} {urls} 2>&1 || true").split(),
        lambda told: told == ["200", "200"],
    )


def scan(addresses: list[str], ports: tuple[int, ...] = PORTS, *, stranger: bool = True) -> set[tuple[str, int]]:
    """Places that take a connection: from the nodes' network, but no node, or from the operator's machine."""
    there = ["ip", "netns", "exec", os.environ["LAB_NETNS"]] if stranger else []
    places = [[at, port] for at in addresses for port in ports]
    done = subprocess.run(
        [*there, sys.executable, "-c", _SCAN], input=json.dumps(places), capture_output=True, text=True, check=True
    )
    return {(at, port) for at, port in json.loads(done.stdout)}
