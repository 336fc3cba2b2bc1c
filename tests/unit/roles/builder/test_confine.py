"""What an agent's node loads to confine tenants: from the file, for every slot.

What the rules hold off is tried on test hosts (molecule/jenkins/confined).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from typing import Any

from clusterctl.jenkins.slots import build_uid, master_uid, port_plan
from clusterctl.paths import roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files
from clusterctl.resources import Flavor
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import Addresses
from clusterctl.variables import agent_variables, cluster_variables
from tests.unit.specs import demo_spec as open_spec
from tests.unit.specs import only_closed

AT = Addresses(zookeeper=((1, "192.0.2.10"), (2, "192.0.2.9")), mesos_master=("192.0.2.10",), marathon=("192.0.2.11",))
FLAVORS = {"m1.small": Flavor("f1", "m1.small", vcpus=1, ram_mib=1024, disk_gib=10)}
TIER: dict[str, Any] = {"jenkins": {"allow_ephemeral_homes": True, "max_masters": 3}}


def demo_spec(security: Mapping[str, Any] | None = None, **changes: Any) -> ClusterSpec:
    return open_spec(security={**only_closed("builds"), **(security or {})}, **changes)


def script(spec: ClusterSpec, group: str = "builders") -> str:
    values = cluster_variables(spec, AT) | agent_variables(spec, group, FLAVORS)
    files = render_files(roles_dir(), roles_of([Service.MESOS_AGENT]), values)
    return next(file.content for file in files if file.path == "/usr/lib/clusterctl/confine")


def shown(spec: ClusterSpec, group: str = "builders") -> str:
    """What nft would read; there is no network to look for neighbours in."""
    text = script(spec, group).replace("$(near -4)", "").replace("$(near -6)", "")
    done = subprocess.run(["sh", "-s", "show"], input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_all_control_nodes_are_named_once() -> None:
    assert (
        "set control { type ipv4_addr; flags interval; auto-merge; elements = { 192.0.2.9, 192.0.2.10, 192.0.2.11 }; }"
        in (shown(demo_spec()))
    )


def test_each_slot_has_its_users_and_ports() -> None:
    spec = demo_spec(**TIER)
    found = {tuple(map(int, pair)) for pair in re.findall(r"(\d+) \. (\d+)", shown(spec))}
    wanted = set()
    for slot in (1, 2, 3):
        ports = port_plan(spec).of(slot)
        wanted |= {(master_uid(slot), port) for port in (ports.http, ports.inbound, ports.libprocess)}
        wanted |= {(build_uid(slot), port) for port in (ports.http, ports.inbound)}
    assert found == wanted
    (first, last), (low, high) = port_plan(spec).http_and_inbound, port_plan(spec).libprocess
    assert f"tcp dport {{ {first}-{last}, {low}-{high} }} ip daddr @near4" in shown(spec)


def test_tenants_are_all_users_that_the_image_has_for_them() -> None:
    assert f"meta skuid {{ {master_uid(1)}-{master_uid(999)}, {build_uid(1)}-{build_uid(999)}, 864 }} jump tenants" in (
        shown(demo_spec())
    )


def test_only_where_masters_live_are_their_ports_closed_within_the_node() -> None:
    """On other agents tasks of others may have these ports."""
    spec = demo_spec(**TIER)
    assert "fib daddr type local goto refuse" in shown(spec, "jenkins").split("Jenkins masters, by")[1]
    assert "fib daddr type local goto refuse" not in shown(spec, "builders").split("Jenkins masters, by")[1]


def test_a_list_of_networks_is_all_that_builds_reach() -> None:
    spec = demo_spec(security={"builds": {"egress": ["198.51.100.0/24", "2001:db8::/32"]}})
    assert shown(spec).replace("    ", "").splitlines()[-7:] == [
        "fib daddr type local accept",
        "meta skuid 30001-30999 accept",
        "ip daddr 198.51.100.0/24 accept",
        "ip6 daddr 2001:db8::/32 accept",
        "goto refuse",
        "  }",
        "}",
    ]
    assert "\n    goto refuse" not in shown(demo_spec())


def test_a_file_that_leaves_builds_open_takes_the_rules_away() -> None:
    text = script(open_spec(security={"insecure": ["builds"]}))
    assert "delete table inet clusterctl" in text
    assert "chain" not in text
