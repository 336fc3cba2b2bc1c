"""What a verb of the Jenkins tier stands on: Marathon, the masters' nodes, the lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from clusterctl.errors import ClusterctlError, NodeError
from clusterctl.health.expect import Expected, Node, expected
from clusterctl.health.facts import AgentFacts
from clusterctl.health.mesos import leading_master
from clusterctl.jenkins.slots import port_plan
from clusterctl.ops.jenkins.survey import Master, Survey, read_apps, read_elsewhere, read_host
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.run import Run
from clusterctl.remote.jenkinsnodes import Asked, JenkinsNodes, Reply, SshJenkinsNodes
from clusterctl.remote.marathons import Call, Marathon, MarathonError, SshMarathon
from clusterctl.remote.masters import Masters, SshMasters
from clusterctl.secrets.logins import operator_logins
from clusterctl.spec.model import ClusterSpec

# One call: apps, their tasks, and why the last one of each failed
APPS = Call("GET", "/v2/apps?embed=apps.tasks&embed=apps.lastTaskFailure")


class TierReport(Protocol):
    """What a verb did, with the masters with which it failed."""

    @property
    def failed(self) -> Mapping[str, str]:
        """By name, why."""

    def to_json(self) -> dict[str, Any]:
        """All of it."""


class PartlyFailed(ClusterctlError):
    """Some masters failed; ``report`` has all of them."""

    def __init__(self, what: str, report: TierReport, of: int, go_on: Command) -> None:
        super().__init__(
            f"{len(report.failed)} of {of} Jenkins masters are {what}:\n"
            + "\n".join(f"  {name}: {why}" for name, why in report.failed.items()),
            hint=f"The others are done. `{go_on}` goes on with these.",
        )
        self.report = report


@dataclass(frozen=True)
class Tier:
    """The Jenkins tier of a running cluster.

    Attributes:
        base: directory that relative paths of the cluster file start from.
    """

    run: Run
    base: Path
    expect: Expected
    marathon: Marathon
    mesos: Masters
    jenkins: JenkinsNodes

    @property
    def spec(self) -> ClusterSpec:
        """The cluster file's."""
        return self.run.spec

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Agents for masters."""
        return tuple(node for node in self.expect.agents if node.group == self.spec.masters_group)

    def survey(self) -> Survey:
        """One call to Marathon, and one to each node for masters.

        Raises:
            MarathonError: no Marathon answers.
        """
        listed = self.apps()
        answers = self.homes_of(self.nodes, {"action": "survey"})
        read = [read_host(self.spec, node, answers[node.name]) for node in self.nodes]
        return Survey(
            spec=self.spec,
            apps=read_apps(self.spec, listed),
            homes=tuple(home for _, homes in read for home in homes),
            hosts=tuple(host for host, _ in read),
            elsewhere=read_elsewhere(self.spec, listed),
        )

    def apps(self) -> list[dict[str, Any]]:
        """All apps with their tasks. Raises MarathonError."""
        [answer] = self.marathon.call([APPS])
        if not answer.ok:
            raise MarathonError(f"Marathon doesn't list its apps: {answer.reason}")
        return list(answer.body["apps"])

    def agents(self) -> dict[str, AgentFacts]:
        """Active agents by address, as the leading Mesos master knows them. Raises ClusterctlError where none leads."""
        leader = leading_master(self.expect, self.run.access.prober.probe(self.expect.control))
        if leader is None:
            raise ClusterctlError("no Mesos master leads", hint="`clusterctl verify FILE` shows what the masters lack.")
        return {agent.hostname: agent for agent in leader[1].agents or () if agent.active}

    def request(self, **words: Any) -> dict[str, Any]:
        """A request to ``jenkinshome.py``, with the directory of the homes and the mount point under it."""
        group = self.spec.groups[self.spec.masters_group or ""]
        mount = group.volume.mount if group.volume else None
        return {"directory": self.spec.homes_directory, "mount": mount, **words}

    def homes_of(self, nodes: Sequence[Node], words: Mapping[str, Any]) -> dict[str, Any]:
        """One action on these nodes; by node name its answer or a NodeError."""
        return self.jenkins.homes({node.name: self.request(**words) for node in nodes}, nodes)

    def home(self, node: Node, action: str, **words: Any) -> Any:
        """One action on one node. Raises NodeError."""
        answer = self.homes_of([node], {"action": action, **words})[node.name]
        if isinstance(answer, NodeError):
            raise answer
        return answer

    def call(self, masters: Sequence[Master], *calls: Mapping[str, Any]) -> dict[str, list[Reply] | NodeError]:
        """The same calls to each of these masters; by name."""
        return self.jenkins.call([asked(master, calls) for master in masters])

    def deploy(self, calls: Mapping[str, Call], *, absent: bool = False) -> dict[str, str]:
        """Makes a call for each master; by name why Marathon refused it.

        Args:
            absent: an app that isn't there is what is wanted.
        """
        answers = self.marathon.call(list(calls.values())) if calls else []
        return {
            name: answer.reason
            for name, answer in zip(calls, answers, strict=True)
            if not (answer.ok or (absent and answer.status == 404))
        }

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the cluster's lock; errors of the body say how to go on."""
        with self.run.guard.hold(self.spec.cluster, self.run.cloud):
            try:
                yield
            except ClusterctlError as error:
                hint = f"{error.hint} " if error.hint else ""
                error.hint = f"{hint}What was made stays; `{self.run.command}` goes on from here."
                raise


def asked(master: Master, calls: Sequence[Mapping[str, Any]]) -> Asked:
    """Calls to one master, which must have a node."""
    if master.node is None:
        raise ClusterctlError(f"master {master.name} has no node: {'; '.join(master.problems)}")
    return Asked(master.name, master.node, master.ports.http, calls)


def open_tier(run: Run, file: Path) -> Tier:
    """The tier of a running cluster; one list of servers, and no call to a node yet.

    Args:
        file: the cluster file.

    Raises:
        ClusterctlError: the file has no tier, or the cluster no node for masters.
    """
    spec, access = run.spec, run.access
    port_plan(spec)  # raises without a tier
    assert spec.homes_directory is not None  # noqa: S101
    expect = expected(spec, run.cloud.servers(spec.cluster), run.cloud.flavors())
    tier = Tier(
        run=run,
        base=file.resolve().parent,
        expect=expect,
        marathon=SshMarathon(access.ssh, access.host_keys, expect.control, operator_logins(spec)),
        mesos=SshMasters(access.ssh, access.host_keys, expect.control, operator_logins(spec)),
        jenkins=SshJenkinsNodes(access.ssh, access.host_keys, spec.homes_directory),
    )
    if not tier.nodes:
        raise ClusterctlError(
            f"cluster {spec.cluster} has no server in group {spec.masters_group!r}, which hosts Jenkins masters",
            hint="`clusterctl create FILE` makes it.",
        )
    return tier
