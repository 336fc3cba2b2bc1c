"""Pure: topology -> variables. The one source for the renderer at boot and for the inventory on day 2 (D7).

Names are those of ``roles/*/meta/argument_specs.yml``. Values are plain text, numbers, booleans, lists and dicts, so
that both Jinja environments see the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from clusterctl.amounts import amount
from clusterctl.jenkins.slots import port_plan
from clusterctl.jenkins.variables import jenkins_variables
from clusterctl.resources import Flavor, Port, Volume
from clusterctl.services import MARATHON_LIBPROCESS_PORT, PORTS, Service
from clusterctl.spec.flags import marathon_lines, mesos_lines
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import OPEN, Part
from clusterctl.spec.settings import AgentReserve
from clusterctl.topology import Addresses, AgentPool, NamedNode, Topology, addresses, quorum

Variables = dict[str, Any]


def cluster_variables(spec: ClusterSpec, at: Addresses) -> Variables:
    """Variables that are the same on every node."""
    ensemble = ",".join(f"{address}:{PORTS[Service.ZOOKEEPER]}" for _, address in at.zookeeper)
    return {
        **spec.settings.variables(),
        "clusterctl_cluster": spec.cluster,
        "common_secrets": spec.has_secrets,
        "clusterctl_control_addresses": sorted(
            {*(address for _, address in at.zookeeper), *at.mesos_master, *at.marathon}, key=ip_address
        ),
        "clusterctl_hardened": spec.secured(Part.UNITS),
        "zookeeper_servers": [{"id": myid, "address": address} for myid, address in at.zookeeper],
        "zookeeper_client_port": PORTS[Service.ZOOKEEPER],
        "zookeeper_tick_time_ms": spec.zookeeper.tick_time_ms,
        "zookeeper_init_limit": spec.zookeeper.init_limit,
        "zookeeper_sync_limit": spec.zookeeper.sync_limit,
        "zookeeper_heap_mib": spec.zookeeper.heap_mib,
        "zookeeper_max_client_connections": spec.zookeeper.max_client_connections,
        "zookeeper_snapshot_retain_count": spec.zookeeper.snapshot_retain_count,
        "zookeeper_secured": spec.secured(Part.ZOOKEEPER),
        "mesos_master_zk_credentials": spec.secured(Part.ZOOKEEPER),
        "mesos_zk_url": f"zk://{ensemble}/mesos",
        "mesos_cluster_name": spec.cluster,
        "mesos_tls": spec.tls.lines() if spec.tls else [],
        "mesos_zk_session_timeout_s": spec.mesos.zk_session_timeout_s,
        "mesos_master_port": PORTS[Service.MESOS_MASTER],
        "mesos_master_quorum": quorum(len(at.mesos_master)),
        "mesos_master_addresses": list(at.mesos_master),
        "mesos_master_agent_ping_timeout_s": spec.mesos.agent_ping_timeout_s,
        "mesos_master_max_agent_ping_timeouts": spec.mesos.max_agent_ping_timeouts,
        "mesos_master_offer_timeout_s": spec.mesos.offer_timeout_s,
        "mesos_master_max_completed_frameworks": spec.mesos.max_completed_frameworks,
        "mesos_master_flags": mesos_lines(spec.mesos.master_flags),
        "marathon_tls": spec.tls.lines() if spec.tls else [],
        "marathon_zk_credentials": spec.secured(Part.ZOOKEEPER),
        "marathon_secured": spec.secured(Part.MARATHON),
        "mesos_master_authentication": spec.secured(Part.MESOS),
        "marathon_mesos_authentication": spec.secured(Part.MESOS),
        "marathon_zk_url": f"zk://{ensemble}/marathon",
        "marathon_mesos_role": spec.marathon.role,
        "marathon_http_port": PORTS[Service.MARATHON],
        "marathon_libprocess_port": MARATHON_LIBPROCESS_PORT,
        "marathon_heap_mib": spec.marathon.heap_mib,
        "marathon_failover_timeout_s": spec.marathon.failover_timeout_s,
        "marathon_task_launch_timeout_ms": spec.marathon.task_launch_timeout_ms,
        "marathon_zk_session_timeout_ms": spec.marathon.zk_session_timeout_s * 1000,
        "marathon_flags": marathon_lines(spec.marathon.flags),
    }


def variables_of(
    spec: ClusterSpec,
    node: NamedNode,
    flavors: Mapping[str, Flavor],
    at: Addresses,
    address: str,
    volume: Volume | None,
) -> Variables:
    """All variables of a named node.

    Args:
        flavors: by the name or id that the file uses.
        volume: its data volume.
    """
    values = cluster_variables(spec, at) | group_variables(spec, node.group, flavors)
    return values | node_variables(spec, node, address, volume)


def pool_variables(spec: ClusterSpec, pool: AgentPool, flavors: Mapping[str, Flavor], at: Addresses) -> Variables:
    """All variables of the agents of a pool; ``flavors`` as for ``variables_of``."""
    return cluster_variables(spec, at) | group_variables(spec, pool.group, flavors)


def group_variables(spec: ClusterSpec, name: str, flavors: Mapping[str, Flavor]) -> Variables:
    """Variables of the group ``name``, above the cluster's; nothing in them is individual to a node (D4)."""
    group = spec.groups[name]
    agent = agent_variables(spec, name, flavors) if Service.MESOS_AGENT in group.services else {}
    return {**group.settings.variables(), **agent}


def agent_variables(spec: ClusterSpec, name: str, flavors: Mapping[str, Flavor]) -> Variables:
    """What agents of a group have besides its settings."""
    group = spec.groups[name]
    return {
        "mesos_agent_authentication": spec.secured(Part.MESOS),
        "mesos_agent_port": PORTS[Service.MESOS_AGENT],
        "mesos_agent_attributes": ";".join(f"{name}:{text}" for name, text in sorted(group.attributes.items())),
        "mesos_agent_default_role": group.reserve_for or "*",
        "mesos_agent_resources": agent_resources(spec, name, flavors[group.flavor]).text(spec.mesos.task_ports),
        "mesos_agent_flags": mesos_lines({**spec.mesos.agent_flags, **group.mesos.agent_flags}),
        "mesos_agent_memory_max_mib": memory_max_mib(spec, name, flavors[group.flavor]),
        **_confinement(spec, name),
        **(jenkins_variables(spec) if name == spec.masters_group else {}),
    }


def _confinement(spec: ClusterSpec, name: str) -> Variables:
    """What tenants' users may reach from agents of the group ``name``."""
    ports = port_plan(spec) if spec.jenkins else None
    egress = spec.security.builds.egress
    return {
        "builder_confined": spec.secured(Part.BUILDS),
        "builder_slots": {"first_port": ports.low, "last_port": ports.high, "number": ports.masters} if ports else {},
        "builder_hosts_masters": name == spec.masters_group,
        "builder_egress_open": egress == OPEN,
        "builder_egress": [] if egress == OPEN else list(egress),
    }


def memory_max_mib(spec: ClusterSpec, group: str, flavor: Flavor) -> int:
    """What an agent and all of its tasks may use together: all that it offers, and half of the reserve for itself."""
    return max(flavor.ram_mib - spec.agent_reserve_of(group).mem_mib // 2, 64)


def agent_resources(spec: ClusterSpec, group: str, flavor: Flavor) -> AgentResources:
    """What an agent of that group and flavor offers."""
    return AgentResources(
        vcpus=flavor.vcpus, ram_mib=flavor.ram_mib, disk_gib=flavor.disk_gib, reserve=spec.agent_reserve_of(group)
    )


def node_variables(spec: ClusterSpec, node: NamedNode, address: str, volume: Volume | None) -> Variables:
    """What is individual to one named node; its data volume counts if the file wants one."""
    values: Variables = {"clusterctl_node": node.name, "clusterctl_address": address}
    if Service.ZOOKEEPER in node.services:
        values["zookeeper_myid"] = node.myid
    wanted = spec.groups[node.group].volume
    if volume is not None and wanted is not None:
        # The guest sees the volume's id as the disk's serial number: libvirt passes it, and virtio-blk's hold 20 bytes
        # (VIRTIO_BLK_ID_BYTES)
        values["common_volume_serial"] = volume.id[:20]
        values["common_volume_mount"] = wanted.mount
    return values


def control_addresses(top: Topology, ports: Iterable[Port]) -> Addresses:
    """Addresses of the control services from the ports of their nodes."""
    return addresses(top, {port.name: port.address for port in ports})


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
        return f"cpus:{amount(self.cpus)};mem:{self.mem_mib};disk:{self.disk_mib};ports:[{ports}]"
