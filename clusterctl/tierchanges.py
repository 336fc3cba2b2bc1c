"""Pure: the security groups that a cluster should have (``tiers``) against those that it has.

A cluster comes from one layout to another while it serves: groups and rules are added first, then nodes come into
them, and what members may be served by is taken away only after the services were seen to be as in the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from clusterctl.resources import Observed, Port, Rule, SecurityGroup, StoredRule
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.types import OWN_NETWORK
from clusterctl.tiers import SSH_PORT, groups_of, wanted_groups
from clusterctl.topology import topology

_SHOWN = 5  # nodes named in one line


@dataclass(frozen=True)
class Membership:
    """A node that comes into security groups, or out of them.

    Attributes:
        port_id: of a named node; '' for agents, whose ports Nova made.
        groups: names.
    """

    node: str
    server_id: str
    port_id: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class NetworkChanges:
    """What must be written. Empty tuples mean: nothing of that kind.

    Attributes:
        make: names of security groups.
        add_rules: with the security group's name.
        early_rules: of ours and no longer of the file, that open a port to the outside.
        late_rules, leave, late_groups: what agents may be served by until the services are as in the file.
        foreign_rules: of others: named, and left alone.
        problems: for a person.
    """

    make: tuple[str, ...] = ()
    add_rules: tuple[tuple[str, Rule], ...] = ()
    join: tuple[Membership, ...] = ()
    early_rules: tuple[StoredRule, ...] = ()
    late_rules: tuple[StoredRule, ...] = ()
    leave: tuple[Membership, ...] = ()
    late_groups: tuple[SecurityGroup, ...] = ()
    foreign_rules: tuple[StoredRule, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.make or self.add_rules or self.join or self.early_rules or self.late)

    @property
    def late(self) -> bool:
        """Whether something is to be taken away once the services were seen to do without it."""
        return bool(self.late_rules or self.leave or self.late_groups)

    @property
    def drop_rules(self) -> tuple[StoredRule, ...]:
        """Rules of ours that the file has no more."""
        return (*self.early_rules, *self.late_rules)

    def lines(self) -> list[str]:
        """As a person reads it, one action a line."""
        out = [f"+ security group {name}" for name in self.make]
        for name in dict.fromkeys(name for name, _ in self.add_rules):
            rules = [str(rule) for of, rule in self.add_rules if of == name]
            out.append(f"+ {len(rules)} rules of security group {name}: {', '.join(rules)}")
        if self.drop_rules:
            out.append(f"- {len(self.drop_rules)} security group rules: {', '.join(s.text for s in self.drop_rules)}")
        out += [f"+ {text}" for text in _texts("into", self.join)]
        out += [f"- {text}" for text in _texts("out of", self.leave)]
        out += [f"- security group {group.name}" for group in self.late_groups]
        return out


def network_changes(spec: ClusterSpec, observed: Observed, own: Collection[str] = ()) -> NetworkChanges:
    """What is missing, and what is too much; ``own``: see ``tiers.wanted_groups``."""
    there = security_groups(observed)
    wanted = wanted_groups(spec, own, observed.ports)
    surplus = [
        stored for name, rules in wanted.items() if name in there for stored in _surplus(spec, there[name], rules, own)
    ]
    ours = [stored for stored in surplus if stored.ours]
    late = [stored for stored in ours if _between_members(stored, observed)]
    foreign = [stored for stored in surplus if not stored.ours]
    join, leave = _memberships(spec, observed, there)
    return NetworkChanges(
        make=tuple(name for name in wanted if name not in there),
        add_rules=tuple(_missing(wanted, there)),
        join=join,
        early_rules=tuple(stored for stored in ours if stored not in late),
        late_rules=tuple(late),
        leave=leave,
        late_groups=tuple(group for name, group in there.items() if name not in wanted),
        foreign_rules=tuple(foreign),
        problems=(*map(_foreign_rule, foreign), *_twice(observed)),
    )


def security_groups(observed: Observed) -> dict[str, SecurityGroup]:
    """The cluster's security groups by name; of several with one name the first, which commands use."""
    return {group.name: group for group in sorted(observed.security_groups, key=lambda group: group.id, reverse=True)}


def _missing(wanted: Mapping[str, frozenset[Rule]], there: Mapping[str, SecurityGroup]) -> Iterator[tuple[str, Rule]]:
    for name, rules in wanted.items():
        present = there[name].rules if name in there else frozenset()
        yield from ((name, rule) for rule in sorted(rules - present, key=lambda rule: rule.order))


def _surplus(
    spec: ClusterSpec, group: SecurityGroup, wanted: frozenset[Rule], own: Collection[str]
) -> Iterable[StoredRule]:
    """What a security group lets in beyond the file."""
    unknown = OWN_NETWORK in spec.access.ssh_from and not own  # then any rule for SSH may be the network's

    def may_be_own(stored: StoredRule) -> bool:
        return (
            unknown and stored.rule is not None and stored.rule.source is not None and stored.rule.port_min == SSH_PORT
        )

    return [stored for stored in group.stored if stored.rule not in wanted and not may_be_own(stored)]


def _between_members(stored: StoredRule, observed: Observed) -> bool:
    """Whether a rule lets in nodes of the cluster only, whose services may be using it."""
    own = {f"{port.address}/32" for port in observed.ports}
    return stored.rule is not None and (stored.rule.source is None or stored.rule.source in own)


def _memberships(
    spec: ClusterSpec, observed: Observed, there: Mapping[str, SecurityGroup]
) -> tuple[tuple[Membership, ...], tuple[Membership, ...]]:
    """Who comes into security groups, and who out of those that are the cluster's.

    Of agents Nova tells the names of groups, once they are built.
    """
    name_of = {group.id: group.name for group in observed.security_groups}
    nodes = {node.name: node.group for node in topology(spec).nodes}
    ports = [port for port in observed.ports if port.name in nodes]
    agents = [
        server
        for server in observed.servers
        if server.node is None and server.group in spec.groups and server.status in ("ACTIVE", "SHUTOFF")
    ]

    def named(port: Port) -> tuple[str, ...]:
        return tuple(name_of.get(each, each) for each in port.security_groups)

    places = [
        *((Membership(p.name, p.device_id, p.id, named(p)), nodes[p.name]) for p in ports),
        *((Membership(s.name, s.id, "", s.security_groups), s.group) for s in agents),
    ]
    join, leave = [], []
    for place, group in places:
        if not place.groups:
            continue  # not told
        wanted = groups_of(spec, group)
        if missing := tuple(name for name in wanted if name not in place.groups):
            join.append(replace(place, groups=missing))
        if surplus := tuple(name for name in place.groups if name in there and name not in wanted):
            leave.append(replace(place, groups=surplus))
    return tuple(join), tuple(leave)


def _texts(way: str, those: Iterable[Membership]) -> Iterator[str]:
    """One line for each list of groups."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for each in those:
        alike.setdefault(each.groups, []).append(each.node)
    for groups, nodes in alike.items():
        more = f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
        yield f"{', '.join(nodes[:_SHOWN])}{more}: {way} security group {', '.join(groups)}"


def _foreign_rule(stored: StoredRule) -> str:
    """What to do about a rule that somebody else put into one of the cluster's security groups."""
    return (
        f"security group rule {stored.id} ({stored.text}): is not in the file and was not made by clusterctl; "
        f"`openstack security group rule delete {stored.id}` removes it"
    )


def _twice(observed: Observed) -> Iterator[str]:
    for name, times in sorted(Counter(group.name for group in observed.security_groups).items()):
        if times > 1:
            yield f"security group {name}: exists more than once; run `clusterctl repair FILE`"
