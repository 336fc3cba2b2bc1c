"""Pure: what Neutron's API returns -> our records, and our requests -> its bodies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from clusterctl.resources import Lock, Port, PortRequest, Rule, SecurityGroup, StoredRule

# A port that was only created has revision 1; its binding, its becoming ACTIVE, and the end of both count one more each
# (Neutron: revision numbers)
_UNTOUCHED = 2
_TCP = ("tcp", "6")  # Neutron keeps the protocol as it was given


def port_of(port: Mapping[str, Any]) -> Port:
    """A port, with its first IPv4 address (or its first one, where it has none)."""
    addresses = sorted((ip["ip_address"] for ip in port.get("fixed_ips") or ()), key=lambda ip: ":" in ip)
    groups = tuple(port.get("security_groups") or ())
    # a Neutron that doesn't count: then it may have been
    used = bool(port.get("device_id")) or (port.get("revision_number") or _UNTOUCHED + 1) > _UNTOUCHED
    return Port(port["id"], port["name"], addresses[0] if addresses else "", port.get("device_id") or "", groups, used)


def security_group_of(group: Mapping[str, Any], names: Mapping[str, str] | None = None) -> SecurityGroup:
    """A security group with its ingress rules; those of its own mark are clusterctl's.

    Args:
        names: of the cluster's security groups, by id.
    """
    raw = [rule for rule in group.get("security_group_rules") or () if rule["direction"] == "ingress"]
    mark = group.get("description") or None
    stored = tuple(
        StoredRule(
            each.get("id") or "",
            rule := _rule_of(each, group["id"], names or {}),
            str(rule or _text(each)),
            each.get("description") == mark,
        )
        for each in raw
    )
    return SecurityGroup(group["id"], group["name"], frozenset(each.rule for each in stored if each.rule), stored)


def lock_of(group: Mapping[str, Any]) -> Lock:
    """A security group that serves as a lock."""
    return Lock(group["id"], group.get("description") or "", group.get("created_at") or "")


def _rule_of(raw: Mapping[str, Any], group_id: str, names: Mapping[str, str]) -> Rule | None:
    """An ingress rule; None for another protocol, and for the members of a group that is not the cluster's."""
    remote = raw.get("remote_group_id")
    foreign = (remote and remote != group_id and remote not in names) or raw.get("remote_address_group_id")
    if raw.get("protocol") not in _TCP or foreign or raw["port_range_min"] is None:
        return None
    # clusterctl asks for IPv4 of the members; the same for IPv6 is another rule
    if remote and raw["ethertype"] == "IPv6":
        return None
    if remote:
        group = None if remote == group_id else names[remote]
        return Rule(raw["port_range_min"], raw["port_range_max"], group=group)
    return Rule(raw["port_range_min"], raw["port_range_max"], _network(raw.get("remote_ip_prefix") or _anyone(raw)))


def _text(raw: Mapping[str, Any]) -> str:
    """A rule of another kind, in words: ``udp/53 from 192.0.2.0/24``."""
    low, high = raw.get("port_range_min"), raw.get("port_range_max")
    ports = "" if low is None else f"/{low}" if low == high else f"/{low}-{high}"
    group = raw.get("remote_group_id") or raw.get("remote_address_group_id")
    source = f"the members of {group}" if group else raw.get("remote_ip_prefix") or _anyone(raw)
    return f"{raw.get('protocol') or 'any protocol'}{ports} from {source}"


def _anyone(raw: Mapping[str, Any]) -> str:
    return "::/0" if raw["ethertype"] == "IPv6" else "0.0.0.0/0"


def _network(prefix: str) -> str:
    """As the cluster file has it, however this Neutron writes it: an address alone is a network of one."""
    return str(ipaddress.ip_network(prefix, strict=False))


def rule_body(group_id: str, rule: Rule, description: str, ids: Mapping[str, str]) -> dict[str, Any]:
    """The rule as Neutron takes it.

    Args:
        ids: of the cluster's security groups, by name.
    """
    remote = group_id if rule.group is None else ids[rule.group]
    of_v6 = rule.source is not None and ipaddress.ip_network(rule.source, strict=False).version == 6
    return {
        "security_group_id": group_id,
        "description": description,
        "direction": "ingress",
        "ethertype": "IPv6" if of_v6 else "IPv4",
        "protocol": "tcp",
        "port_range_min": rule.port_min,
        "port_range_max": rule.port_max,
        **({"remote_group_id": remote} if rule.source is None else {"remote_ip_prefix": rule.source}),
    }


def port_body(request: PortRequest) -> dict[str, Any]:
    """The port as Neutron takes it."""
    return {
        "name": request.name,
        "network_id": request.network_id,
        "description": request.description,
        "security_groups": list(request.security_group_ids),
    }


def free_addresses(pools: Iterable[Mapping[str, str]], taken: Iterable[str]) -> int:
    """Number of addresses of the IPv4 allocation pools (``{"start", "end"}``) that are not among the taken ones."""
    ranges = [(ipaddress.IPv4Address(pool["start"]), ipaddress.IPv4Address(pool["end"])) for pool in pools]
    addresses = [ipaddress.IPv4Address(ip) for ip in set(taken) if ":" not in ip]
    size = sum(int(end) - int(start) + 1 for start, end in ranges)
    return size - sum(any(start <= ip <= end for start, end in ranges) for ip in addresses)
