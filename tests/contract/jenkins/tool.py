"""A node's files as clusterctl renders them, laid out in a directory, and a master started by them."""

import json
import os
import subprocess
from pathlib import Path

from clusterctl.jenkins.home import new_marker
from clusterctl.paths import roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files
from clusterctl.resources import Flavor, Volume
from clusterctl.spec.load import parse_model
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import addresses, topology
from clusterctl.variables import agent_variables, cluster_variables, node_variables
from tests.contract.jenkins.master import HOST, IDLE_MINUTES, MINUTE_MS, TOKEN, Master

NAME, SLOT, RELEASE = "alice", 7, "2.319.3-0"
SPEC = f"""
cluster: ci
cloud: lab
network: private
keypair: ops
access: {{ssh_from: network}}
security: {{insecure: all}}
groups:
  control: {{count: 3, flavor: m1.medium, services: [zookeeper, mesos_master, marathon]}}
  masters:
    count: 1
    flavor: m1.large
    services: [mesos_agent]
    attributes: {{pool: jenkins-master}}
    reserve_for: marathon
    volume: {{size: 50, mount: /srv/jenkins}}
  builders: {{count: 1, flavor: m1.large, services: [mesos_agent], attributes: {{pool: jenkins-builder}}}}
jenkins:
  master: {{heap_mib: 64, mem_mib: 512, java_options: ["-Dstandin.minuteMillis={MINUTE_MS}"]}}
  provisioner: {{recurrence_ms: 500}}
  builds:
    - attributes: {{pool: jenkins-builder}}
      idle_minutes: {IDLE_MINUTES}
      cpus: 0.2
      mem_mib: 64
      executor_mem_mib: 64
"""


def rendered(root: Path) -> None:
    """Write the files of a node for masters below a directory; paths in them point there, too."""
    spec = parse_model(SPEC, ClusterSpec, "ci.yml")
    top = topology(spec)
    control = [node for node in top.nodes if node.group == "control"]
    masters = next(node for node in top.nodes if node.group == "masters")
    address_of = {node.name: f"127.0.0.{number}" for number, node in enumerate(control, 1)} | {masters.name: HOST}
    flavors = {name: Flavor(name, name, vcpus=4, ram_mib=8192, disk_gib=20) for name in ("m1.medium", "m1.large")}
    volume = Volume("0a1b2c3d-0000-4000-8000-000000000001", masters.name, "available", 50, "masters", None)
    variables = (
        cluster_variables(spec, addresses(top, address_of))
        | agent_variables(spec, "masters", flavors)
        | node_variables(spec, masters, address_of[masters.name], volume)
    )
    homes = {"jenkins_directory": str(root / "homes")}
    for file in render_files(roles_dir(), roles_of(masters.services), {**variables, **homes}):
        path = root / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content)
    script = root / "usr/lib/clusterctl/jenkins-start"
    text = script.read_text()
    for place in ("/etc/clusterctl/jenkins", "/opt/jenkins"):
        text = text.replace(f'Path("{place}', f'Path("{root}{place}')
    # there are no users of slots on this machine
    script.write_text(text.replace('f"b-{slot:03d}"', '"root"'))


class ToolsMaster(Master):
    """A master with a home as `clusterctl jenkins create` leaves it, started by jenkins-start."""

    def __init__(self, artifacts: list[Path], java: str, root: Path) -> None:
        self.root, self.home, self.sandbox = root, root / "homes" / NAME, root / "sandbox"
        self.java, self.port, self.options = java, 18500, ()
        self.log, self.url = root / "jenkins.log", f"http://{HOST}:{self.port}/"
        rendered(root)
        release, own = root / "opt/jenkins" / RELEASE, self.home / ".clusterctl"
        for directory in (release / "plugins", own, self.sandbox):
            directory.mkdir(parents=True)
        self.home.chmod(0o700)
        (root / "opt/jenkins/current").symlink_to(RELEASE)
        war, *plugins = artifacts
        (release / "jenkins.war").write_bytes(war.read_bytes())
        for plugin in plugins:
            name = f"{plugin.name.rpartition('-')[0]}.jpi"
            (release / "plugins" / name).write_bytes(plugin.read_bytes())
        java_home = root / "opt/jenkins-java/current"
        java_home.parent.mkdir(parents=True)
        java_home.symlink_to(Path(java).parents[1])
        ids = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")
        (own / "master.json").write_text(new_marker("ci", NAME, SLOT, "admin", ids).text())
        (own / "token").write_text(TOKEN + "\n")
        assert json.loads((own / "master.json").read_text())["admin"] == "admin"

    def start(self, *options: str) -> None:
        """Start it as Marathon's executor would."""
        env = {
            "PATH": os.environ["PATH"],
            "HOST": HOST,
            "MESOS_SANDBOX": str(self.sandbox),
            **{f"PORT{n}": str(self.port + n) for n in range(3)},
        }
        argv = ["/usr/bin/python3", self.root / "usr/lib/clusterctl/jenkins-start", NAME, str(SLOT)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*argv, *options], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
