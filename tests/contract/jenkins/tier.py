"""A Jenkins tier on loopback addresses: real ZooKeeper, Mesos and java, both stand-ins, the role's own files.

What a node has of its own (homes, releases, users, the role's files) lies in a mount namespace a node, over the
directories of the machine, which stay as they are. Only two things are not real: the cloud, and ssh, whose commands run
in the namespace of the node.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from clusterctl import paths
from clusterctl.jenkins.slots import build_uid, build_user, master_uid, master_user
from clusterctl.jenkins.variables import jenkins_variables
from clusterctl.ops.jenkins.ground import Tier, open_tier
from clusterctl.ops.kit.access import Access
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.run import Run
from clusterctl.remote.prober import SshProber
from clusterctl.render.templates import render_files
from clusterctl.resources import Flavor, Server
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.console import HostKey
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from clusterctl.ssh.process import Children, Finished
from tests.contract.loopback import MarathonCluster
from tests.contract.mesos.cluster import Daemon
from tests.memory.cloud import MemoryCloud

HOMES = "/srv/jenkins"
RELEASE = "2.319.3-00000001"
FLAVOR = Flavor("f", "any", vcpus=2, ram_mib=2048, disk_gib=4)
SLOTS = 8
KEY = HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIMrbzysqzzXdfaWRYMw8Bucsh6WrA8EztunGgxJuSlD/")
# agent 1 runs builds, agents 2 and 3 host masters
AGENTS = {
    1: ("pool:jenkins-builder", "*"),
    2: ("pool:jenkins-master", "marathon"),
    3: ("pool:jenkins-master", "marathon"),
}


def spec(**jenkins: object) -> ClusterSpec:
    """The cluster file; ``jenkins``: keys of that section."""
    section = {
        "max_masters": SLOTS,
        "master": {
            "cpus": 0.2,
            "mem_mib": 384,
            "heap_mib": 64,
            "kill_grace_s": 10,
            "check_interval_s": 2,
            "java_options": ["-Dstandin.minuteMillis=6000"],
        },
        "provisioner": {"recurrence_ms": 500},
        "builds": [
            {
                "label": "mesos",
                "cpus": 0.2,
                "mem_mib": 64,
                "executor_mem_mib": 64,
                "attributes": {"pool": "jenkins-builder"},
            }
        ],
        **jenkins,
    }
    control = {"count": 3, "flavor": "any", "services": ["zookeeper", "mesos_master", "marathon"]}
    agents = {"flavor": "any", "services": ["mesos_agent"]}
    masters = {
        **agents,
        "count": 2,
        "attributes": {"pool": "jenkins-master"},
        "reserve_for": "marathon",
        "volume": {"size": 1, "mount": HOMES},
    }
    return ClusterSpec.model_validate(
        {
            "cluster": "loop",
            "cloud": "none",
            "network": "none",
            "keypair": "none",
            "access": {"ssh_from": "network"},
            "security": {"insecure": "all"},
            "mesos": {"agent_reserve": {"mem_mib": 0, "disk_mib": 0}, "task_ports": "31000-31099"},
            "groups": {
                "control": control,
                "builders": {**agents, "count": 1, "attributes": {"pool": "jenkins-builder"}},
                "masters": masters,
            },
            "jenkins": section,
        }
    )


def servers(of: ClusterSpec) -> list[Server]:
    nodes = {
        **{f"loop-control-{n}": ("control", f"127.0.0.{n}", True) for n in (1, 2, 3)},
        "loop-builders-x-1": ("builders", "127.0.0.1", False),
        "loop-masters-1": ("masters", "127.0.0.2", True),
        "loop-masters-2": ("masters", "127.0.0.3", True),
    }
    return [
        Server(
            id=name,
            name=name,
            status="ACTIVE",
            group=group,
            node=name if named else None,
            address=address,
            image_id="i",
            flavor="any",
            services=tuple(of.groups[group].services),
            created="2026-01-01T00:00:00Z",
        )
        for name, (group, address, named) in nodes.items()
    ]


class Root:
    """A mount namespace with what a node of the tier has, held by a process of ours."""

    def __init__(self, work: Path) -> None:
        script = [f"mount -t tmpfs none {work}/volume"]
        (work / "volume").mkdir(parents=True)
        for name, path in (("etc", "/etc"), ("lib", "/usr/lib")):
            upper, scratch = work / name, work / f"{name}-work"
            upper.mkdir()
            scratch.mkdir()
            script.append(f"mount -t overlay overlay -o lowerdir={path},upperdir={upper},workdir={scratch} {path}")
        script += ["mount -t tmpfs -o mode=755 none /opt", "mount -t tmpfs -o mode=755 none /srv"]
        script += [f"mkdir {HOMES}", f"mount -t tmpfs -o size=1g,mode=755 none {HOMES}", "echo ready", "exec cat"]
        # it ends with its standard input, which ends with us
        self._holder = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-ec", "; ".join(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        self.path = Path(f"/proc/{self._holder.pid}/root")

    def enter(self, argv: Sequence[str]) -> list[str]:
        """A command that runs ``argv`` there."""
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--", *argv]

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """A file with its directories."""
        target = self.path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        target.chmod(mode)

    def end(self) -> None:
        self._holder.kill()
        self._holder.wait()


def furnish(root: Root, of: ClusterSpec) -> None:
    """Users of all slots, and the files of role ``jenkins`` as a node's boot renders them."""
    users, groups = (root.path / "etc" / name for name in ("passwd", "group"))
    for slot in range(1, SLOTS + 1):
        for user, uid in ((master_user(slot), master_uid(slot)), (build_user(slot), build_uid(slot))):
            with users.open("a") as file:
                file.write(f"{user}:x:{uid}:{uid}::/nonexistent:/bin/sh\n")
            with groups.open("a") as file:
                file.write(f"{user}:x:{uid}:\n")
    members = ",".join(f"127.0.0.{n}:2181" for n in (1, 2, 3))
    variables = {
        "clusterctl_cluster": of.cluster,
        "mesos_zk_url": f"zk://{members}/mesos",
        **jenkins_variables(of),
    }
    for each in render_files(paths.roles_dir(), ["jenkins"], variables):
        root.write(each.path, each.content, int(each.mode, 8))


def release(root: Root, name: str, war: Path, plugins: Sequence[Path], *, current: bool = True) -> None:
    """Installs a war and plugins under that name."""
    root.write(f"/opt/jenkins/{name}/jenkins.war", war.read_bytes())
    for plugin in plugins:
        root.write(f"/opt/jenkins/{name}/plugins/{plugin.name.rpartition('-')[0]}.jpi", plugin.read_bytes())
    if current:
        link = root.path / "opt/jenkins/current"
        link.unlink(missing_ok=True)
        link.symlink_to(name)


def java(root: Root, program: Path) -> None:
    """Makes this the masters' Java, as artifact ``jenkins_java`` does; other users must get through to it."""
    link = root.path / "opt/jenkins-java/current"
    link.parent.mkdir()
    link.symlink_to(program.parents[1])


class TierCluster(MarathonCluster):
    """Agents, each in the root of its node, with what the cluster file says they offer."""

    def __init__(self, mesos: Path, marathon: Path, work: Path, of: ClusterSpec) -> None:
        self.roots = {n: Root(work / f"root{n}") for n in AGENTS}
        for root in self.roots.values():
            furnish(root, of)
        super().__init__(mesos, marathon, work)
        self.agents = [self._in_root(n, *about) for n, about in AGENTS.items()]
        self._daemons = [*self.zookeepers, *self.masters, *self.agents]

    def _in_root(self, n: int, attributes: str, role: str) -> Daemon:
        daemon = super()._agent(n, attributes, role)
        resources = "--resources=cpus:2;mem:2048;disk:4096;ports:[31000-31099]"
        argv = [resources if flag.startswith("--resources=") else flag for flag in daemon.argv]
        return Daemon(daemon.name, self.roots[n].enter([*argv, "--switch_user"]), daemon.log)

    def _zookeeper(self, n: int) -> Daemon:
        daemon = super()._zookeeper(n)
        with (self.work / f"zk{n}/zoo.cfg").open("a") as file:
            file.write("4lw.commands.whitelist=srvr,mntr,ruok,stat,isro\n")
        return daemon

    def destroy_agent(self, n: int) -> Path:
        """Kills agent N and all that it started, as when its server is destroyed; the agent's directory."""
        directory = self.work / f"agent{n}"
        self.agents[n - 1].kill()
        mine = f"{directory}/".encode()
        for process in processes():
            with suppress(OSError):
                if mine in (process / "environ").read_bytes():  # MESOS_DIRECTORY of executors and what they run
                    os.kill(int(process.name), signal.SIGKILL)
        return directory

    def stop(self) -> None:
        super().stop()
        for root in self.roots.values():
            root.end()


class OnNodes(Children):
    """Runs what ssh would run on a node in the root of that node; we are root here without sudo."""

    def __init__(self, roots: dict[int, Root]) -> None:
        super().__init__()
        self._roots = roots

    def stream(self, argv: Sequence[str], *, given: IO[bytes], out: IO[bytes], timeout_s: float) -> Finished:
        line = argv[-1].removeprefix("sudo -n ")
        node = self._roots[int(argv[-2].rpartition(".")[2])]
        return super().stream(node.enter(["sh", "-c", line]), given=given, out=out, timeout_s=timeout_s)


class ListingCloud(MemoryCloud):
    """Lists the servers, and has locks."""

    of: ClusterSpec

    def servers(self, cluster: str) -> list[Server]:
        return servers(self.of)


class World:
    """The running cluster, and the tier on it."""

    def __init__(self, cluster: TierCluster, of: ClusterSpec, work: Path) -> None:
        self.cluster, self.spec, self.work = cluster, of, work
        self.cloud = ListingCloud(flavor_list=[FLAVOR])
        self.cloud.of = of
        known = KnownHosts(work / "known_hosts")
        for server in servers(of):
            known.pin(server.id, [KEY])
        keys = HostKeys(known, lambda _: "", lambda _: None)
        ssh = Ssh(SshConfig("root", known.path, Path("/nowhere")), OnNodes(cluster.roots))
        boot = work / "boot.json"
        boot.write_text('{"state": "done"}')
        self.access = Access(ssh, keys, SshProber(ssh, keys, boot_file=str(boot)))

    def tier(self) -> Tier:
        guard = Guard("test", now=lambda: datetime.now(UTC))
        run = Run(self.spec, self.cloud, Command("jenkins VERB", "loop.yml"), guard)
        vars(run)["access"] = self.access  # instead of the operator's own
        return open_tier(run, self.work / "loop.yml")

    def home(self, n: int, name: str) -> Path:
        """A home on the node of agent ``n``, as seen from here."""
        return self.cluster.roots[n].path / HOMES.lstrip("/") / name


def processes() -> Iterator[Path]:
    """Directories in /proc of the processes in our network namespace."""
    here = Path("/proc/thread-self/ns/net").readlink()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ends meanwhile
                if (entry / "ns/net").readlink() == here:
                    yield entry


def processes_of(user_id: int) -> list[str]:
    """Command lines of a user's processes in our network namespace; the machine may have others of that number."""
    found = []
    for entry in processes():
        with suppress(OSError):
            if entry.stat().st_uid == user_id:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found
