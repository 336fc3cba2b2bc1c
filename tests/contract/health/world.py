"""Real daemons on loopback addresses as the nodes of a cluster file. Only two things are not real: the cloud, which
lists the servers and knows the flavor, and ssh, whose commands run on this machine.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from clusterctl.ops.kit.access import Access
from clusterctl.ops.observe.healthy import wait_healthy
from clusterctl.ops.observe.verify import VerifyReport, verify
from clusterctl.remote.prober import SshProber
from clusterctl.resources import Flavor, Server
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.console import HostKey
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from clusterctl.ssh.process import Children, Finished
from tests.contract.loopback import Marathon, MarathonCluster
from tests.contract.mesos.cluster import Daemon
from tests.memory.cloud import MemoryCloud

# What the agents of MarathonCluster offer
FLAVOR = Flavor("f", "any", vcpus=2, ram_mib=1024, disk_gib=1)
KEY = HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIMrbzysqzzXdfaWRYMw8Bucsh6WrA8EztunGgxJuSlD/")


def _agents(attributes: dict[str, str], **more: object) -> dict[str, object]:
    return {"count": 1, "flavor": "any", "services": ["mesos_agent"], "attributes": attributes, **more}


SPEC = ClusterSpec.model_validate(
    {
        "cluster": "loop",
        "cloud": "none",
        "network": "none",
        "keypair": "none",
        "access": {"ssh_from": "network"},
        "security": {"insecure": "all"},
        "mesos": {"agent_reserve": {"mem_mib": 0, "disk_mib": 0}},
        "groups": {
            "control": {"count": 3, "flavor": "any", "services": ["zookeeper", "mesos_master", "marathon"]},
            "builders": _agents({"pool": "jenkins-builder"}),
            "jenkins-a": _agents({"pool": "jenkins-master", "rack": "a"}, reserve_for="marathon"),
            "jenkins-b": _agents({"pool": "jenkins-master", "rack": "b"}, reserve_for="marathon"),
        },
    }
)
NODES = {
    **{f"loop-control-{n}": ("control", f"127.0.0.{n}") for n in (1, 2, 3)},
    "loop-builders-x-1": ("builders", "127.0.0.1"),
    "loop-jenkins-a-x-1": ("jenkins-a", "127.0.0.2"),
    "loop-jenkins-b-x-1": ("jenkins-b", "127.0.0.3"),
}


def servers() -> list[Server]:
    return [
        Server(
            id=name,
            name=name,
            status="ACTIVE",
            group=group,
            node=name if group == "control" else None,
            address=address,
            image_id="i",
            flavor="any",
            services=tuple(SPEC.groups[group].services),
            created="2026-01-01T00:00:00Z",
        )
        for name, (group, address) in NODES.items()
    ]


class WorldCluster(MarathonCluster):
    """With the four-letter words that the zookeeper role allows, and all agents with the same ports."""

    def _zookeeper(self, n: int) -> Daemon:
        daemon = super()._zookeeper(n)
        with (self.work / f"zk{n}/zoo.cfg").open("a") as file:
            file.write("4lw.commands.whitelist=srvr,mntr,ruok,stat,isro\n")
        return daemon

    def _agent(self, n: int, attributes: str, role: str = "*") -> Daemon:
        daemon = super()._agent(n, attributes, role)
        resources = "--resources=cpus:2;mem:1024;disk:1024;ports:[31000-32000]"
        daemon.argv = [resources if flag.startswith("--resources=") else flag for flag in daemon.argv]
        return daemon


class Here(Children):
    """Runs what ssh would run on a node here; we are root already.

    Attributes:
        ahead_s: address -> how far the clock is ahead that the probe sees there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ahead_s: dict[str, float] = {}

    def __call__(self, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        if ahead_s := self.ahead_s.get(argv[-2]):
            shifted = f"import time\nreal = time.time\ntime.time = lambda: real() + {ahead_s}"
            stdin = stdin.replace(b"import time", shifted.encode(), 1)
        return super().__call__(["sh", "-c", argv[-1].removeprefix("sudo -n ")], stdin=stdin, timeout_s=timeout_s)


def send(daemon: Daemon, number: signal.Signals) -> None:
    """Sends a signal to the process of a daemon."""
    wanted = b"".join(f"{word}\0".encode() for word in daemon.argv)
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _command(entry) == wanted]
    assert len(pids) == 1, (daemon.name, pids)
    os.kill(pids[0], number)


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:  # it ended meanwhile
        return b""


class ListingCloud(MemoryCloud):
    """Lists the servers; nothing else is asked of it."""

    def servers(self, cluster: str) -> list[Server]:
        return servers()


class World:
    """The cluster and its probe. What ends by itself starts again, as under systemd; what a test killed stays down."""

    def __init__(self, cluster: WorldCluster) -> None:
        self.cluster = cluster
        self.down: list[Daemon | Marathon] = []
        self.notes: list[str] = []
        self.cloud = ListingCloud(flavor_list=[FLAVOR])
        boot = cluster.work / "boot.json"
        boot.write_text('{"state": "done", "step": "", "detail": ""}')
        known = KnownHosts(cluster.work / "known_hosts")
        for name in NODES:
            known.pin(name, [KEY])
        self.here = Here()
        ssh = Ssh(SshConfig("root", known.path, Path("/nowhere")), self.here)
        keys = HostKeys(known, self.cloud.console, self.cloud.rebuilt)
        self.access = Access(ssh, keys, SshProber(ssh, keys, boot_file=str(boot)))

    def restore(self) -> None:
        """Starts what was killed."""
        for daemon in self.down:
            if isinstance(daemon, Marathon):
                daemon.start(supervised=True)
            else:
                daemon.start()
        self.down.clear()

    def wait(self, deadline_s: float = 120) -> VerifyReport:
        """``wait_healthy`` on this cluster."""
        return wait_healthy(SPEC, self.cloud, self.access, deadline_s=deadline_s, note=self.notes.append)

    def verify(self, *, deep: bool = False) -> dict[str, str]:
        """The failed checks with their details."""
        report = verify(SPEC, servers(), [FLAVOR], self.access.prober, deep=deep)
        return {check.name: check.detail for check in report.failed}

    def kill(self, daemon: Daemon | Marathon) -> None:
        """kill -9, and it stays down."""
        self.down.append(daemon)
        daemon.kill()

    def node(self, address: str) -> str:
        """Name of the control node with that address."""
        return next(name for name, (group, at) in NODES.items() if at == address and group == "control")

    def zookeeper_leader(self) -> int:
        """Index of the leading ZooKeeper, by the tool that operators use."""
        for index, host in enumerate(self.cluster.hosts):
            asked = subprocess.run(
                ["sh", "-c", f"printf srvr | timeout 3 nc -q 1 {host} 2181"],
                capture_output=True,
                text=True,
                check=False,
            )
            if "Mode: leader" in asked.stdout:
                return index
        raise AssertionError("no leading ZooKeeper")
