"""``patch``: updates of the operating system come by a newer image of the same artifacts; nodes get it one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clusterctl.errors import InputError
from clusterctl.health.judge import node_ready
from clusterctl.ops.grow.agents import victims
from clusterctl.ops.grow.operation import Confirm, Operation
from clusterctl.ops.grow.replace import replace
from clusterctl.ops.lifecycle.majorities import refuse_lost
from clusterctl.ops.lifecycle.preflight import image_for, look_up
from clusterctl.plan import alive
from clusterctl.resources import KEY_IMAGE, Image, Observed, Server
from clusterctl.services import CONTROL_SERVICES, Service
from clusterctl.topology import topology


@dataclass
class PatchReport:
    """What ``patch`` did.

    Attributes:
        replaced: names, of agents without a volume those that went.
        finished: what a killed run had left: nodes, groups that lacked agents.
        image: group -> name.
        healthy: None where nothing was to be done: whether the cluster is healthy wasn't judged then.
    """

    cluster: str
    replaced: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    image: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    healthy: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """All attributes by name."""
        return dict(vars(self))


def patch(op: Operation, only: Collection[str], confirm: Confirm, *, drain_s: float, force: bool) -> PatchReport:
    """Replaces each node that was made from an older image than a new one would be, one after the other.

    Agents come first, then control nodes, those that lead last. Before each the ensembles must bear it (``replace``),
    after each the cluster must be healthy: a patch that hurts stops at its first node. A run that was killed may have
    left a node without a server, or a new server that doesn't serve yet: those are finished before anything else is
    taken away.

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
        known = {each.node or each.name for each in servers} | {node.name for node in topology(run.spec).nodes}
        if unknown := sorted(set(only) - known):
            raise InputError(f"--only: found {', '.join(unknown)}; allowed: {', '.join(sorted(known))}")
        lookup = look_up(run.spec, run.cloud, op.image)
        images = {group: image_for(run.spec, lookup, group, observed.servers) for group in sorted(run.spec.groups)}
        outdated = [each for each in servers if _outdated(each, images[each.group])]
        begun = _begun(op, observed, [each for each in servers if each not in outdated])
        todo = _ordered(op, [each for each in outdated if not only or (each.node or each.name) in only])
        report.image = {group: image.name for group, image in images.items()}
    if todo or begun:
        confirm(_lines(op, begun, todo, images))
    if begun:
        _finish(op, begun, report)
    for number, server in enumerate(todo, 1):
        name = server.node or server.name
        run.progress.note(f"{number} of {len(todo)}: {name}")
        replace(op, name, lambda _lines: None, deadline_s=drain_s, force=force)
        report.replaced.append(name)
        report.healthy = True
    report.seconds = dict(run.progress.seconds)
    return report


@dataclass(frozen=True)
class _Begun:
    """What a killed run left.

    Attributes:
        nodes: without a server.
        groups: which lack agents, and how many.
        starting: names of servers of the new image that don't serve yet.
    """

    nodes: tuple[str, ...]
    groups: Mapping[str, int]
    starting: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.nodes or self.groups or self.starting)


def _begun(op: Operation, observed: Observed, new: Sequence[Server]) -> _Begun:
    top, there = topology(op.run.spec), alive(observed)
    nodes = tuple(node.name for node in top.nodes if not any(each.node == node.name for each in there))
    have = Counter(each.group for each in there if each.node is None)
    groups = {pool.group: pool.count - have[pool.group] for pool in top.pools if have[pool.group] < pool.count}
    return _Begun(nodes, groups, tuple(_starting(op, new)))


def _starting(op: Operation, new: Sequence[Server]) -> Iterator[str]:
    if not new:
        return
    look = op.look(op.run.spec)
    control = {node.name: node for node in look.expect.control}
    for server in new:
        name = server.node or server.name
        if Service.MESOS_AGENT in server.services:
            serves = (agent := look.agents.get(server.address or "")) is not None and agent.active
        else:
            serves = name in control and node_ready(look.expect, control[name], look.facts.get(name))
        if not serves:
            yield name


def _finish(op: Operation, begun: _Begun, report: PatchReport) -> None:
    """Makes what has no server, and waits until all serve, which brings new nodes their secrets.

    Raises:
        LostMajorityError: members are missing that only ``recover`` may make.
    """
    run = op.run
    with run.going_on(), run.guard.hold(run.spec.cluster, run.cloud):
        refuse_lost(run.spec, op.observe())
        if begun.nodes or begun.groups:
            op.make(run.spec, nodes=begun.nodes, groups=begun.groups)
        with run.progress.phase("verify"):
            op.wait_healthy(run.spec, True)
    report.finished = [*begun.nodes, *begun.groups, *begun.starting]
    report.healthy = True


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


def _lines(op: Operation, begun: _Begun, todo: Sequence[Server], images: Mapping[str, Image]) -> list[str]:
    """What an earlier run left, each node with its images, then what moves."""
    first = [
        *(f"- {name}: has no server, and gets one" for name in begun.nodes),
        *(f"- group {name}: has {count} agents too few, and gets them" for name, count in begun.groups.items()),
        *(f"- {name}: has its new server, and is waited for" for name in begun.starting),
    ]
    lines = [
        f"- {each.node or each.name}: {each.metadata.get(KEY_IMAGE) or 'an unknown image'} -> {images[each.group].name}"
        for each in todo
    ]
    agents = [each for each in todo if Service.MESOS_AGENT in each.services]
    moving = [each.line for each in victims(op, agents) if each.tasks] if agents else []
    return [
        *first,
        *([f"{len(todo)} nodes get a new server, one after the other:"] * bool(todo)),
        *lines,
        *(["tasks move:"] * bool(moving)),
        *moving,
    ]
