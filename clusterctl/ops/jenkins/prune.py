"""``jenkins prune``: homes that were set aside, by ``restore`` or ``move``, are deleted for good."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from clusterctl.errors import InputError, NodeError
from clusterctl.health.expect import Node
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.outcome import Outcome
from clusterctl.ops.jenkins.survey import Survey

# jenkinshome.set_aside
_ENTRY = re.compile(r"(?P<name>.+)-(?P<time>[0-9]{8}T[0-9]{6}Z)")


@dataclass(frozen=True)
class AsideHome:
    """A home in ``.aside``. ``time``: when it was set aside, UTC, ``20261126T153000Z``."""

    node: Node
    entry: str
    name: str
    time: str


def homes_aside(survey: Survey) -> list[AsideHome]:
    """All of them by master, the oldest first. What has another name was put there by a person and is left alone."""
    found = [
        AsideHome(host.node, entry, match["name"], match["time"])
        for host in survey.hosts
        for entry in host.aside
        if (match := _ENTRY.fullmatch(entry))
    ]
    return sorted(found, key=lambda home: (home.name, home.time, home.node.name))


def prune(tier: Tier, names: Sequence[str] | None, *, keep: int, confirm: Callable[[Sequence[str]], None]) -> Outcome:
    """Deletes homes that were set aside; of each master the newest ``keep`` stay.

    Args:
        names: of masters, which need not be there any more; None for all.
        confirm: shown what goes; returns only with consent. Not called if nothing does.

    Raises:
        InputError: of a name no home is set aside.
        PartlyFailed: some are not deleted, or a node can't be asked.
    """
    out = Outcome(tier.spec.cluster, "prune")
    with tier.locked():
        survey = tier.survey()
        out.fail({host.node.name: host.error for host in survey.silent})
        doomed = _doomed(homes_aside(survey), names, keep, complete=not survey.silent)
        at: dict[str, list[AsideHome]] = {}
        for home in doomed:
            at.setdefault(home.node.name, []).append(home)
        if doomed:
            sizes = _ask(tier, at, "sizes", out)
            confirm([_line(home, sizes.get(home.node.name, {}).get(home.entry)) for home in doomed])
            with tier.run.progress.phase("delete"):
                done = _ask(tier, {node: at[node] for node in sizes}, "purge", out)
            for home in doomed:
                if home.node.name in done:
                    out.done[home.entry] = f"deleted on {home.node.name}"
    return out.end(tier, "not pruned")


def _doomed(homes: Sequence[AsideHome], names: Sequence[str] | None, keep: int, *, complete: bool) -> list[AsideHome]:
    by_name: dict[str, list[AsideHome]] = {}
    for home in homes:
        by_name.setdefault(home.name, []).append(home)
    unknown = [name for name in names or () if name not in by_name]
    if unknown and complete:
        there = ", ".join(by_name) or "none"
        raise InputError(f"NAME: found {', '.join(unknown)}; allowed: masters with a home set aside: {there}")
    chosen = [each for name, each in by_name.items() if names is None or name in names]
    return [home for each in chosen for home in each[: max(0, len(each) - keep)]]


def _ask(tier: Tier, at: Mapping[str, Sequence[AsideHome]], action: str, out: Outcome) -> dict[str, dict[str, int]]:
    """The answers by node; what a node refuses fails for all its homes."""
    requests = {
        node: tier.request(action=action, names=[], aside=[home.entry for home in homes]) for node, homes in at.items()
    }
    found: dict[str, dict[str, int]] = {}
    for node, answer in tier.jenkins.homes(requests, tier.nodes).items():
        if isinstance(answer, NodeError):
            out.fail({home.entry: answer.message for home in at[node]})
        else:
            found[node] = answer or {}
    return found


def _line(home: AsideHome, mib: int | None) -> str:
    return f"- {home.entry} on {home.node.name} ({'size unknown' if mib is None else f'{mib} MiB'})"
