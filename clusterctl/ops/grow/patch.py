"""``patch``: updates of the operating system come by a newer image of the same artifacts; nodes get it one by one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clusterctl.errors import InputError
from clusterctl.ops.grow.agents import victims
from clusterctl.ops.grow.operation import Confirm, Operation
from clusterctl.ops.grow.replace import replace
from clusterctl.ops.lifecycle.preflight import image_for, look_up
from clusterctl.plan import alive
from clusterctl.resources import KEY_IMAGE, Image, Server
from clusterctl.services import CONTROL_SERVICES, Service


@dataclass
class PatchReport:
    """What ``patch`` did.

    Attributes:
        replaced: names, of agents without a volume those that went.
        image: group -> name.
        healthy: None where nothing was to be done: the cluster wasn't asked then.
    """

    cluster: str
    replaced: list[str] = field(default_factory=list)
    image: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    healthy: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """All attributes by name."""
        return dict(vars(self))


def patch(op: Operation, only: Collection[str], confirm: Confirm, *, drain_s: float, force: bool) -> PatchReport:
    """Replaces each node that was made from an older image than a new one would be, one after the other.

    Agents come first, then control nodes, those that lead last. Before each the ensembles must bear it (``replace``),
    after each the cluster must be healthy: a patch that hurts stops at its first node.

    Args:
        only: names of nodes; empty for all.
        confirm: is shown the nodes and the tasks that move, and returns only with consent.
        drain_s: for draining an agent.
        force: doesn't wait for tasks to end.

    Raises:
        InputError: a name of ``only`` is none of the cluster's.
        ClusterctlError: there is no image with what runs, or a node failed; the same command goes on with the rest.
    """
    run = op.run
    report = PatchReport(run.spec.cluster)
    with run.progress.phase("look"):
        observed = op.observe()
        servers = [each for each in alive(observed) if each.group in run.spec.groups]
        known = {each.node or each.name for each in servers}
        if unknown := sorted(set(only) - known):
            raise InputError(f"--only: found {', '.join(unknown)}; allowed: {', '.join(sorted(known))}")
        lookup = look_up(run.spec, run.cloud, op.image)
        groups = {each.group for each in servers}
        images = {group: image_for(run.spec, lookup, group, observed.servers) for group in sorted(groups)}
        old = [
            each
            for each in servers
            if _outdated(each, images[each.group]) and (not only or (each.node or each.name) in only)
        ]
        todo = _ordered(op, old)
        report.image = {group: image.name for group, image in images.items()}
    if todo:
        confirm(_lines(op, todo, images))
    for number, server in enumerate(todo, 1):
        name = server.node or server.name
        run.progress.note(f"{number} of {len(todo)}: {name}")
        replace(op, name, lambda _lines: None, deadline_s=drain_s, force=force)
        report.replaced.append(name)
        report.healthy = True
    report.seconds = dict(run.progress.seconds)
    return report


def _outdated(server: Server, image: Image) -> bool:
    """A server that boots from a volume has no image; its metadata have the name."""
    return server.image_id != image.id if server.image_id else server.metadata.get(KEY_IMAGE) != image.name


def _ordered(op: Operation, old: Sequence[Server]) -> list[Server]:
    control = any(set(server.services) & set(CONTROL_SERVICES) for server in old)
    look = op.look(op.run.spec) if control else None
    leaders = [look.leader(service) for service in CONTROL_SERVICES] if look else []

    def place(server: Server) -> tuple[bool, int, str]:
        name = server.node or server.name
        return Service.MESOS_AGENT not in server.services, leaders.count(name), name

    return sorted(old, key=place)


def _lines(op: Operation, todo: Sequence[Server], images: Mapping[str, Image]) -> list[str]:
    """Each node with its images, then what moves."""
    lines = [
        f"- {each.node or each.name}: {each.metadata.get(KEY_IMAGE) or 'an unknown image'} -> {images[each.group].name}"
        for each in todo
    ]
    agents = [each for each in todo if Service.MESOS_AGENT in each.services]
    moving = [each.line for each in victims(op, agents) if each.tasks] if agents else []
    return [
        f"{len(todo)} nodes get a new server, one after the other:",
        *lines,
        *(["tasks move:"] * bool(moving)),
        *moving,
    ]
