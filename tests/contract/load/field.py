"""Real Mesos masters and agents on loopback for load tests: any number of agents, with as many CPUs as wanted.

Agents say that they have what they have not: tasks that only sleep fit many times over. Inside `private_network` only.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from clusterctl.ops.loadtest.masters import Endpoint
from tests.contract.mesos.cluster import AGENT_PORT, MASTER_PORT, Cluster, Daemon


@dataclass(frozen=True)
class AgentGroup:
    """Agents that are alike; `reserve_for` is a role."""

    count: int
    cpus: int = 100
    mem_mib: int = 100_000
    reserve_for: str = "*"


class Field(Cluster):
    """Three ZooKeepers and masters, and agents as wanted."""

    def __init__(
        self, root: Path, work: Path, agents: tuple[AgentGroup, ...], master_flags: tuple[str, ...] = ()
    ) -> None:
        self._master_flags = master_flags
        super().__init__(root, work)
        wanted = [group for group in agents for _ in range(group.count)]
        self.agents = [self._plain_agent(n, group) for n, group in enumerate(wanted, start=1)]
        self._daemons = [*self.zookeepers, *self.masters, *self.agents]

    def start(self) -> None:
        """Start all, and wait until every agent is registered."""
        super().start()
        self.agent_ids(len(self.agents))

    @property
    def endpoints(self) -> list[Endpoint]:
        return [Endpoint(f"{host}:{MASTER_PORT}") for host in self.hosts]

    def most_memory_mib(self) -> dict[str, float]:
        """The most that each running master ever held, by its address."""
        found = {}
        for host, master in zip(self.hosts, self.masters, strict=True):
            if master.pid:
                status = Path(f"/proc/{master.pid}/status").read_text()
                found[host] = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024
        return found

    def _master(self, n: int) -> Daemon:
        daemon = super()._master(n)
        daemon.argv = [*daemon.argv, *self._master_flags]
        return daemon

    def _plain_agent(self, n: int, group: AgentGroup) -> Daemon:
        flags = [
            f"--master={self.zk}",
            f"--ip=127.0.0.{n}",
            f"--port={AGENT_PORT}",
            f"--hostname=127.0.0.{n}",
            "--no-hostname_lookup",
            f"--work_dir={self.work}/agent{n}",
            f"--runtime_dir={self.work}/agent{n}-run",
            f"--fetcher_cache_dir={self.work}/agent{n}-fetch",
            f"--launcher_dir={self.root}/usr/libexec/mesos",
            "--launcher=posix",
            "--containerizers=mesos",
            f"--resources=cpus:{group.cpus};mem:{group.mem_mib};disk:4096",
            f"--default_role={group.reserve_for}",
            "--no-systemd_enable_support",
            "--logging_level=WARNING",
            "--zk_session_timeout=8secs",
        ]
        return Daemon(f"agent{n}", [self.program("mesos-agent"), *flags], self.work / f"agent{n}.log")
