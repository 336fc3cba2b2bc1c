"""Pure: what differs between the cluster file and what exists, and can't be changed in place.

The plan makes what is missing; attributes, resources and reservations of agents are changed by ``reconfigure``. Of the
rest every difference is named with the command that fixes it, since nothing does it by itself: a server keeps its
flavor, zone, image, key pair and groups for life.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from clusterctl import resources as r
from clusterctl.plan import POLICIES, failed_build
from clusterctl.resources import Observed, Server, Volume
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import topology

_SHOWN = 5  # nodes named in one difference


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        subject: what differs: nodes of a group, a volume, a server group.
        cure: what a person can do: a command, and what it costs.
    """

    subject: str
    found: str
    cure: str

    @property
    def line(self) -> str:
        """For a person: one line."""
        return f"{self.subject}: {self.found}; {self.cure}"


def drift(spec: ClusterSpec, observed: Observed, flavors: Mapping[str, str], network: str | None) -> list[Difference]:
    """All differences, those of servers first.

    Args:
        flavors: id or name of every flavor -> its name.
        network: name of the file's network; None if the cloud has none of that name or id.
    """
    servers = [
        server
        for server in observed.servers
        if server.group in spec.groups
        if server.status != "DELETED" and server.task_state != "deleting" and not failed_build(server)
    ]
    elsewhere = sorted(server.node or server.name for server in servers if server.network not in ("", network))
    moved = Difference(
        _listed(elsewhere),
        f"is in network {next((s.network for s in servers if s.network not in ('', network)), '')}, and the file says "
        f"{spec.network}{'' if network else ', which the cloud does not have'}",
        "members keep their addresses for life: go back in the file, or make a new cluster",
    )
    return [
        *([moved] if elsewhere else []),
        *_servers(spec, servers, flavors),
        *_volumes(spec, observed, servers),
        *_server_groups(spec, observed, servers),
    ]


def _servers(spec: ClusterSpec, servers: Iterable[Server], flavors: Mapping[str, str]) -> Iterator[Difference]:
    alike: dict[tuple[str, str], list[Server]] = {}
    for server in servers:
        for text in _of_server(spec, server, flavors):
            alike.setdefault((server.group, text), []).append(server)
    for (_, text), those in alike.items():
        names = sorted(server.node or server.name for server in those)
        yield Difference(_listed(names), text, _replace(names))


def _of_server(spec: ClusterSpec, server: Server, flavors: Mapping[str, str]) -> Iterator[str]:
    group = spec.groups[server.group]
    wanted = flavors.get(group.flavor)
    if wanted is None:
        yield f"has flavor {server.flavor}, and the file says {group.flavor}, which the cloud doesn't have"
    elif server.flavor != wanted:
        yield f"has flavor {server.flavor}, and the file says {wanted}"
    ordinal = next((node.ordinal for node in topology(spec).nodes if node.name == server.node), None)
    # 'zone:host' of an administrator names a host, too; Nova shows the zone
    zone = (spec.zone_of(server.group, ordinal) or "").partition(":")[0]
    if zone and server.zone and server.zone != zone and (ordinal or not server.node):
        yield f"is in zone {server.zone}, and the file says {zone}"
    if not _image_fits(spec.image, server):
        yield f"was made from image {server.metadata[r.KEY_IMAGE]}, and the file says {spec.image}"
    if server.keypair and server.keypair != spec.keypair:
        yield f"has key pair {server.keypair}, and the file says {spec.keypair}"
    if server.services and set(server.services) != set(group.services):
        yield f"was made for {', '.join(server.services)}, and the file says {', '.join(group.services)}"
    mount = server.metadata.get(r.KEY_MOUNT)
    if mount and group.volume and mount != group.volume.mount:
        yield f"mounts its volume at {mount}, and the file says {group.volume.mount}"


def _image_fits(wanted: str, server: Server) -> bool:
    """By family, name or id, as the file has it; older servers tell only the name, which begins with the family."""
    name, family = server.metadata.get(r.KEY_IMAGE), server.metadata.get(r.KEY_FAMILY)
    if not name or wanted in (name, family, server.image_id):
        return True
    return family is None and name.startswith(f"{wanted}-")


def _volumes(spec: ClusterSpec, observed: Observed, servers: Sequence[Server]) -> Iterator[Difference]:
    by_node = {server.node: server for server in servers if server.node}
    nodes = {node.name: spec.groups[node.group].volume for node in topology(spec).nodes}
    attached = {volume.name for volume in observed.volumes if volume.attached_to}
    for volume in sorted(observed.volumes, key=lambda volume: volume.name):
        wanted, server = nodes.get(volume.name), by_node.get(volume.name)
        subject = f"volume {volume.name} ({volume.id})"
        if wanted is None and server and volume.attached_to == server.id:
            cure = f"{_replace([volume.name])}; `openstack volume delete {volume.id}` then deletes its data"
            yield Difference(subject, "is in use, and the file has no volume for its group", cure)
        elif wanted and volume.size_gib < wanted.size:
            found = f"has {volume.size_gib} GiB, and the file says {wanted.size}"
            yield Difference(subject, found, _extend(volume, wanted.size))
        elif wanted and volume.size_gib > wanted.size:
            found = f"has {volume.size_gib} GiB, and the file says {wanted.size}"
            yield Difference(subject, found, f"volumes can't shrink: write `size: {volume.size_gib}` into the file")
        if wanted and server and volume.status == "available" and volume.name not in attached:
            yield Difference(subject, "is not attached to its server", _replace([volume.name]))


def _extend(volume: Volume, size: int) -> str:
    # microversion 3.42 extends a volume in use
    return (
        f"`openstack --os-volume-api-version 3.42 volume set --size {size} {volume.id}`, then `clusterctl run FILE -- "
        f"{volume.name} --become -m command -a /usr/lib/clusterctl/volume` lets the file system grow"
    )


def _server_groups(spec: ClusterSpec, observed: Observed, servers: Sequence[Server]) -> Iterator[Difference]:
    for name, group in spec.groups.items():
        named = [g for g in observed.server_groups if g.name == r.server_group_name(spec.cluster, name)]
        those = [server for server in servers if server.group == name]
        members = {member for each in named for member in each.members}
        wanted = POLICIES.get(group.anti_affinity)
        for each in named:
            if not set(each.members) & {server.id for server in those}:
                continue  # one that nobody uses is deleted by `repair`
            if wanted and each.policy != wanted:
                yield Difference(
                    f"server group {each.name}",
                    f"has policy {each.policy}, and the file says {wanted}",
                    f"`openstack server group delete {each.id}`, `clusterctl create FILE`, then "
                    + _replace(sorted(server.node or server.name for server in those)),
                )
            elif not wanted:
                cure = f"`openstack server group delete {each.id}`; its servers stay where they are"
                yield Difference(f"server group {each.name}", "is used, and the file says 'anti_affinity: off'", cure)
        outside = sorted(server.node or server.name for server in those if server.id not in members)
        if named and group.anti_affinity == "hard" and outside:
            yield Difference(_listed(outside), "is not in its server group", _replace(outside))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _replace(names: Sequence[str]) -> str:
    each = " for each, one after the other" if len(names) > 1 else ""
    return f"`clusterctl replace FILE {names[0] if len(names) == 1 else 'NODE'}`{each}"
