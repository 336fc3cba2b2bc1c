"""What an upgrade finds on its nodes before the first of them is touched, and the artifacts brought to them.

Everything that can be known to fail is found first: artifacts on the operator's machine (``upgrade.artifacts``), then
every node of the roll by ``playbooks/upgrade-check.yml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from clusterctl.ansible.playbook import PlaybookError
from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.day2.hosts import Hosts, reasons
from clusterctl.ops.upgrade.nodestate import (
    NodeState,
    PackageFacts,
    WantedArtifact,
    has,
    obstacles,
    parse_state,
    wrong_step,
)
from clusterctl.services import COMPONENTS, ROLL_ORDER, UNITS, ZOOKEEPER_PACKAGE, Service


def node_states(hosts: Hosts, names: Sequence[str], packages: Iterable[str], *, refresh: bool) -> dict[str, NodeState]:
    """What is installed and running on nodes; by name.

    Args:
        refresh: asks the package sources for news.

    Raises:
        PlaybookError: one can't be reached or looked at.
    """
    units = [UNITS[service] for service in ROLL_ORDER]
    result = hosts.run(
        "upgrade-check", names, {"roll_packages": list(packages), "roll_units": units, "roll_refresh": refresh}
    )
    found = {
        host: parse_state(host, message.removeprefix("facts "))
        for host, _task, message in result.notes
        if message.startswith("facts ")
    }
    if silent := [name for name in names if name not in found]:
        raise ClusterctlError(f"{', '.join(silent)}: no facts came back about installed software")
    return found


def look_at_nodes(
    hosts: Hosts, targets: Mapping[Service, Sequence[str]], wanted: Mapping[str, WantedArtifact], to: str | None
) -> tuple[dict[str, NodeState], dict[str, WantedArtifact]]:
    """The states of all nodes of a roll, and what is wanted of each component, ZooKeeper's version found out.

    Raises:
        InputError: a version can't be had, or the step to it is not allowed.
        ClusterctlError: an upgrade of some node would fail; all reasons are in the message. Nothing was touched.
    """
    names = list(dict.fromkeys(name for each in targets.values() for name in each))
    packages = [each.package for each in wanted.values() if each.package]
    zookeepers = Service.ZOOKEEPER in targets
    try:
        states = node_states(
            hosts, names, [*packages, *([ZOOKEEPER_PACKAGE] if zookeepers else [])], refresh=zookeepers
        )
    except PlaybookError as error:
        lines = [f"  {name}: {why}" for name, why in reasons(error, names).items()]
        raise ClusterctlError(
            "nodes of this roll can't be looked at; nothing was changed:\n" + "\n".join(lines),
            hint="Fix them, or leave them out with --only.",
        ) from error
    wanted = dict(wanted)
    if zookeepers:
        wanted["zookeeper"] = _zookeeper(states, targets[Service.ZOOKEEPER], to)
    steps = [(name, wanted[COMPONENTS[service]]) for service, each in targets.items() for name in each]
    wrong = [why for name, want in steps if (why := wrong_step(name, states[name], want))]
    if wrong:
        raise InputError("this upgrade is refused; nothing was changed:\n" + "\n".join(f"  {why}" for why in wrong))
    in_the_way = dict.fromkeys(why for name, want in steps for why in obstacles(name, states[name], want))
    if in_the_way:
        raise ClusterctlError(
            "the upgrade would fail halfway; nothing was changed:\n" + "\n".join(f"  {why}" for why in in_the_way)
        )
    return states, wanted


def _zookeeper(states: Mapping[str, NodeState], names: Sequence[str], to: str | None) -> WantedArtifact:
    """ZooKeeper comes from the distribution: its version is what apt offers on every node."""
    if to is not None:
        return WantedArtifact("zookeeper", to, package=ZOOKEEPER_PACKAGE)
    offered = {states[name].packages.get(ZOOKEEPER_PACKAGE, PackageFacts()).candidate for name in names}
    if len(offered) != 1 or "" in offered:
        text = ", ".join(sorted(each or "none" for each in offered))
        raise InputError(f"--to: is missing, and the nodes are offered different versions of ZooKeeper: {text}")
    return WantedArtifact("zookeeper", offered.pop(), package=ZOOKEEPER_PACKAGE)


def unfinished(
    targets: Mapping[Service, Sequence[str]], states: Mapping[str, NodeState], wanted: Mapping[str, WantedArtifact]
) -> dict[Service, list[str]]:
    """What is left: nodes that don't run with what is wanted yet, by service."""
    return {
        service: [name for name in names if not has(states[name], service, wanted[COMPONENTS[service]])]
        for service, names in targets.items()
    }


def stage(hosts: Hosts, left: Mapping[Service, Sequence[str]], wanted: Mapping[str, WantedArtifact]) -> None:
    """Brings the artifacts to all nodes that will get them, while nothing is changed yet.

    Raises:
        ClusterctlError: that failed on some of them.
    """
    for component, want in wanted.items():
        names = list(
            dict.fromkeys(name for each, names in left.items() if COMPONENTS[each] == component for name in names)
        )
        if not names or want.path is None:
            continue
        try:
            hosts.run("stage", names, {"roll_artifact": want.artifact})
        except PlaybookError as error:
            lines = [f"  {name}: {why}" for name, why in reasons(error, names).items()]
            raise ClusterctlError(
                f"{component} {want.version} can't be brought to its nodes; no service was touched:\n"
                + "\n".join(lines),
                hint="Fix them, or leave them out with --only.",
            ) from error
