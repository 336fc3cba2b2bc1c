"""``clusterctl inventory`` against the inventory plugin ``openstack.cloud.openstack``, over the same API, in one run.

usage: inventory.py [--rounds N] [--agents N] [--simulated N...]

Real: a cluster of N agents in the lab's zone ``fake``; 0 leaves it out, and needs no lab. Simulated: answers in the
shape of the real ones from a local server (``simulated.py``) that pages like Nova and answers at once.

The plugin is that of PyPI's ``ansible`` in an environment of its own, with its default settings and a filter for the
cluster's servers. Both are asked through ``ansible-inventory --list`` (ours by the script ``inventory/clusterctl``), as
a playbook would, and ours also alone, as ``clusterctl inventory``. Host keys are pinned beforehand: a fake server's
console has none. The floor (``floor.py``) is a token and the same lists, by bare Python. The ways take turns. Prints
Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))

import agents
import labkit
import novaclient.client
import openstack
import scale
import yaml
from measure import Measured, load, markdown, run, say
from simulated import SimulatedCloud

from clusterctl.spec import load_spec
from clusterctl.spec.model import ClusterSpec

ANSIBLE = "12.3.0"  # has the collection openstack.cloud and wants the ansible-core that clusterctl uses
SDK = "4.14.0"  # the newest with which the plugin of that collection loads
ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"


def plugin_environment() -> Path:
    """Programs of PyPI's ``ansible`` and openstacksdk, made once."""
    cache = Path(os.environ.get("CLUSTERCTL_CACHE", "/var/cache/clusterctl"))
    venv = cache / f"ansible-{ANSIBLE}-openstacksdk-{SDK}"
    if not (venv / ".whole").exists():
        say(f"installing ansible {ANSIBLE} into {venv}")
        subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True, stdout=sys.stderr)
        packages = [f"ansible=={ANSIBLE}", f"openstacksdk=={SDK}"]
        pip = [venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        (venv / ".whole").touch()
    return venv / "bin"


@dataclass
class Way:
    """One way to the inventory."""

    name: str
    command: list[str | Path]
    environment: Mapping[str, str]
    runs: list[Measured] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Median."""
        return statistics.median(each.seconds for each in self.runs)


def ways(file: Path, clouds: Path, directory: Path) -> list[Way]:
    """The plugin's, ours through Ansible, ours alone."""
    spec = load_spec(file)
    config = directory / "openstack.yml"
    config.write_text(
        json.dumps(
            {
                "plugin": "openstack.cloud.openstack",
                "only_clouds": [spec.cloud],
                "fail_on_errors": True,
                "server_filters": {"tags": f"clusterctl.cluster={spec.cluster}"},
            }
        )
    )
    common = {"OS_CLIENT_CONFIG_FILE": str(clouds), "XDG_CACHE_HOME": str(directory)}
    # the plugin with Ansible's own settings, ours with ours
    (empty := directory / "ansible.cfg").touch()
    stock = {**common, "ANSIBLE_CONFIG": str(empty)}
    ours = {**common, "CLUSTERCTL_FILE": str(file), "PATH": f"{BIN}:{os.environ['PATH']}"}
    script = ROOT / "inventory" / "clusterctl"
    plugin = plugin_environment() / "ansible-inventory"
    return [
        Way("floor", [sys.executable, "-I", "-S", ROOT / "benchmarks" / "floor.py", floor_request(clouds, spec)], {}),
        Way("plugin", [plugin, "-i", config, "--list"], stock),
        Way("ours, through Ansible", [BIN / "ansible-inventory", "-i", script, "--list"], ours),
        Way("ours, alone", [BIN / "clusterctl", "inventory", file], ours),
    ]


def floor_request(clouds: Path, spec: ClusterSpec) -> str:
    """What ``floor.py`` takes."""
    [auth] = [each["auth"] for name, each in yaml.safe_load(clouds.read_text())["clouds"].items() if name == spec.cloud]
    mark = quote(f"clusterctl.cluster={spec.cluster}")
    lists = [
        ["compute", f"/servers/detail?tags={mark}&limit=1000"],
        ["compute", "/flavors/detail"],
        ["network", f"/v2.0/ports?description={mark}"],
    ]
    return json.dumps({"auth": auth, "lists": lists})


def compare(file: Path, clouds: Path, server_ids: list[str], rounds: int, what: str) -> list[list[object]]:
    """Rows: each way with its seconds, its memory, and how much faster than the plugin it is."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        scale.pin(file, server_ids, directory)
        found = ways(file, clouds, directory)
        for way in found:  # once beforehand: byte code, page cache; and all must see the same hosts
            told = json.loads(run(way.command, way.environment).output)
            hosts = told if way.name == "floor" else told["_meta"]["hostvars"]
            assert len(hosts) == len(server_ids), f"{way.name} sees {len(hosts)} hosts of {len(server_ids)}"
        for _ in range(rounds):
            for way in found:
                way.runs.append(run(way.command, way.environment))
    floor, plugin = found[0].seconds, found[1].seconds
    return [
        [
            what,
            way.name,
            f"{way.seconds:.2f} s",
            f"{statistics.median(each.cpu_seconds for each in way.runs):.2f} s",
            f"{plugin / way.seconds:.1f}",
            f"{way.seconds / floor:.1f}",
            load(),
        ]
        for way in found
    ]


@contextmanager
def cluster(number: int) -> Iterator[Path]:
    """A cluster of that many agents; its file."""
    file = agents.cluster_file(number)
    try:
        run([labkit.PROGRAM, "create", file, "--no-wait", "--json"])
        yield file
    finally:
        run([labkit.PROGRAM, "destroy", file, "--yes", "--json"])


def recorded_servers() -> list[dict[str, Any]]:
    """The real cloud's, of the cluster."""
    connection = openstack.connect(cloud=scale.CLOUD)
    nova = novaclient.client.Client("2.90", session=connection.session)
    found: list[dict[str, Any]] = nova.client.get(f"/servers/detail?tags={quote(scale.MARK)}")[1]["servers"]
    return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--simulated", type=int, nargs="*", default=[1000, 5000])
    arguments = parser.parse_args()
    plugin_environment()
    rows = []
    if arguments.agents:
        labkit.use_lab()
        clouds = Path(os.environ["OS_CLIENT_CONFIG_FILE"])
        with cluster(arguments.agents) as file:
            ids = [server["id"] for server in recorded_servers()]
            rows += compare(file, clouds, ids, arguments.rounds, f"{arguments.agents} agents, real")
    for count in arguments.simulated:
        with SimulatedCloud(scale.invented(count)) as cloud, tempfile.TemporaryDirectory() as name:
            file, environment = scale.prepare(Path(name), cloud)
            ids = [server["id"] for server in cloud.recorded.servers]
            clouds = Path(environment["OS_CLIENT_CONFIG_FILE"])
            rows += compare(file, clouds, ids, arguments.rounds, f"{count} agents, simulated")
    header = [
        "inventory of",
        "way",
        f"median of {arguments.rounds}",
        "its CPU",
        "plugin's time / its",
        "its time / floor's",
        "load",
    ]
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
