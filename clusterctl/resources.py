"""What clusterctl knows of the cloud's resources: plain, frozen records, free of any SDK's types.

Ownership (D1). Everything that clusterctl makes is marked in the create call itself, so that a killed command leaves
nothing unnamed:

- servers and volumes by metadata ``clusterctl.cluster``, ``.group``, ``.node`` (servers also by the tag
  ``clusterctl.cluster=<name>``, on which the API filters); which artifacts run there is recorded beside (``releases``);
- ports, security groups and their rules by ``description`` ``clusterctl.cluster=<name>`` (Neutron takes tags only in a
  second call, and filters on the description);
- server groups by name ``clusterctl.<cluster>.<group>`` (Nova gives them nothing else; one with a member that is not
  the cluster's is somebody else's);
- the lock of a command at work is an empty security group named ``clusterctl.<cluster>.lock``, whose description tells
  the holder (``ops.kit.lock``): it needs a create time, a name to filter on and nobody's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KEY_CLUSTER = "clusterctl.cluster"
KEY_GROUP = "clusterctl.group"
KEY_NODE = "clusterctl.node"  # named nodes only
KEY_SERVICES = "clusterctl.services"
KEY_MYID = "clusterctl.myid"
KEY_IMAGE = "clusterctl.image"
KEY_FAMILY = "clusterctl.image_family"
KEY_MOUNT = "clusterctl.mount"  # of the data volume
KEY_BATCH = "clusterctl.batch"  # agents made by one multi-create
KEY_CONSOLE = "clusterctl.console"  # proof of the nonce that lines of its console carry (``ssh.console``)


def owner_mark(cluster: str) -> str:
    """The server tag and the port/security-group description of a cluster."""
    return f"{KEY_CLUSTER}={cluster}"


def server_group_name(cluster: str, group: str) -> str:
    """Name of the Nova server group of a node group."""
    return f"clusterctl.{cluster}.{group}"


def security_group_name(cluster: str, tier: str = "") -> str:
    """Name of a cluster's security group: the one of all nodes, or that of a tier (``tiers``)."""
    return f"clusterctl.{cluster}.{tier}" if tier else f"clusterctl.{cluster}"


def lock_mark(cluster: str) -> str:
    """What the text of a cluster's lock begins with; a security group that only has its name is none."""
    return f"clusterctl.lock={cluster} "


def lock_name(cluster: str) -> str:
    """Name of the cluster's locks."""
    return f"clusterctl.{cluster}.lock"


@dataclass(frozen=True)
class Server:
    """A Nova server of a cluster."""

    id: str
    name: str
    status: str  # Nova's: ACTIVE, BUILD, ERROR, SHUTOFF, ...
    group: str
    node: str | None  # identity of a named node; None for cattle
    address: str | None
    image_id: str | None
    flavor: str
    services: tuple[str, ...]
    created: str  # ISO 8601, UTC
    task_state: str | None = None
    fault: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    launched: bool = True  # False: the build never came up (Nova's launched_at is null), so nothing on it can be lost
    zone: str = ""
    network: str = ""  # name of the one that the address is of
    keypair: str = ""  # its name; '' for none, or where it is not told
    security_groups: tuple[str, ...] = ()  # names of those that its ports are in; none where it is not told


@dataclass(frozen=True)
class Port:
    """A Neutron port of a named node; holds the node's address over the replacement of its server."""

    id: str
    name: str  # the node's name
    address: str
    device_id: str  # id of the server, or ''
    security_groups: tuple[str, ...] = ()  # ids
    used: bool = field(default=False, compare=False)  # it was bound to a server once


@dataclass(frozen=True)
class Volume:
    """A Cinder volume of a named node."""

    id: str
    name: str  # the node's name
    status: str
    size_gib: int
    group: str
    attached_to: str | None  # server id
    zone: str = ""


@dataclass(frozen=True)
class VolumeSnapshot:
    """A Cinder snapshot of a node's volume."""

    id: str
    name: str
    status: str
    volume_id: str
    size_gib: int
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ServerGroup:
    """A Nova server group; ``members`` are server ids."""

    id: str
    name: str
    policy: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """An ingress TCP rule.

    ``source`` is a CIDR; else ``group`` is the name of another of the cluster's security groups, whose members are
    let in; with neither it is the members of the same one.
    """

    port_min: int
    port_max: int
    source: str | None = None
    group: str | None = None

    def __str__(self) -> str:
        ports = str(self.port_min) if self.port_min == self.port_max else f"{self.port_min}-{self.port_max}"
        return f"tcp/{ports} from {self.source or (f'members of {self.group}' if self.group else 'members')}"

    @property
    def order(self) -> tuple[int, int, str, str]:
        """For sorting."""
        return (self.port_min, self.port_max, self.source or "", self.group or "")


@dataclass(frozen=True)
class StoredRule:
    """An ingress rule as it is in the cloud.

    Attributes:
        rule: None for what no cluster asks for: another protocol, or the members of a group that is not the cluster's.
        text: for a person.
        ours: whether clusterctl made it: its description is the cluster's mark.
    """

    id: str
    rule: Rule | None
    text: str
    ours: bool


@dataclass(frozen=True)
class SecurityGroup:
    """A Neutron security group and its ingress rules: what a cluster could ask for, and all as they are stored."""

    id: str
    name: str
    rules: frozenset[Rule]
    stored: tuple[StoredRule, ...] = ()


@dataclass(frozen=True)
class Lock:
    """A command's claim on a cluster; ``text`` tells whose it is."""

    id: str
    text: str
    created: str  # ISO 8601, UTC, to the second


@dataclass(frozen=True)
class Image:
    """A Glance image; ``properties`` are the custom ones."""

    id: str
    name: str
    status: str
    created: str
    min_disk_gib: int
    min_ram_mib: int
    properties: Mapping[str, str]


@dataclass(frozen=True)
class Flavor:
    """A Nova flavor."""

    id: str
    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int


@dataclass(frozen=True)
class Network:
    """A Neutron network with the free addresses of its IPv4 subnets (None where the cloud doesn't tell).

    ``ipv4``: whether nodes get an IPv4 address there; ``port_security``: whether security groups hold there; ``cidrs``:
    those of its subnets, where they were looked at and may be seen.
    """

    id: str
    name: str
    subnet_ids: tuple[str, ...]
    free_addresses: int | None = None
    ipv4: bool = True
    port_security: bool = True
    cidrs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """Free quota of the project; None means unlimited."""

    instances: int | None
    cores: int | None
    ram_mib: int | None
    server_group_members: int | None
    server_groups: int | None
    ports: int | None
    security_groups: int | None
    security_group_rules: int | None
    volumes: int | None
    gigabytes: int | None


@dataclass(frozen=True)
class Observed:
    """Everything that carries one cluster's mark, read by a few list calls."""

    servers: tuple[Server, ...] = ()
    ports: tuple[Port, ...] = ()
    volumes: tuple[Volume, ...] = ()
    server_groups: tuple[ServerGroup, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of resources by kind, in the order in which they are deleted."""
        return {
            "servers": len(self.servers),
            "ports": len(self.ports),
            "volumes": len(self.volumes),
            "server_groups": len(self.server_groups),
            "security_groups": len(self.security_groups),
        }


@dataclass(frozen=True)
class ServerRequest:
    """One create call of Nova, for one named node or for a batch of agents."""

    name: str
    image_id: str
    flavor_id: str
    user_data: bytes  # as cloud-init reads it; the adapter encodes it
    metadata: Mapping[str, str]
    tags: tuple[str, ...]
    keypair: str
    zone: str | None
    server_group_id: str | None
    port_id: str | None = None  # named nodes: the port made beforehand
    network_id: str | None = None  # agents: Nova makes the port and deletes it with the server
    security_groups: tuple[str, ...] = ()  # ids; only with network_id
    volume_id: str | None = None
    count: int = 1


@dataclass(frozen=True)
class PortRequest:
    """One port of a bulk create."""

    name: str
    network_id: str
    security_group_ids: tuple[str, ...]
    description: str


@dataclass
class ApiCalls:
    """HTTP requests sent to the cloud: reads (GET, HEAD) and writes (the rest), without authentication.

    A console log counts as a read, although Nova serves it by POST.

    ``by_kind`` counts ``"POST /servers"``-like keys, ids replaced by ``{id}``.
    """

    read: int = 0
    write: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
