"""ZooKeeper: one leader, and every other member a follower in sync with it.

``ruok`` proves little; the leader's own count of synced followers does (administrator's guide, ``mntr``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clusterctl.health.check import Check, check
from clusterctl.health.expect import Expected, Node
from clusterctl.health.facts import NodeFacts, ZooKeeperFacts
from clusterctl.services import UNITS, Service

_UNASKED = NodeFacts(error="not asked yet")
NOT_SERVING = "not currently serving requests"  # ZooKeeper's answer to mntr without a leader


def zookeeper_checks(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[Check]:
    """The checks ``zookeeper.members``, ``.leader`` and ``.synced``, and ``.closed`` where the tree must be.

    ``facts`` are by node name.
    """
    size = expect.size[Service.ZOOKEEPER]
    nodes = expect.running(Service.ZOOKEEPER)
    problems: list[str] = []
    leaders: list[tuple[str, ZooKeeperFacts]] = []
    for node in nodes:
        seen = facts.get(node.name, _UNASKED)
        found = seen.zookeeper
        if trouble := seen.trouble(UNITS[Service.ZOOKEEPER], found):
            problems.append(f"{node}: {trouble}")
        elif found is not None and zookeeper_serves(found, size):
            if found.state != "follower":
                leaders.append((node.name, found))
        else:
            state = found.state if found else "nothing"
            problems.append(f"{node}: is {state}, expected leader or follower")
    if len(nodes) < size:
        problems.append(f"{len(nodes)} of {size} members have a server")
    return [
        check("zookeeper.members", problems, f"{len(nodes)} of {size} members serve"),
        _leader(leaders),
        _synced(leaders, size),
        *([_closed(nodes, facts)] if expect.closed_tree else []),
    ]


def leading_zookeeper(expect: Expected, facts: Mapping[str, NodeFacts]) -> tuple[Node, ZooKeeperFacts] | None:
    """The one member that leads; in an ensemble of one, the one that stands alone."""
    size = expect.size[Service.ZOOKEEPER]
    leading = [
        (node, found)
        for node in expect.running(Service.ZOOKEEPER)
        if (found := facts.get(node.name, _UNASKED).zookeeper) is not None
        and not found.error
        and zookeeper_serves(found, size)
        and found.state != "follower"
    ]
    return leading[0] if len(leading) == 1 else None


def zookeeper_serves(found: ZooKeeperFacts, size: int) -> bool:
    """Whether a member takes part in its ensemble; ``standalone`` is right only for an ensemble of one."""
    return found.state in ("leader", "follower") or (found.state == "standalone" and size == 1)


def votes(seen: NodeFacts | None) -> bool:
    """Whether a member runs and looks for a leader."""
    return seen is not None and seen.zookeeper is not None and NOT_SERVING in seen.zookeeper.error


def _closed(nodes: Sequence[Node], facts: Mapping[str, NodeFacts]) -> Check:
    """Of members that don't serve ``zookeeper.members`` tells."""
    serving = {node: found for node in nodes if (found := facts.get(node.name, _UNASKED).zookeeper) and not found.error}
    problems = [
        f"{node}: its zookeeper-tree.service has not closed the tree to strangers"
        for node, found in serving.items()
        if not found.closed
    ]
    return check("zookeeper.closed", problems or ([] if serving else ["no member to ask"]), "closed to strangers")


def _leader(leaders: list[tuple[str, ZooKeeperFacts]]) -> Check:
    names = ", ".join(name for name, _ in leaders)
    problems = [] if len(leaders) == 1 else [f"found {names or 'no leader'}, expected exactly one leader"]
    return check("zookeeper.leader", problems, names)


def _synced(leaders: list[tuple[str, ZooKeeperFacts]], size: int) -> Check:
    name = "zookeeper.synced"
    if len(leaders) != 1:
        return check(name, ["no single leader to ask"], "")
    leader, found = leaders[0]
    if found.state == "standalone":
        return check(name, [], "an ensemble of one has no followers")
    synced = found.synced_followers
    problems = [] if synced == size - 1 else [f"{leader} counts {synced} synced followers, expected {size - 1}"]
    return check(name, problems, f"{synced} of {size - 1} followers are in sync with {leader}")
