"""Pure: what openstacksdk's network resources say -> our records, and our requests -> Neutron's bodies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from clusterctl.resources import Lock, Port, PortRequest, Rule, SecurityGroup

_TCP = ("tcp", "6")  # Neutron keeps the protocol as it was given


def port_of(port: Any) -> Port:
    """A port, with its first IPv4 address (or its first one, where it has none)."""
    addresses = sorted((ip["ip_address"] for ip in port.fixed_ips or ()), key=lambda ip: ":" in ip)
    return Port(port.id, port.name, addresses[0] if addresses else "", port.device_id or "")


def security_group_of(group: Any) -> SecurityGroup:
    """A security group with its ingress TCP rules; rules for the members of another group are left out."""
    rules = (_rule_of(rule, group.id) for rule in group.security_group_rules or ())
    return SecurityGroup(group.id, group.name, frozenset(rule for rule in rules if rule))


def lock_of(group: Any) -> Lock:
    """A security group that serves as a lock."""
    return Lock(group.id, group.description or "", group.created_at or "")


def _rule_of(raw: Mapping[str, Any], group_id: str) -> Rule | None:
    other_group = raw.get("remote_group_id") not in (None, group_id)
    if raw["direction"] != "ingress" or raw.get("protocol") not in _TCP or other_group or raw["port_range_min"] is None:
        return None
    anyone = "::/0" if raw["ethertype"] == "IPv6" else "0.0.0.0/0"
    source = None if raw.get("remote_group_id") else _network(raw.get("remote_ip_prefix") or anyone)
    return Rule(raw["port_range_min"], raw["port_range_max"], source)


def _network(prefix: str) -> str:
    """As the cluster file has it, however this Neutron writes it: an address alone is a network of one."""
    return str(ipaddress.ip_network(prefix, strict=False))


def rule_body(group_id: str, rule: Rule) -> dict[str, Any]:
    """The rule as Neutron takes it."""
    of_v6 = rule.source is not None and ipaddress.ip_network(rule.source, strict=False).version == 6
    return {
        "security_group_id": group_id,
        "direction": "ingress",
        "ethertype": "IPv6" if of_v6 else "IPv4",
        "protocol": "tcp",
        "port_range_min": rule.port_min,
        "port_range_max": rule.port_max,
        **({"remote_group_id": group_id} if rule.source is None else {"remote_ip_prefix": rule.source}),
    }


def port_body(request: PortRequest) -> dict[str, Any]:
    """The port as Neutron takes it."""
    return {
        "name": request.name,
        "network_id": request.network_id,
        "description": request.description,
        "security_groups": [request.security_group_id],
    }


def free_addresses(pools: Iterable[Mapping[str, str]], taken: Iterable[str]) -> int:
    """Number of addresses of the IPv4 allocation pools (``{"start", "end"}``) that are not among the taken ones."""
    ranges = [(ipaddress.IPv4Address(pool["start"]), ipaddress.IPv4Address(pool["end"])) for pool in pools]
    addresses = [ipaddress.IPv4Address(ip) for ip in set(taken) if ":" not in ip]
    size = sum(int(end) - int(start) + 1 for start, end in ranges)
    return size - sum(any(start <= ip <= end for start, end in ranges) for ip in addresses)
