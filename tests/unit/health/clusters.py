"""The demo cluster as a healthy one answers: three control nodes, an agent for Jenkins masters, a builder."""

from __future__ import annotations

from typing import Any

from clusterctl.health.expect import Expected, expected
from clusterctl.health.facts import NodeFacts
from clusterctl.resources import KEY_CONSOLE, KEY_IMAGE, Flavor, Server
from clusterctl.spec.model import ClusterSpec
from tests.unit.specs import demo_spec
from tests.unit.ssh.keys import PROOF

SPEC = demo_spec()
FLAVORS = (Flavor("f1", "m1.small", 2, 2048, 10),)
FRAMEWORK = "f-0000"
CONTROL = ("demo-control-1", "demo-control-2", "demo-control-3")


def server(
    name: str, group: str, address: str | None, *, named: bool, status: str = "ACTIVE", **changes: Any
) -> Server:
    services = tuple(service.value for service in SPEC.groups[group].services) if group in SPEC.groups else ()
    return Server(
        **{
            "id": f"id-{name}",
            "name": name,
            "status": status,
            "group": group,
            "node": name if named else None,
            "address": address,
            "image_id": "i1",
            "flavor": "m1.small",
            "services": services,
            "created": "2026-01-01T00:00:00Z",
            "metadata": {KEY_IMAGE: "base-1", KEY_CONSOLE: PROOF},
        }
        | changes
    )


def servers() -> list[Server]:
    """All five, as the cloud lists them."""
    return [
        *(server(name, "control", f"10.0.0.{number}", named=True) for number, name in enumerate(CONTROL, 1)),
        server("demo-jenkins-abc-1", "jenkins", "10.0.0.11", named=False),
        server("demo-builders-abc-1", "builders", "10.0.0.21", named=False),
    ]


def expect(spec: ClusterSpec = SPEC, of: list[Server] | None = None) -> Expected:
    return expected(spec, servers() if of is None else of, FLAVORS)


def agent(address: str, pool: str, role: str | None, **changes: Any) -> dict[str, Any]:
    """As the leading master lists it; m1.small minus the default reserve."""
    everything = {"cpus": 2.0, "mem": 1856.0, "disk": 8192.0, "gpus": 0.0, "ports": "[31000-32000]"}
    nothing = {"cpus": 0.0, "mem": 0.0, "disk": 0.0, "gpus": 0.0}
    return {
        "id": f"S-{address}",
        "hostname": address,
        "active": True,
        "attributes": {"pool": pool},
        "version": "1.11.0",
        "resources": everything,
        "used_resources": nothing | {"cpus": 0.5, "mem": 128.0},
        "reserved": {role: everything} if role else {},
        "unreserved": nothing if role else everything,
        "tasks": 1,
        **changes,
    }


def agents() -> list[dict[str, Any]]:
    return [agent("10.0.0.11", "jenkins-master", "marathon"), agent("10.0.0.21", "jenkins-builder", None)]


def facts(number: int, **changes: Any) -> NodeFacts:
    """Of control node ``number``: 1 leads Mesos, 2 Marathon, 3 ZooKeeper.

    Args:
        changes: dictionaries merged into a part, for example ``zookeeper={"state": "follower"}``; None takes it away.
    """
    frameworks = [
        {"id": FRAMEWORK, "name": "marathon", "active": True, "connected": True, "roles": ["marathon"], "tasks": 1}
    ]
    parts: dict[str, Any] = {
        "boot": {"state": "done", "step": "", "detail": ""},
        "zookeeper": {
            "state": "leader" if number == 3 else "follower",
            "version": "3.8.0",
            "synced_followers": 2 if number == 3 else None,
        },
        "mesos_master": {
            "elected": number == 1,
            "log_recovered": True,
            "ensemble_size": 3,
            "registrar_recovered": number == 1,
            "leader": "10.0.0.1:5050",
            "version": "1.11.0",
            **({"agents": agents(), "frameworks": frameworks} if number == 1 else {}),
        },
        "marathon": {
            "leader": "10.0.0.2:8080",
            "framework_id": FRAMEWORK,
            "version": "1.11.24",
        },
    }
    for name, change in changes.items():
        merged = change is not None and isinstance(parts.get(name), dict) and "error" not in change
        parts[name] = parts[name] | change if merged else change
    return NodeFacts.model_validate({name: part for name, part in parts.items() if part is not None})


def all_facts(**changes: NodeFacts) -> dict[str, NodeFacts]:
    """Of every control node by name; ``c1=...`` replaces those of the first."""
    return {name: changes.get(f"c{number}", facts(number)) for number, name in enumerate(CONTROL, 1)}
