"""A cluster file -> its nodes on test hosts: addresses, user-data, inventory. What ``create`` does, without a cloud.

``nodes.py vars SPEC DIRECTORY`` writes group_vars and host_vars for Molecule.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusterctl.ansible.inventory import InventoryHost, inventory
from clusterctl.resources import Flavor
from clusterctl.services import Service
from clusterctl.spec.load import load_spec
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import addresses, topology
from clusterctl.variables import Variables, cluster_variables, group_variables, node_variables

# Of the test hosts; the lab's smallest flavor. What an agent offers comes from here and never from the kernel.
FLAVOR = {"vcpus": 1, "ram_mib": 1024, "disk_gib": 6}


@dataclass(frozen=True)
class Node:
    """A host to be."""

    name: str
    group: str
    address: str
    services: tuple[Service, ...]
    variables: Variables  # of this host alone


@dataclass(frozen=True)
class Cluster:
    """The nodes of a cluster file and the variables that they share."""

    spec: ClusterSpec
    nodes: tuple[Node, ...]
    shared: Variables
    group_variables: Mapping[str, Variables]

    def all_variables(self, node: Node) -> Variables:
        """What ``create`` renders the node's user-data from."""
        return {**self.shared, **self.group_variables.get(node.group, {}), **node.variables}

    def inventory(self, connection: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """As Ansible's YAML plugin reads it.

        Args:
            connection: host name -> ``ansible_*`` variables.
        """
        hosts = [InventoryHost(n.name, n.group, n.services, {**n.variables, **connection[n.name]}) for n in self.nodes]
        dynamic = inventory(all_variables=self.shared, group_variables=self.group_variables, hosts=hosts)
        hostvars = dynamic.pop("_meta")["hostvars"]
        shared = dynamic.pop("all")["vars"]
        groups = {
            name: {"hosts": dict.fromkeys(group["hosts"]), "vars": group.get("vars", {})}
            for name, group in dynamic.items()
        }
        return {"all": {"hosts": hostvars, "vars": shared, "children": groups}}


def cluster(path: Path, prefix: str = "10.99.0.") -> Cluster:
    """The nodes of the cluster file at ``path``; addresses from ``prefix`` 11 on, agents after the control nodes."""
    spec = load_spec(path)
    top = topology(spec)
    names = [node.name for node in top.nodes]
    names += [f"{spec.cluster}-{p.group}-{number}" for p in top.pools for number in range(1, p.count + 1)]
    address_of = {name: f"{prefix}{11 + number}" for number, name in enumerate(names)}
    named = [
        Node(
            node.name,
            node.group,
            address_of[node.name],
            node.services,
            node_variables(spec, node, address_of[node.name], None),
        )
        for node in top.nodes
    ]
    pools = [
        Node(name, pool.group, address_of[name], (Service.MESOS_AGENT,), {})
        for pool in top.pools
        for name in names
        if name.startswith(f"{spec.cluster}-{pool.group}-")
    ]
    flavors = {group.flavor: Flavor(group.flavor, group.flavor, **FLAVOR) for group in spec.groups.values()}
    groups = {name: group_variables(spec, name, flavors) for name in spec.groups}
    return Cluster(spec, (*named, *pools), cluster_variables(spec, addresses(top, address_of)), groups)


def write_vars(of: Cluster, directory: Path) -> None:
    """``group_vars`` and ``host_vars`` for Molecule, whose inventory holds hosts and groups already."""
    for kind in ("group_vars", "host_vars"):
        (directory / kind).mkdir(parents=True, exist_ok=True)
    (directory / "group_vars" / "all.json").write_text(json.dumps(of.shared, indent=1) + "\n")
    for node in of.nodes:
        values = {**of.group_variables.get(node.group, {}), **node.variables}
        (directory / "host_vars" / f"{node.name}.json").write_text(json.dumps(values, indent=1) + "\n")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["vars"])
    parser.add_argument("spec", type=Path)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    write_vars(cluster(arguments.spec), arguments.directory)


if __name__ == "__main__":
    main()
