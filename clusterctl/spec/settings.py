"""Settings of the services in the cluster file; each bound is the service's own or names what would break."""

from __future__ import annotations

from pydantic import Field

from clusterctl.spec import limits
from clusterctl.spec.flags import AgentFlags, MarathonFlags, MasterFlags
from clusterctl.spec.types import PortRange, RoleName, StrictModel

MAX_MIB = 16 * 1024 * 1024  # 16 TiB of memory or disk: beyond any flavor


class ZooKeeperSettings(StrictModel):
    """Values of zoo.cfg (ZooKeeper administrator's guide) and of its Java virtual machine."""

    tick_time_ms: int = Field(default=2000, ge=100, le=60000)
    init_limit: int = Field(default=10, ge=1, le=3600, description="ticks a follower may take to connect and sync")
    sync_limit: int = Field(default=5, ge=1, le=3600, description="ticks a follower may lag")
    heap_mib: int = Field(default=256, ge=64, le=MAX_MIB)
    max_client_connections: int = Field(default=200, ge=0, le=limits.INT32, description="of one address; 0: unlimited")
    snapshot_retain_count: int = Field(default=5, ge=3, le=limits.INT32)


class AgentReserve(StrictModel):
    """What an agent's node keeps for its operating system; the rest of the flavor is offered to Mesos."""

    cpus: float = Field(default=0.0, ge=0, le=4096, allow_inf_nan=False, strict=False)
    mem_mib: int = Field(default=192, ge=0, le=MAX_MIB)
    disk_mib: int = Field(default=2048, ge=0, le=MAX_MIB)


class MesosSettings(StrictModel):
    """Settings of masters and agents."""

    zk_session_timeout_s: int = Field(
        default=10, ge=1, le=1200, description="2 to 20 ticks of ZooKeeper, which else takes another value in silence"
    )
    agent_ping_timeout_s: int = Field(default=15, ge=1, le=900)
    max_agent_ping_timeouts: int = Field(default=5, ge=1, le=10000)
    agent_reserve: AgentReserve = AgentReserve()
    task_ports: PortRange = "31000-32000"
    offer_timeout_s: int = Field(
        default=60, ge=0, le=86400, description="seconds until an offer that a framework holds is taken back; 0: never"
    )
    tenant_qps: int = Field(
        default=200,
        ge=0,
        le=1_000_000,
        description="messages a second that masters handle of each Jenkins master, where mesos is closed; 0: no limit",
    )
    max_completed_frameworks: int = Field(
        default=500,
        ge=0,
        le=limits.INT32,
        description="frameworks that left of which masters still tell, with the sandboxes' places",
    )
    master_flags: MasterFlags = Field(
        default={}, max_length=100, description="further flags of the masters, such as {allocation_interval: 500ms}"
    )
    agent_flags: AgentFlags = Field(
        default={}, max_length=100, description="further flags of the agents; a group can have its own"
    )

    @property
    def task_port_range(self) -> tuple[int, int]:
        """First and last port of ``task_ports``."""
        low, high = self.task_ports.split("-")
        return int(low), int(high)


class GroupReserve(StrictModel):
    """What differs in a group from ``mesos.agent_reserve``."""

    cpus: float | None = Field(default=None, ge=0, le=4096, allow_inf_nan=False, strict=False)
    mem_mib: int | None = Field(default=None, ge=0, le=MAX_MIB)
    disk_mib: int | None = Field(default=None, ge=0, le=MAX_MIB)


class GroupMesosSettings(StrictModel):
    """What differs in a group of agents from section ``mesos``."""

    agent_reserve: GroupReserve = GroupReserve()
    agent_flags: AgentFlags = Field(default={}, max_length=100, description="flags beside and above mesos.agent_flags")


class MarathonSettings(StrictModel):
    """Settings of Marathon (its command-line flags reference)."""

    role: RoleName = "marathon"
    heap_mib: int = Field(default=512, ge=64, le=MAX_MIB)
    failover_timeout_s: int = Field(default=604800, ge=60, le=limits.INT32)
    task_launch_timeout_ms: int = Field(
        default=600000,
        ge=1000,
        le=limits.INT32,
        description="not shorter than the agents' executor_registration_timeout",
    )
    zk_session_timeout_s: int = Field(default=10, ge=1, le=1200, description="2 to 20 ticks of ZooKeeper")
    flags: MarathonFlags = Field(
        default={}, max_length=100, description="further flags, such as {metrics_prometheus: true}"
    )
