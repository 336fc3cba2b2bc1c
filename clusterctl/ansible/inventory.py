"""Pure: a cluster's servers as an Ansible inventory, in the form of a dynamic inventory script's ``--list``.

Groups are the services (``zookeeper``, ``mesos_master``, ``marathon``, ``mesos_agent``) and the node groups of the
cluster file with the prefix ``group_`` (a node group may be called like a service).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clusterctl.variables import Variables

Inventory = dict[str, Any]


@dataclass(frozen=True)
class InventoryHost:
    """One host: a server with its services (inventory groups) and its own variables."""

    name: str
    group: str
    services: tuple[str, ...]
    variables: Variables


def node_group_name(group: str) -> str:
    """Inventory group of a node group; '-' is not allowed in Ansible's group names."""
    return f"group_{group.replace('-', '_')}"


def inventory(
    *,
    all_variables: Variables,
    group_variables: Mapping[str, Variables],
    hosts: Iterable[InventoryHost],
) -> Inventory:
    """The inventory.

    Args:
        all_variables: variables of every host.
        group_variables: node group -> variables of its hosts.
        hosts: the servers.
    """
    listed = list(hosts)
    members: dict[str, list[str]] = {}
    for host in listed:
        for group in (*host.services, node_group_name(host.group)):
            members.setdefault(group, []).append(host.name)
    found: Inventory = {
        "_meta": {"hostvars": {host.name: host.variables for host in listed}},
        "all": {"children": ["ungrouped", *sorted(members)], "vars": all_variables},
    }
    for group in sorted(members):
        found[group] = {"hosts": sorted(members[group])}
    for group, variables in group_variables.items():
        name = node_group_name(group)
        if name in found and variables:
            found[name]["vars"] = variables
    return found
