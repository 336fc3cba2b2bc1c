"""``jenkins list`` and ``jenkins status``: they only look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clusterctl.errors import NodeError
from clusterctl.health.mesos import leading_master
from clusterctl.jenkins.app import framework_name
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.survey import Host, Master, Survey
from clusterctl.ops.jenkins.volumes import scarce
from clusterctl.remote.jenkinsnodes import Reply

_QUESTIONS: Sequence[Mapping[str, Any]] = (
    {"method": "GET", "path": "/api/json?tree=quietingDown,jobs[name]"},
    {"method": "GET", "path": "/computer/api/json?tree=busyExecutors,computer[displayName,offline]"},
    {"method": "GET", "path": "/queue/api/json?tree=items[id,why]"},
    {"method": "GET", "path": "/pluginManager/api/json?depth=1&tree=plugins[shortName,version,active]"},
)


@dataclass(frozen=True)
class ListReport:
    """All masters, and the nodes for them.

    Attributes:
        scarce: by name of a node, that its homes have too little room.
    """

    cluster: str
    masters: tuple[Master, ...]
    hosts: tuple[Host, ...]
    scarce: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """``{"cluster", "masters": [...], "nodes": [...]}``."""
        return {
            "cluster": self.cluster,
            "masters": [master_json(master) for master in self.masters],
            "nodes": [
                {
                    "name": host.node.name,
                    "address": host.node.address,
                    "masters": sum(m.node is not None and m.node.name == host.node.name for m in self.masters),
                    "free_mib": host.free_mib,
                    "size_mib": host.size_mib,
                    "releases": sorted(host.releases),
                    "release": host.current,
                    "aside": list(host.aside),
                    "error": host.error,
                    "trouble": self.scarce.get(host.node.name, ""),
                }
                for host in self.hosts
            ],
        }


@dataclass(frozen=True)
class MasterReport:
    """One master, asked itself. What could not be had is None, and ``trouble`` says why.

    Attributes:
        framework: whether it is registered with Mesos now; on demand it is only while builds wait or run.
        builds: running ones.
        agents: connected ones, its own node not counted.
    """

    master: Master
    core: str | None
    plugin: str | None
    framework: bool | None
    quiet: bool | None
    jobs: int | None
    builds: int | None
    queue: int | None
    agents: int | None
    home_mib: int | None
    trouble: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What ``list`` shows of it, and all attributes by name."""
        found = {key: value for key, value in vars(self).items() if key not in ("master", "trouble")}
        return {**master_json(self.master), **found, "trouble": list(self.trouble)}


def master_json(master: Master) -> dict[str, Any]:
    """A master as documents have it."""
    return {
        "name": master.name,
        "slot": master.slot,
        "state": master.state,
        "node": master.node.name if master.node else None,
        "url": master.url,
        "ports": dict(vars(master.ports)),
        "release": master.app.release if master.app else None,
        "failure": master.app.failure if master.app else "",
        "lacks": master.lacks,
        "problems": list(master.problems),
    }


def list_masters(tier: Tier) -> ListReport:
    """Everything that Marathon and the nodes know. A node that doesn't answer is part of the report."""
    survey = tier.survey()
    tight = {host.node.name: text for host in survey.hosts if (text := scarce(tier.spec, host))}
    return ListReport(tier.spec.cluster, tuple(survey.masters.values()), survey.hosts, tight)


def status(tier: Tier, name: str) -> MasterReport:
    """One master, with what it says itself.

    Raises:
        ClusterctlError: there is none of that name.
    """
    survey = tier.survey()
    [master] = survey.named([name])
    return ask(tier, survey, [master])[name]


def ask(tier: Tier, survey: Survey, masters: Sequence[Master]) -> dict[str, MasterReport]:
    """Asks these masters, Mesos for their frameworks, and their nodes for what their homes take; by name."""
    awake = [master for master in masters if master.app and master.app.instances and master.node]
    replies = tier.call(awake, *_QUESTIONS)
    homes: dict[str, list[str]] = {}
    for master in masters:
        if master.home and master.node and not survey.host(master.node).error:
            homes.setdefault(master.node.name, []).append(master.name)
    requests = {node: tier.request(action="sizes", names=names) for node, names in homes.items()}
    sizes: dict[str, int | None] = {}
    for answer in tier.jenkins.homes(requests, tier.nodes).values():
        sizes |= {} if isinstance(answer, NodeError) else answer
    frameworks = registered(tier)
    return {
        master.name: _report(
            master,
            replies.get(master.name),
            None if frameworks is None else framework_name(tier.spec, master.name) in frameworks,
            sizes.get(master.name),
            scarce(tier.spec, survey.host(master.node)) if master.node else "",
        )
        for master in masters
    }


def registered(tier: Tier) -> frozenset[str] | None:
    """Names of the frameworks that are active now; None where no Mesos master leads."""
    leader = leading_master(tier.expect, tier.run.access.prober.probe(tier.expect.control))
    return None if leader is None else frozenset(each.name for each in leader[1].frameworks if each.active)


def _report(
    master: Master,
    replies: Sequence[Reply] | NodeError | None,
    framework: bool | None,
    home_mib: int | None,
    volume: str,
) -> MasterReport:
    trouble = [*master.problems, *filter(None, (master.lacks, volume))]
    bodies: list[Any] = [None] * len(_QUESTIONS)
    core = None
    if isinstance(replies, NodeError):
        trouble.append(replies.message)
    elif replies is not None:
        bodies = [reply.body if reply.status == 200 and isinstance(reply.body, dict) else None for reply in replies]
        core = replies[0].headers.get("x-jenkins")
        trouble += [] if bodies[0] is not None else [f"/api/json: {replies[0].reason}"]
    api, computer, queue, plugins = bodies
    mesos = [each for each in (plugins or {}).get("plugins", []) if each.get("shortName") == "mesos"]
    nodes = (computer or {}).get("computer", [])
    return MasterReport(
        master=master,
        core=core,
        plugin=str(mesos[0].get("version")) if mesos else None,
        framework=framework,
        quiet=None if api is None else bool(api.get("quietingDown")),
        jobs=None if api is None else len(api.get("jobs", [])),
        builds=None if computer is None else int(computer.get("busyExecutors", 0)),
        queue=None if queue is None else len(queue.get("items", [])),
        # the first is the master's own
        agents=None if computer is None else sum(not each.get("offline", True) for each in nodes[1:]),
        home_mib=home_mib,
        trouble=tuple(trouble),
    )
