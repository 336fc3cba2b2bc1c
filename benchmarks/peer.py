"""``clusterctl create`` against what a user would write otherwise, in turn, in one zone of the lab.

usage: peer.py [--zone container] [--rounds N] [--kill-after S]

The peer: a playbook of the collection ``openstack.cloud`` (PyPI's ``ansible`` in an environment of its own) that makes
the same servers from our image, all at once, and waits for ssh; then ``benchmarks/stock/site.yml``, our roles the plain
way, by a tuned Ansible: pipelining, 50 forks, no gathering of facts. It ends when the roles have run, and does not
verify. ``clusterctl create`` ends when it has verified that the cluster serves.

Of both: seconds and API calls of the first run, of a second one that finds all there, and what servers there are after
a kill in the middle of the first run and the same command again. Killed is the command with all its children; jobs of
Ansible's ``async`` part from it and go on. Calls are counted by a proxy before the APIs. Prints Markdown. There must be
nothing called ``peer``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
from measure import load, markdown, say, tuned_ansible
from onlab import image, labkit, through_proxy

from clusterctl.ansible.keeper import descendants
from clusterctl.ansible.playbook import inventory_script
from clusterctl.cloud import open_cloud
from clusterctl.ops.day2.inventory import build_inventory
from clusterctl.ops.kit.access import open_access
from clusterctl.resources import Observed, Port, Server
from clusterctl.spec import ClusterSpec, load_spec
from inventory import plugin_environment
from lab.faultproxy.proxy import FaultProxy

HERE = Path(__file__).resolve().parent
NAME = "peer"


@dataclass
class Place:
    """Where both run: one project of the lab, behind the proxy."""

    spec: ClusterSpec
    file: Path
    directory: Path
    proxy: FaultProxy
    environment: Mapping[str, str]

    def run(self, words: Sequence[str | Path], more: Mapping[str, str], kill_after_s: float | None) -> None:
        """Runs a program to its end, or kills it and all that it started after a time."""
        environment = {**os.environ, **self.environment, **more}
        process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        try:
            code = process.wait(kill_after_s)
        except subprocess.TimeoutExpired:
            # Ansible's workers have sessions of their own
            for pid in (process.pid, *descendants(process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
            raise Killed from None
        if code:
            raise RuntimeError(f"{' '.join(map(str, words))} ended with {code}")


class Killed(Exception):
    """As it was asked for."""


def ours(place: Place, kill_after_s: float | None = None) -> None:
    """``clusterctl create``."""
    place.run([labkit.PROGRAM, "create", place.file], {}, kill_after_s)


def peer(place: Place, kill_after_s: float | None = None) -> None:
    """The two playbooks."""
    began = time.monotonic()
    told = place.directory / "addresses.json"
    values = place.directory / "vars.json"
    values.write_text(json.dumps(variables(place, told)))
    environment = {"ANSIBLE_CONFIG": str(tuned_ansible(place.directory))}
    program = plugin_environment() / "ansible-playbook"
    python = "ansible_python_interpreter={{ ansible_playbook_python }}"
    words = [program, "-i", "localhost,", "-e", python, "-e", f"@{values}", HERE / "peer" / "servers.yml"]
    place.run(words, environment, kill_after_s)
    hosts = inventory_script(place.directory, inventory(place.spec, json.loads(told.read_text())))
    # our environment's Ansible: the roles are the same, and so is its version
    ours_program = Path(sys.executable).parent / "ansible-playbook"
    left = None if kill_after_s is None else max(kill_after_s - (time.monotonic() - began), 0.1)
    place.run([ours_program, "-i", hosts, HERE / "peer" / "wait.yml", HERE / "stock" / "site.yml"], environment, left)


def variables(place: Place, told: Path) -> dict[str, Any]:
    """Of ``peer/servers.yml``."""
    spec = place.spec
    newest = open_cloud(spec.cloud).images(family=spec.image)[0]
    nodes = [
        {"name": f"{NAME}-{group}-{number}", "flavor": settings.flavor}
        for group, settings in spec.groups.items()
        for number in range(1, settings.count + 1)
    ]
    return {
        "peer": NAME,
        "cloud": spec.cloud,
        "network": spec.network,
        "image": newest.id,
        "keypair": spec.keypair,
        "zone": spec.availability_zone,
        "sources": [source for source in spec.access.ssh_from if source != "network"] or ["10.51.0.1/32"],
        "nodes": nodes,
        "told": str(told),
    }


def inventory(spec: ClusterSpec, addresses: Mapping[str, Any]) -> dict[str, Any]:
    """The peer's hosts with the variables that our roles need; a user would write these himself."""
    servers, ports = [], []
    for name, networks in addresses.items():
        address = next(each["addr"] for network in networks.values() for each in network)
        group = name.removeprefix(f"{NAME}-").rpartition("-")[0]
        named = spec.groups[group].named
        services = tuple(service.value for service in spec.groups[group].services)
        node = f"{spec.cluster}-{group}-{name.rpartition('-')[2]}" if named else None
        servers.append(
            Server(name, name, "ACTIVE", group, node, address, None, spec.groups[group].flavor, services, "")
        )
        if node:
            ports.append(Port(name, node, address, name))
    cloud = open_cloud(spec.cloud)
    found = build_inventory(spec, Observed(tuple(servers), tuple(ports)), cloud.flavors(), open_access(spec, cloud))
    for host in found["_meta"]["hostvars"].values():
        del host["ansible_ssh_common_args"]
        if key := os.environ.get("CLUSTERCTL_SSH_KEY"):
            host["ansible_ssh_private_key_file"] = key
    return found


def servers_of(spec: ClusterSpec, side: str) -> list[str]:
    """Names of the servers of a side, as the cloud lists them."""
    connection = openstack.connect(cloud=spec.cloud)
    return sorted(each.name for each in connection.compute.servers() if each.name.startswith(f"{side}-"))


def remove_peer(spec: ClusterSpec) -> None:
    """Deletes what the playbook made."""
    connection = openstack.connect(cloud=spec.cloud)
    for server in connection.compute.servers():
        if server.name.startswith(f"{NAME}-"):
            connection.delete_server(server.id, wait=True)
    for group in connection.compute.server_groups():
        if group.name == NAME:
            connection.compute.delete_server_group(group)
    for group in connection.network.security_groups(name=NAME):
        connection.network.delete_security_group(group)


def remove_ours(place: Place) -> None:
    """``clusterctl destroy``."""
    place.run([labkit.PROGRAM, "destroy", place.file, "--yes"], {}, None)


def timed(place: Place, way: Callable[..., None]) -> tuple[float, int]:
    """Seconds and API calls."""
    place.proxy.reset()
    start = time.monotonic()
    way(place)
    return time.monotonic() - start, place.proxy.calls


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zone", choices=sorted(labkit.ZONES), default="container")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kill-after", type=float, default=8.0, metavar="S", help="0 leaves the kill out")
    arguments = parser.parse_args()
    image(arguments.zone)
    plugin_environment()
    file = labkit.cluster_file("demo", arguments.zone, name="peerours")
    # the peer brings no secrets and makes one security group
    file.write_text(f"{file.read_text()}security: {{insecure: [mesos, zookeeper, marathon, network]}}\n")
    spec = load_spec(file)
    rows: list[Sequence[object]] = []
    with tempfile.TemporaryDirectory() as name, through_proxy(spec.cloud) as through:
        place = Place(spec, file, Path(name), through.proxy, through.environment)
        ways: dict[str, tuple[Callable[..., None], Callable[[], None], str]] = {
            "clusterctl create": (ours, lambda: remove_ours(place), spec.cluster),
            "playbook": (peer, lambda: remove_peer(spec), NAME),
        }
        for number in range(1, arguments.rounds + 1):
            for title, (way, remove, _) in ways.items():
                remove()
                first, again = timed(place, way), timed(place, way)
                remove()
                rows.append([number, title, f"{first[0]:.1f} s", first[1], f"{again[0]:.1f} s", again[1], load()])
                say(f"{title}: {first}, again {again}")
        print(markdown(["round", "way", "first run", "its calls", "second run", "its calls", "load"], rows))
        if arguments.kill_after:
            killed(place, ways, arguments.kill_after)


def killed(place: Place, ways: Mapping[str, Any], after_s: float) -> None:
    """Prints what servers there are after a kill, and after the same command again."""
    wanted = sum(group.count for group in place.spec.groups.values())
    rows = []
    for title, (way, remove, prefix) in ways.items():
        remove()
        try:
            way(place, after_s)
        except Killed:
            at_kill = servers_of(place.spec, prefix)
            try:
                way(place)
                outcome = "went well"
            except RuntimeError as error:
                outcome = str(error)
            after = servers_of(place.spec, prefix)
            rows.append([title, len(at_kill), outcome, f"{len(after)} of {wanted}"])
        else:
            rows.append([title, "it had ended before", "", ""])
        remove()
    header = ["way", f"servers at a kill after {after_s:g} s", "the same command again", "servers then"]
    print(f"\n{markdown(header, rows)}")


if __name__ == "__main__":
    main()
