"""Pure: what services that don't serve on nodes that run need, and disks that are full."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from clusterctl.health.disks import disk_trouble
from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts
from clusterctl.health.judge import BOOTED, boot_text
from clusterctl.health.leaders import takes_part
from clusterctl.ops.grow.findings import Finding, Remedy
from clusterctl.ops.observe.look import Look
from clusterctl.ops.observe.majority import others_serve
from clusterctl.services import ENSEMBLES, UNITS, Service

# systemd's states of a unit that doesn't run. One that ends by itself again and again is "activating" most of the time.
STOPPED = ("inactive", "failed", "deactivating")
_LOOPS = "activating"
_ROOM = "make room on its disk first: it comes back"


def services(look: Look, fresh: Collection[str] = ()) -> Iterator[Finding]:
    """Of control nodes.

    Args:
        fresh: names of nodes whose broken members get a fresh data directory: the operator said so.
    """
    for node in look.expect.control:
        seen = look.facts.get(node.name)
        if seen is None or seen.error or node.status != "ACTIVE":
            continue
        full = [(disk.path, trouble) for disk in seen.disks if (trouble := disk_trouble(disk))]
        for path, trouble in full:
            advice = f"`clusterctl ssh FILE {node.name} sudo du -xh --max-depth 3 {path}` shows what fills it"
            yield Finding(node.name, trouble, Remedy.NONE, node.server_id, advice)
        if seen.boot.state not in ("", BOOTED):
            advice = f"`clusterctl ssh FILE {node.name} sudo journalctl -b` shows why; it may boot still"
            yield Finding(node.name, boot_text(seen.boot), Remedy.NONE, node.server_id, advice)
            continue
        for service in node.services:
            if not takes_part(service, look.expect, node, seen):
                yield _service(look, node, seen, service, full=bool(full), fresh=node.name in fresh)


def agent_service(name: str, server_id: str, seen: NodeFacts | None) -> Finding:
    """Of an agent that is not registered; ``seen``: what its node says, if it was asked."""
    unit = UNITS[Service.MESOS_AGENT]
    state = seen.units.get(unit) if seen else None
    if state in STOPPED:
        return Finding(name, f"its agent does not run (unit {unit} is {state})", Remedy.RESTART, Service.MESOS_AGENT)
    for trouble in filter(None, map(disk_trouble, seen.disks if seen else ())):
        return Finding(name, f"its agent is not registered, and {trouble}", Remedy.NONE, server_id, _ROOM)
    advice = f"`clusterctl ssh FILE {name}` shows why; if it doesn't come back: `clusterctl replace FILE {name}`"
    said = seen and (seen.error or seen.trouble(unit, seen.mesos_agent))
    return Finding(name, f"its agent is not registered{f': {said}' if said else ''}", Remedy.NONE, server_id, advice)


def _service(look: Look, node: Node, seen: NodeFacts, service: Service, *, full: bool, fresh: bool) -> Finding:
    trouble = seen.trouble(UNITS[service], getattr(seen, service.value)) or "answers, and takes no part"
    found, state = f"{service} does not serve: {trouble}", seen.units.get(UNITS[service], "")
    votes = service in ENSEMBLES
    majority = not votes or others_serve(look, service, node.name)
    if full:
        return Finding(node.name, found, Remedy.NONE, node.server_id, _ROOM)
    if fresh and votes and majority and state not in STOPPED:
        return Finding(node.name, found, Remedy.FRESH_DATA, service)
    if state in STOPPED or (state != _LOOPS and majority):
        # It doesn't run; or it runs and is out: a connection that died silently, an election that it missed
        return Finding(node.name, found, Remedy.RESTART, service)
    return Finding(node.name, found, Remedy.NONE, node.server_id, _advice(node.name, service, majority=majority))


def _advice(name: str, service: Service, *, majority: bool) -> str:
    """For a service that ends again and again, or that waits for a majority."""
    journal = f"`clusterctl ssh FILE {name} sudo journalctl -n 50 -u {UNITS[service]}` shows why"
    if service not in ENSEMBLES:
        return journal
    if majority:
        cure = f"`clusterctl repair FILE --apply --fresh-data {name}`"
        return f"{journal}; if its data are broken, {cure} sets them aside, and it learns from the others"
    return f"{journal}; the others are no majority: if they stay away, `clusterctl recover FILE` restores the cluster"
