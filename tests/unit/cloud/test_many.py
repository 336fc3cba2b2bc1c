"""Large clusters through the real adapter: lists in ceil(N / page) calls, and never a call per server."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from clusterctl.cloud.openstack import OpenStackCloud
from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts
from clusterctl.ops.day2.inventory import cluster_inventory
from clusterctl.ops.kit.access import Access, open_access
from clusterctl.ops.observe.status import collect_status
from clusterctl.resources import KEY_CLUSTER, KEY_GROUP, KEY_NODE, KEY_SERVICES, owner_mark
from clusterctl.spec.model import ClusterSpec
from tests.unit.cloud.fake_api import PROJECT, FakeApi, server
from tests.unit.specs import demo, demo_spec

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJ1cLxzsPvgWZ7Cg8wgdNgqwFyEC2/p8LqbEqEdgLmqf"
PAGE = 250


def large(builders: int) -> ClusterSpec:
    groups = demo()["groups"]
    groups["builders"] |= {"count": builders, "anti_affinity": "off"}
    return demo_spec(groups=groups)


def nodes(spec: ClusterSpec) -> Iterator[tuple[str, str, str | None]]:
    """Name, group, identity."""
    for name, group in spec.groups.items():
        for number in range(1, group.count + 1):
            named = f"demo-{name}-{number}" if group.named else None
            yield named or f"demo-{name}-abc-{number}", name, named


def fill(api: FakeApi, spec: ClusterSpec) -> None:
    """The project holds the cluster."""
    for name, group, named in nodes(spec):
        metadata = {KEY_CLUSTER: "demo", KEY_GROUP: group, KEY_SERVICES: ",".join(spec.groups[group].services)}
        identity = {KEY_NODE: named} if named else {}
        api.servers.append(server(name, tags=[owner_mark("demo")], metadata={**metadata, **identity}))
        if named:
            address = [{"ip_address": f"10.0.1.{len(api.ports)}", "subnet_id": "s"}]
            body = {"name": named, "description": owner_mark("demo"), "fixed_ips": address, "device_id": "x"}
            api.ports.append({"id": f"p{len(api.ports)}", "project_id": PROJECT, **body})


def pinned(spec: ClusterSpec, cloud: OpenStackCloud, api: FakeApi, cache: Path) -> Access:
    """Access with the host keys of all servers."""
    access = open_access(spec, cloud, {"XDG_CACHE_HOME": str(cache), "XDG_RUNTIME_DIR": str(cache)[:50]})
    path = access.host_keys.known_hosts.path
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{each['id']} ssh-ed25519 {KEY}\n" for each in api.servers))
    return access


class Silent:
    """A prober to which no node answers."""

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        assert len(nodes) <= 3, "only control nodes are asked"
        return {node.name: NodeFacts(error="silent") for node in nodes}


@pytest.mark.parametrize("builders", [196, 999])
def test_lists_of_inventory_and_status_grow_by_page(
    cloud: OpenStackCloud, api: FakeApi, tmp_path: Path, builders: int
) -> None:
    spec, api.max_limit = large(builders), PAGE
    fill(api, spec)
    access = pinned(spec, cloud, api, tmp_path)
    pages = math.ceil((builders + 4) / PAGE)

    found = cluster_inventory(spec, cloud, access)
    assert len(found["_meta"]["hostvars"]) == builders + 4
    assert len(api.sent("GET", "/servers/detail")) == pages
    # discovery, ports, volumes, groups, flavors: the same for any number
    assert len(api.log) - pages < 15

    before = len(api.log)
    report = collect_status(spec, cloud, Silent())
    assert len(report.nodes) == builders + 4
    assert len(api.log) - before == pages
    assert cloud.calls.write == 0
