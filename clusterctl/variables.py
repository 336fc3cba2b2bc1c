"""Pure: topology -> variables. The one source for the renderer at boot and for the inventory on day 2 (D7).

Names are those of ``roles/*/meta/argument_specs.yml``. Values are plain text, numbers, booleans, lists and dicts, so
that both Jinja environments see the same.
"""

from __future__ import annotations

from typing import Any

from clusterctl.services import MARATHON_LIBPROCESS_PORT, PORTS, Service
from clusterctl.spec.model import AgentReserve, ClusterSpec, Group
from clusterctl.topology import Addresses, NamedNode, quorum

Variables = dict[str, Any]


def cluster_variables(spec: ClusterSpec, at: Addresses) -> Variables:
    """Variables that are the same on every node."""
    ensemble = ",".join(f"{address}:{PORTS[Service.ZOOKEEPER]}" for _, address in at.zookeeper)
    return {
        "clusterctl_cluster": spec.cluster,
        "zookeeper_servers": [{"id": myid, "address": address} for myid, address in at.zookeeper],
        "zookeeper_client_port": PORTS[Service.ZOOKEEPER],
        "zookeeper_tick_time_ms": spec.zookeeper.tick_time_ms,
        "zookeeper_init_limit": spec.zookeeper.init_limit,
        "zookeeper_sync_limit": spec.zookeeper.sync_limit,
        "zookeeper_heap_mib": spec.zookeeper.heap_mib,
        "zookeeper_max_client_connections": spec.zookeeper.max_client_connections,
        "zookeeper_snapshot_retain_count": spec.zookeeper.snapshot_retain_count,
        "mesos_zk_url": f"zk://{ensemble}/mesos",
        "mesos_cluster_name": spec.cluster,
        "mesos_zk_session_timeout_s": spec.mesos.zk_session_timeout_s,
        "mesos_master_port": PORTS[Service.MESOS_MASTER],
        "mesos_master_quorum": quorum(len(at.mesos_master)),
        "mesos_master_addresses": list(at.mesos_master),
        "mesos_master_agent_ping_timeout_s": spec.mesos.agent_ping_timeout_s,
        "mesos_master_max_agent_ping_timeouts": spec.mesos.max_agent_ping_timeouts,
        "mesos_master_offer_timeout_s": spec.mesos.offer_timeout_s,
        "mesos_master_max_completed_frameworks": spec.mesos.max_completed_frameworks,
        "marathon_zk_url": f"zk://{ensemble}/marathon",
        "marathon_mesos_role": spec.marathon.role,
        "marathon_http_port": PORTS[Service.MARATHON],
        "marathon_libprocess_port": MARATHON_LIBPROCESS_PORT,
        "marathon_heap_mib": spec.marathon.heap_mib,
        "marathon_failover_timeout_s": spec.marathon.failover_timeout_s,
        "marathon_task_launch_timeout_ms": spec.marathon.task_launch_timeout_ms,
    }


def agent_variables(spec: ClusterSpec, group: Group, resources: AgentResources) -> Variables:
    """Variables of a group of agents; nothing in them is individual to a node (D4)."""
    return {
        "mesos_agent_port": PORTS[Service.MESOS_AGENT],
        "mesos_agent_attributes": ";".join(f"{name}:{text}" for name, text in sorted(group.attributes.items())),
        "mesos_agent_default_role": group.reserve_for or "*",
        "mesos_agent_resources": resources.text(spec.mesos.task_ports),
    }


def node_variables(node: NamedNode, address: str, volume_id: str | None, mount: str | None) -> Variables:
    """Variables of one named node.

    Args:
        volume_id: id of its data volume, which the guest sees (cut to 20 characters) as the disk's serial number.
        mount: where the volume is mounted.
    """
    values: Variables = {"clusterctl_node": node.name, "clusterctl_address": address}
    if Service.ZOOKEEPER in node.services:
        values["zookeeper_myid"] = node.myid
    if volume_id is not None and mount is not None:
        # virtio-blk serial numbers hold 20 bytes (VIRTIO_BLK_ID_BYTES); libvirt passes the volume's id
        values["common_volume_serial"] = volume_id[:20]
        values["common_volume_mount"] = mount
    return values


class AgentResources:
    """What an agent offers: the flavor minus the operating system's reserve, never what the kernel shows.

    In a system container the kernel shows the host's processors and memory, and a build would be promised what the
    flavor does not have.
    """

    def __init__(self, *, vcpus: int, ram_mib: int, disk_gib: int, reserve: AgentReserve) -> None:
        self.cpus = max(round(vcpus - reserve.cpus, 3), 0.0)
        self.mem_mib = max(ram_mib - reserve.mem_mib, 0)
        self.disk_mib = max(disk_gib * 1024 - reserve.disk_mib, 0)

    def text(self, ports: str) -> str:
        """The value of ``--resources`` (Mesos: attributes and resources)."""
        return f"cpus:{self.cpus:g};mem:{self.mem_mib};disk:{self.disk_mib};ports:[{ports}]"
