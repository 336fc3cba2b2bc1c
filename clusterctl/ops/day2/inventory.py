"""The cluster as Ansible sees it: read from the cloud by a few list calls, whatever its size; never partial."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from clusterctl.ansible.inventory import Inventory, InventoryHost, inventory
from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError, NodeError
from clusterctl.ops.kit.access import Access, target_of
from clusterctl.ops.kit.parallel import for_each
from clusterctl.resources import Flavor, Observed, Server
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.config import ansible_ssh_args
from clusterctl.topology import Topology, topology
from clusterctl.variables import Variables, cluster_variables, control_addresses, group_variables, node_variables


def cluster_inventory(
    spec: ClusterSpec, cloud: Cloud, access: Access, tell: Callable[[str], None] | None = None
) -> Inventory:
    """The inventory of the cluster as it is now: every server is in it, also one that Ansible will not reach.

    Args:
        tell: told why Ansible can't reach a host, one line each; None makes an error of the first host without a key.

    Raises:
        ClusterctlError: a call failed, or a control node has no port. A partial inventory would let a playbook take the
            missing members for gone.
    """
    observed, flavors = _look(spec, cloud)
    if not observed.servers:
        raise ClusterctlError(
            f"cluster {spec.cluster} has no server in cloud {spec.cloud}", hint="`clusterctl create FILE` makes it."
        )
    for server, reason in _unreachable(observed.servers, access):
        if tell is None and access.host_keys.pinned(server.id):
            continue
        if tell is None:
            raise NodeError(f"node {server.node or server.name}: {reason.message}", hint=reason.hint)
        message = reason.message.removeprefix(f"node {server.name}: ")
        tell(f"{server.node or server.name}: {message}; Ansible can't reach it. {reason.hint or ''}".rstrip())
    return build_inventory(spec, observed, flavors, access)


def _look(spec: ClusterSpec, cloud: Cloud) -> tuple[Observed, list[Flavor]]:
    """What an inventory is made of, all lists at once: an operator waits for it before every playbook."""
    with ThreadPoolExecutor(4) as threads:
        servers, ports = threads.submit(cloud.servers, spec.cluster), threads.submit(cloud.ports, spec.cluster)
        flavors = threads.submit(cloud.flavors)
        wanted = any(group.volume for group in spec.groups.values())
        volumes = threads.submit(cloud.volumes, spec.cluster) if wanted else None
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
            hint="`clusterctl create FILE` completes it.",
        )
    unknown = sorted({server.group for server in observed.servers} - set(spec.groups))
    if unknown:
        raise ClusterctlError(f"the cluster has servers of groups that the file doesn't have: {', '.join(unknown)}")
    at = control_addresses(top, observed.ports)
    named = {key: flavor for flavor in flavors for key in (flavor.id, flavor.name)}
    groups = {name: group_variables(spec, name, named) for name in spec.groups}
    hosts = [
        InventoryHost(
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
    values: Variables = {
        # a name that is never found (RFC 2606), where Ansible would take the node's name for an address
        "ansible_host": server.address or f"{server.name}.invalid",
        "ansible_ssh_common_args": ansible_ssh_args(access.ssh.config, target_of(server)),
    }
    node = next((node for node in top.nodes if node.name == server.node), None)
    if node is None:
        return values
    address = next(port.address for port in observed.ports if port.name == node.name)
    volume = next((volume for volume in observed.volumes if volume.name == node.name), None)
    return values | node_variables(spec, node, address, volume)


def _unreachable(servers: Sequence[Server], access: Access) -> Iterator[tuple[Server, ClusterctlError]]:
    """Servers that Ansible can't reach, and why; pins the host keys of all others.

    A host without a pinned key stays in the inventory: ssh refuses it, and nobody is taken for gone.
    """
    pinned = access.host_keys.known_hosts.aliases()  # read once: the file grows with the cluster
    up = [server for server in servers if server.status == "ACTIVE"]

    def pin(server: Server) -> ClusterctlError | None:
        try:
            access.host_keys.require(target_of(server))
        except ClusterctlError as error:
            return error
        return None

    unpinned = [server for server in up if server.id not in pinned]
    why = {server.id: error for server, error in zip(unpinned, for_each(pin, unpinned), strict=True) if error}
    for server in servers:
        if server.status != "ACTIVE":
            fault = f" ({server.fault})" if server.fault else ""
            yield (
                server,
                NodeError(f"its server is {server.status}{fault}", hint="`clusterctl repair FILE --apply` repairs it."),
            )
        elif server.id in why:
            yield server, why[server.id]
