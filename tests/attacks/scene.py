"""A cluster to attack: two Jenkins masters, two builders, a victim's build, and what an attacker looks for."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import labkit
import yaml

from tests.attacks.positions import Positions
from tests.attacks.table import METADATA_4, METADATA_6, Place, Scene
from tests.e2e.cluster import Cluster
from tests.e2e.jenkins import QUICK, Tier

OPEN: Mapping[str, Any] = {"insecure": "all"}
# The default
CLOSED: Mapping[str, Any] = {}
OPERATOR = "10.51.0.1"  # this machine, as servers see it
SETUID = "/usr/local/bin/id-of-root"
VICTIM = "of-tenant-two"
PREPARE = Path(__file__).with_name("prepare.sh")
PORTS = (22, 2181, 2888, 3888, 5050, 5051, 8080, 9090, 31000, 31001)

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
    """The cluster, the positions that attacks are made from, and what the attackers are told."""

    cluster: Cluster
    tier: Tier
    positions: Positions
    scene: Scene
    nodes: dict[str, dict[str, Any]]

    @property
    def control(self) -> list[str]:
        """Names of the control nodes."""
        return [name for name, node in self.nodes.items() if node["group"] == "control"]

    def everywhere(self, command: str) -> dict[str, str]:
        """What a command prints on each node, as root."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            told = pool.map(lambda name: self.cluster.on(name, f"sudo sh -c {shlex.quote(command)}"), self.nodes)
            return dict(zip(self.nodes, told, strict=True))

    def lives(self, pid: int) -> bool:
        """Whether the victim's process still runs."""
        return self.cluster.on(self.scene.own.name, f"test -d /proc/{pid} && echo yes || true").strip() == "yes"

    def connection(self) -> tuple[str, int]:
        """Of the victim's build with its master: its port on the node, and how many bytes it has heard; none: '', 0."""
        ask = f"ss -Htni state established dport = :{self.scene.other_port + 1}"
        told = self.cluster.on(self.scene.own.name, ask).split()
        heard = [word.partition(":")[2] for word in told if word.startswith("bytes_received:")]
        return (told[2].rpartition(":")[2], int(heard[0])) if heard else ("", 0)


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
    groups = {node["group"]: node for node in nodes.values()}  # of agents: one each
    tier.job("dev-002", "victim", f"echo {VICTIM} > mine; SECRET={VICTIM} sleep 1500")
    tier.build("dev-002", "victim")
    own = looked(cluster, groups["builders"]["name"], PREPARE.read_text(), METADATA_4, METADATA_6, SETUID)
    # what attacks look for is there to be had: root got all of it
    assert (own["victim_file"], own["victim_secret"], own["journal"]) == (VICTIM, VICTIM, "5"), own
    other, masters = (looked(cluster, groups[group]["name"], _AGENT) for group in ("others", "jenkins"))
    listed = tier.list()
    assert (listed["dev-001"]["slot"], listed["dev-002"]["slot"]) == (1, 2)

    def place(group: str, found: Mapping[str, str]) -> Place:
        return Place(groups[group]["name"], groups[group]["address"], found["agent_id"])

    scene = Scene(
        control=tuple(node["address"] for node in nodes.values() if node["group"] == "control"),
        **{part: nodes[status["leaders"][service]]["address"] for part, service in _LEADERS.items()},
        own=place("builders", own),
        other=place("others", other),
        masters=place("jenkins", masters),
        victim=int(own["victim"]),
        victim_place=own["victim_place"],
        agent_pid=int(own["agent_pid"]),
        other_jvm=int(masters["jvm"]),
        other_port=listed["dev-002"]["ports"]["http"],
        link=own["link"],
        setuid=SETUID,
    )
    return Attacked(cluster, tier, Positions(cluster, tier), scene, nodes)


_LEADERS = {"mesos": "mesos_master", "zookeeper": "zookeeper", "marathon": "marathon"}
_AGENT = """
echo "agent_id $(basename "$(readlink -f /var/lib/mesos/agent/meta/slaves/latest)")"
echo "jvm $(pgrep -u jm-002 -f 'jar /opt/jenkins')"
"""


def looked(cluster: Cluster, node: str, script: str, *arguments: str) -> dict[str, str]:
    """What a script of root's says in lines of a name and a value."""
    told = cluster.on(node, f"sudo bash -c {shlex.quote(script)} {' '.join(('bash', *arguments))}")
    return {name: value for name, _, value in (line.partition(" ") for line in told.splitlines())}


def scan(addresses: list[str], ports: tuple[int, ...] = PORTS, *, stranger: bool = True) -> set[tuple[str, int]]:
    """Places that take a connection: from the nodes' network, but no node, or from the operator's machine."""
    there = ["ip", "netns", "exec", os.environ["LAB_NETNS"]] if stranger else []
    places = [[at, port] for at in addresses for port in ports]
    done = subprocess.run(
        [*there, sys.executable, "-c", _SCAN], input=json.dumps(places), capture_output=True, text=True, check=True
    )
    return {(at, port) for at, port in json.loads(done.stdout)}
