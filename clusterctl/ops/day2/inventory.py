"""The cluster as Ansible sees it: read from the cloud by a few list calls, whatever its size; never partial."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from clusterctl.ansible.inventory import Host, Inventory, inventory
from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.access import Access
from clusterctl.ops.kit.parallel import for_each
from clusterctl.resources import Flavor, Observed, Server
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.config import Target, ansible_ssh_args
from clusterctl.topology import Topology, topology
from clusterctl.variables import Variables, agent_variables, cluster_variables, control_addresses, node_variables


def cluster_inventory(spec: ClusterSpec, cloud: Cloud, access: Access) -> Inventory:
    """The inventory of the cluster as it is now.

    Raises:
        ClusterctlError: a call failed, a control node has no port, or a host key can't be pinned. A partial inventory
            would let a playbook take the missing members for gone.
    """
    observed, flavors = _look(spec, cloud)
    if not observed.servers:
        raise ClusterctlError(
            f"cluster {spec.cluster} has no server in cloud {spec.cloud}", hint="`clusterctl create` makes it."
        )
    _pin(observed.servers, access)
    return build_inventory(spec, observed, flavors, access)


def _look(spec: ClusterSpec, cloud: Cloud) -> tuple[Observed, list[Flavor]]:
    """What an inventory is made of, all lists at once: an operator waits for it before every playbook."""
    with ThreadPoolExecutor(4) as pool:
        servers, ports = pool.submit(cloud.servers, spec.cluster), pool.submit(cloud.ports, spec.cluster)
        flavors = pool.submit(cloud.flavors)
        wanted = any(group.volume for group in spec.groups.values())
        volumes = pool.submit(cloud.volumes, spec.cluster) if wanted else None
        found = volumes.result() if volumes else []
        return Observed(tuple(servers.result()), tuple(ports.result()), tuple(found)), flavors.result()


def build_inventory(spec: ClusterSpec, observed: Observed, flavors: Iterable[Flavor], access: Access) -> Inventory:
    """The inventory of what was observed; no call."""
    top = topology(spec)
    address_of = {port.name: port.address for port in observed.ports}
    missing = [node.name for node in top.nodes if node.name not in address_of]
    if missing:
        raise ClusterctlError(
            f"cluster {spec.cluster} is not complete: no port for {', '.join(missing)}",
            hint="`clusterctl create` completes it.",
        )
    unknown = sorted({server.group for server in observed.servers} - set(spec.groups))
    if unknown:
        raise ClusterctlError(f"the cluster has servers of groups that the file doesn't have: {', '.join(unknown)}")
    at = control_addresses(top, observed.ports)
    named = {key: flavor for flavor in flavors for key in (flavor.id, flavor.name)}
    groups = {name: agent_variables(spec, name, named) for name in spec.groups_of(Service.MESOS_AGENT)}
    hosts = [
        Host(
            name=server.name,
            group=server.group,
            services=spec.groups[server.group].services,
            variables=host_variables(spec, top, observed, server, access),
        )
        for server in observed.servers
    ]
    return inventory(
        all_variables={"ansible_user": spec.access.user, **cluster_variables(spec, at)},
        group_variables=groups,
        hosts=hosts,
    )


def host_variables(spec: ClusterSpec, top: Topology, observed: Observed, server: Server, access: Access) -> Variables:
    """Variables of one host: how to reach it, and what is its own."""
    target = Target(server.name, server.id, server.address or "")
    values: Variables = {
        "ansible_host": server.address,
        "ansible_ssh_common_args": ansible_ssh_args(access.ssh.config, target),
    }
    node = next((node for node in top.nodes if node.name == server.node), None)
    if node is None:
        return values
    address = next(port.address for port in observed.ports if port.name == node.name)
    volume = next((volume for volume in observed.volumes if volume.name == node.name), None)
    return values | node_variables(spec, node, address, volume)


def _pin(servers: Iterable[Server], access: Access) -> None:
    pinned = access.host_keys.known_hosts.aliases()  # read once: the file grows with the cluster
    unpinned = [server for server in servers if server.id not in pinned]
    for_each(lambda server: access.host_keys.require(server.id, server.name), unpinned)
