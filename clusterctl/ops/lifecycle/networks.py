"""Security groups, their rules, and who is in them: what a plan adds, and what it takes away at last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from clusterctl import resources as r
from clusterctl.cloud.base import Cloud
from clusterctl.errors import CloudError, ClusterctlError
from clusterctl.ops.kit.parallel import for_each
from clusterctl.resources import Observed, Port
from clusterctl.spec.model import ClusterSpec
from clusterctl.tierchanges import Membership, NetworkChanges, security_groups
from clusterctl.tiers import groups_of


def make_groups(spec: ClusterSpec, changes: NetworkChanges, observed: Observed, cloud: Cloud) -> dict[str, str]:
    """Makes what is missing, all at once; the ids of the cluster's security groups by name."""

    def make(name: str) -> tuple[str, str]:
        return name, cloud.create_security_group(name, r.owner_mark(spec.cluster)).id

    ids = {name: group.id for name, group in security_groups(observed).items()}
    return ids | dict(for_each(make, changes.make))


def add_rules(spec: ClusterSpec, changes: NetworkChanges, ids: Mapping[str, str], cloud: Cloud) -> None:
    """One call a group, all at once: Neutron takes rules of one group only."""

    def add(name: str) -> None:
        rules = [rule for of, rule in changes.add_rules if of == name]
        cloud.create_rules(ids[name], rules, r.owner_mark(spec.cluster), ids)

    for_each(add, dict.fromkeys(name for name, _ in changes.add_rules))


def bring_in(spec: ClusterSpec, changes: NetworkChanges, ids: Mapping[str, str], cloud: Cloud) -> None:
    """Brings nodes into their groups, whose rules are there, and closes what was open to the outside.

    Raises:
        CloudError: a call failed; the next run goes on.
    """
    _change(spec, changes.join, ids, cloud, come=True)
    for_each(cloud.delete_rule, [stored.id for stored in changes.early_rules])


def close_down(spec: ClusterSpec, changes: NetworkChanges, observed: Observed, cloud: Cloud) -> None:
    """Takes away what services could be in use by, once they were seen to be as in the file.

    Raises:
        CloudError: a call failed; the next run goes on.
    """
    ids = {name: group.id for name, group in security_groups(observed).items()}
    for_each(cloud.delete_rule, [stored.id for stored in changes.late_rules])
    _change(spec, changes.leave, ids, cloud, come=False)
    # one after the other: each deletion takes along what others' rules say of the group
    for group in changes.late_groups:
        try:
            cloud.delete_security_group(group.id)
        except CloudError as error:
            if error.status != 409:
                raise
            # a port of somebody else, or of a server that is being deleted: the next run tells


def ids_for(spec: ClusterSpec, group: str, ids: Mapping[str, str]) -> tuple[str, ...]:
    """The security groups of a node group's new nodes; in a cluster of before there were tiers the one that it has.

    Raises:
        ClusterctlError: one of them is missing: the node would be out of reach, or in the project's default group.
    """
    wanted = groups_of(spec, group)
    missing = [name for name in wanted if name not in ids]
    if missing and (wanted[0] in missing or len(ids) > 1):
        raise ClusterctlError(
            f"group {group}: security group {missing[0]} is missing; nothing was made",
            hint="`clusterctl create FILE` makes it.",
        )
    return tuple(ids[name] for name in wanted if name in ids)


def _change(
    spec: ClusterSpec, those: Iterable[Membership], ids: Mapping[str, str], cloud: Cloud, *, come: bool
) -> None:
    those = list(those)
    if not those:
        return
    # also those of agents, which Nova made: all nodes are in the first group, or just came into it
    known = {port.id: port for port in cloud.ports(spec.cluster)}
    base = ids[r.security_group_name(spec.cluster)]
    known |= {port.id: port for port in cloud.users_of_group(base)}

    def change(place: tuple[Port, Membership]) -> None:
        port, membership = place
        moved = [ids[name] for name in membership.groups]
        kept = [each for each in port.security_groups if each not in moved]
        cloud.set_security_groups(port.id, [*kept, *moved] if come else kept)

    for_each(
        change,
        [
            (port, membership)
            for membership in those
            for port in known.values()
            if port.id == membership.port_id or (port.device_id and port.device_id == membership.server_id)
        ],
    )
