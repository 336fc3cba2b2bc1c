"""What the cloud in memory holds, and how it changes by itself: builds finish, deleted servers vanish, quotas fill."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock

from clusterctl.cloud.marks import count_call
from clusterctl.errors import CloudError
from clusterctl.resources import (
    ApiCalls,
    Flavor,
    Image,
    Limits,
    Lock,
    Port,
    SecurityGroup,
    Server,
    ServerGroup,
    ServerRequest,
    Volume,
    VolumeSnapshot,
)
from clusterctl.secrets.stored import StoredKey
from tests.memory.faults import FaultSource

UNLIMITED = Limits(*[None] * 10)


@dataclass
class MemoryServer:
    """What the cloud holds of a server beyond what it shows."""

    shown: Server
    request: ServerRequest
    flavor: Flavor
    failure: str | None
    age: int = 0  # list calls since it was made
    deleted_for: int | None = None  # list calls since its deletion was asked for


@dataclass
class MemoryPort:
    """A port, ours or one that Nova made for a server."""

    shown: Port
    description: str
    made_by_nova: bool = False


@dataclass
class MemoryState:
    """State and settings of ``memory.MemoryCloud``.

    Args:
        quota: the project's totals (not what is left); None in it is unlimited.
        cidr: of the one network, ``network-1``; its first ten addresses are not given out.
        hosts: number of compute hosts: a hard anti-affinity group holds no more ACTIVE members. None: enough.
        page_size: servers in one page of a list.
        build_ticks: list calls that still show a server as BUILD.
        delete_ticks: list calls that still show a deleted server.
        fail_build: name of a server -> the fault with which it ends in ERROR, or None.
        faults: asked before and after every call, in order (see ``faults.Fault``).
        consoles: console logs by the name of the server.
        rebuilds: when servers were last rebuilt, by id.
    """

    image_list: list[Image] = field(default_factory=list)
    flavor_list: list[Flavor] = field(default_factory=list)
    network_name: str = "private"
    cidr: str = "10.50.0.0/22"
    ipv4: bool = True
    port_security: bool = True
    keypairs: set[str] = field(default_factory=lambda: {"ops"})
    zones: set[str] = field(default_factory=lambda: {"nova"})
    block_zones: set[str] = field(default_factory=lambda: {"nova"})
    quota: Limits = UNLIMITED
    hosts: int | None = None
    page_size: int = 1000
    build_ticks: int = 1
    delete_ticks: int = 1
    snapshot_ticks: int = 1
    fail_build: Callable[[str], str | None] = lambda _name: None
    faults: list[FaultSource] = field(default_factory=list)
    consoles: dict[str, str] = field(default_factory=dict)
    rebuilds: dict[str, datetime] = field(default_factory=dict)
    project: str = "own"
    image_owners: dict[str, str] = field(default_factory=dict)  # of images of other projects, by id
    calls: ApiCalls = field(default_factory=ApiCalls)

    server_records: dict[str, MemoryServer] = field(default_factory=dict, init=False)
    port_records: dict[str, MemoryPort] = field(default_factory=dict, init=False)
    volume_records: dict[str, tuple[Volume, Mapping[str, str]]] = field(default_factory=dict, init=False)
    volume_snapshot_records: dict[str, VolumeSnapshot] = field(default_factory=dict, init=False)
    server_group_records: dict[str, ServerGroup] = field(default_factory=dict, init=False)
    security_group_records: dict[str, tuple[SecurityGroup, str]] = field(default_factory=dict, init=False)
    lock_records: dict[str, tuple[str, Lock]] = field(default_factory=dict, init=False)  # with the cluster
    key_records: dict[str, StoredKey] = field(default_factory=dict, init=False)
    snapshots: dict[str, int] = field(default_factory=dict, init=False)  # image id -> reads until it is active
    made: int = field(default=0, init=False)
    _lock: RLock = field(default_factory=RLock, init=False)

    # --- machinery ----------------------------------------------------------------------------------------------
    def reset_calls(self) -> None:
        """Starts the count of calls (and so the numbers of faults) anew."""
        self.calls = ApiCalls()

    @contextmanager
    def call(self, method: str, path: str, *, reads: bool = False) -> Iterator[None]:
        """One HTTP request: counted, and the place where faults come in."""
        with self._lock:
            number = count_call(self.calls, method, path, reads=reads)
            self._inject(number, f"{method} {path}", before=True)
            yield
            self._inject(number, f"{method} {path}", before=False)

    def _inject(self, number: int, kind: str, *, before: bool) -> None:
        for source in self.faults:
            error = source(number, kind, "before" if before else "after")
            if error is not None:
                raise error

    def new_id(self, kind: str) -> str:
        self.made += 1
        return f"{kind}-{self.made:04d}"

    def now(self) -> str:
        return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.made)).isoformat()

    def new_address(self) -> str:
        taken = {record.shown.address for record in self.port_records.values()}
        for number, address in enumerate(ipaddress.ip_network(self.cidr).hosts()):
            if number >= 10 and str(address) not in taken:
                return str(address)
        raise CloudError("no more IP addresses available on network network-1", status=409)

    def new_port(self, name: str, description: str, groups: tuple[str, ...], *, server: str = "") -> Port:
        port = Port(self.new_id("port"), name, self.new_address(), server, groups, used=bool(server))
        self.port_records[port.id] = MemoryPort(port, description, made_by_nova=bool(server))
        return port

    def group_names(self, server_id: str) -> tuple[str, ...]:
        """Of the security groups that a server's ports are in, as Nova tells them."""
        ports = [record.shown for record in self.port_records.values() if record.shown.device_id == server_id]
        ids = dict.fromkeys(group for port in ports for group in port.security_groups)
        return tuple(found[0].name for group in ids if (found := self.security_group_records.get(group)))

    # --- quotas -------------------------------------------------------------------------------------------------
    def used(self) -> dict[str, int]:
        """What counts against the project's quotas, by the names of the fields of ``Limits``."""
        flavors = [record.flavor for record in self.server_records.values()]
        return {
            "instances": len(flavors),
            "cores": sum(flavor.vcpus for flavor in flavors),
            "ram_mib": sum(flavor.ram_mib for flavor in flavors),
            "server_groups": len(self.server_group_records),
            "ports": len(self.port_records),
            "security_groups": len(self.security_group_records) + len(self.lock_records),
            # Neutron counts the two egress rules that it gives every new group
            "security_group_rules": sum(2 + len(group.rules) for group, _ in self.security_group_records.values())
            + 2 * len(self.lock_records),
            "volumes": len(self.volume_records),
            "gigabytes": sum(volume.size_gib for volume, _ in self.volume_records.values()),
        }

    def claim(self, status: int, **more: int) -> None:
        """Raises the service's own over-quota error (``status``) unless so much more fits."""
        used = self.used()
        for name, amount in more.items():
            total = getattr(self.quota, name)
            if amount and total is not None and used[name] + amount > total:
                raise CloudError(
                    f"Quota exceeded for {name}: Requested {amount}, but already used {used[name]} of {total} {name}",
                    status=status,
                )
