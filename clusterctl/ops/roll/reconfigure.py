"""``reconfigure``: agents as a changed cluster file wants them, each by the way that its change takes.

Classified first (``roll.changes``), then: additive changes are written and the agent restarted under its id, batch by
batch; agents that need a new identity are drained, stopped, stripped of the old one, configured and started. An
agent's files are written only in its own step: an agent that crashed meanwhile must find the old ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from clusterctl.ansible.playbook import PlaybookError
from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.day2.hosts import Hosts, set_unit, why
from clusterctl.ops.kit.run import Run
from clusterctl.ops.observe.look import Cluster, Look
from clusterctl.ops.roll import gates
from clusterctl.ops.roll.changes import AgentChange, Kind, agent_changes, other_flavors
from clusterctl.ops.roll.drain import Drainer
from clusterctl.ops.roll.gates import CHANGED
from clusterctl.ops.roll.ground import Rolling
from clusterctl.ops.roll.order import batch_size, batches, chosen
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.roll.restart import Restart
from clusterctl.ops.roll.steps import Roll
from clusterctl.ops.roll.window import roll_service
from clusterctl.remote.masters import DRAINED
from clusterctl.services import Service

_AGENT = Service.MESOS_AGENT


@dataclass(frozen=True)
class Reconfigure(Restart):
    """The work of an additive change: files, then a restart (``roll.steps.Work``)."""

    verb: str = "reconfigure"

    def apply(self, service: Service, names: Sequence[str]) -> None:
        """See ``Work``."""
        self.hosts.run("site", names)
        super().apply(service, names)


def classified(look: Look, cluster: Cluster, only: Collection[str] = ()) -> list[AgentChange]:
    """What each agent, or each of ``only``, needs. Raises InputError for an unknown name."""
    names = chosen(look.expect, (_AGENT,), only).get(_AGENT, [])
    refused = other_flavors(look.spec, look.servers, cluster.flavors)
    return [change for change in agent_changes(look.expect, look.facts, refused) if change.node in names]


def consented(changes: Sequence[AgentChange], drainer: Drainer, *, allow_drain: bool) -> None:
    """Checks, before any agent is touched, that all changes can and may be made.

    Raises:
        InputError: agents would be drained, and nobody allowed it.
        ClusterctlError: changes are refused.
    """
    moving = [change for change in changes if change.kind is Kind.NEW_IDENTITY]
    bound = drainer.refusals([change.node for change in moving]) if moving else {}
    refused = [change.line for change in changes if change.kind is Kind.REFUSED]
    refused += [f"{name}: refused: {reason}" for name, reason in bound.items()]
    if refused:
        raise ClusterctlError(
            "these agents can't take the change; nothing was touched:\n" + "\n".join(f"  {line}" for line in refused),
            hint="Fix them, undo that part of the file, or name the other agents with --only.",
        )
    if moving and not allow_drain:
        raise InputError(
            "these agents need a new identity, and their tasks would move; nothing was touched:\n"
            + "\n".join(f"  {change.line}" for change in moving),
            hint="--allow-drain consents to that.",
        )


@dataclass
class Renewal:
    """New identities for agents, in batches.

    Attributes:
        drain_timeout_s: for the frameworks to see off the tasks of a batch.
    """

    roll: Roll
    hosts: Hosts
    drainer: Drainer
    drain_timeout_s: float

    def run(self, names: Sequence[str], *, size: int) -> None:
        """Renews agents; the first failure stops the run.

        Raises: as ``Roll.run``.
        """
        everyone = self.roll.ready(_AGENT, absent=names).nodes(names)
        for batch in batches(everyone, size):
            # Its own agents may be draining still, from a run that was stopped
            before = self.roll.ready(_AGENT, absent=batch)
            known = before.agents
            ids = {node.name: known[node.address].id for node in before.nodes(batch) if node.address in known}
            with self.roll.progress.phase(f"renew {', '.join(batch)}"):
                try:
                    self._renew(ids)
                except (ClusterctlError, KeyboardInterrupt) as error:
                    for name in batch:
                        reason = why(error, name) if isinstance(error, ClusterctlError) else "Ctrl-C"
                        self.roll.journal.fail(_AGENT, name, reason, self._back(name, ids.get(name)))
                    raise self.roll.journal.stopped(f"agents {', '.join(batch)}") from error
            for name in batch:
                self.roll.journal.finish(_AGENT, name)

    def _renew(self, ids: Mapping[str, str]) -> None:
        self.drainer.drain(ids, timeout_s=self.drain_timeout_s)
        self.hosts.run("new-identity", list(ids), {"drained_agents": dict(ids)})
        self.hosts.run("site", list(ids))

        def problems(look: Look) -> list[str]:
            return [problem for node in look.nodes(ids) for problem in gates.renewed(look, node, ids[node.name])]

        self.roll.cluster.wait(
            problems,
            what="agents registered anew",
            timeout_s=self.roll.patience.gate(_AGENT),
            also=list(ids),
        )

    def _back(self, name: str, agent: str | None) -> str:
        """Puts an agent back that could not be renewed; returns how it was left."""
        try:
            set_unit(self.hosts, _AGENT, [name], "started")
            look = self.roll.cluster.wait(
                lambda look: gates.registered(look, name),
                what=f"{name} registered",
                timeout_s=self.roll.patience.gate(_AGENT),
                also=[name],
            )
            own = look.facts[name].mesos_agent
            if own is None or own.id != agent:
                return "back under a new id"
            drain = next((each.drain for each in look.agents.values() if each.id == agent), None)
            if drain == DRAINED:
                self.drainer.reactivate(agent)
                return "back in service under its old id"
            if drain:
                return f"still {drain.lower()}: its frameworks have not acknowledged the end of all tasks"
        except PlaybookError as error:
            return f"NOT in service: {why(error, name)}"
        except ClusterctlError as error:
            return f"NOT in service: {error.message}"
        return "in service as it was"


def reconfigure_agents(
    rolling: Rolling,
    only: Sequence[str],
    *,
    allow_drain: bool,
    drain_timeout_s: float,
    batch: str,
    max_failures: int,
) -> Journal:
    """Brings agents to what the cluster file says; those that are so already are left alone.

    Raises:
        InputError: agents would be drained without consent, or an option is wrong; nothing was touched.
        ClusterctlError: a change is refused; nothing was touched.
        UnhealthyError: the cluster is not healthy; nothing was touched.
        RollError: a step failed.
    """
    rolling.run.refuse_left_open()
    look = rolling.cluster.look()
    changes = classified(look, rolling.cluster, only)
    size = batch_size(batch, len(look.expect.agents))
    consented(changes, rolling.drainer, allow_drain=allow_drain)
    of_kind = {kind: [change.node for change in changes if change.kind is kind] for kind in Kind}
    journal = Journal(rolling.run.spec.cluster, "reconfigure of agents", lambda _: str(rolling.run.command))
    journal.facts["agents"] = [change.to_json() for change in changes]
    journal.skipped += [(Service.MESOS_AGENT, name) for name in of_kind[Kind.UNCHANGED]]
    journal.plan(Service.MESOS_AGENT, of_kind[Kind.ADDITIVE] + of_kind[Kind.NEW_IDENTITY])
    roll = rolling.roll(Reconfigure(rolling.hosts), journal, overlook=CHANGED)
    if of_kind[Kind.ADDITIVE]:
        roll_service(roll, Service.MESOS_AGENT, of_kind[Kind.ADDITIVE], batch=size, max_failures=max_failures)
    if of_kind[Kind.NEW_IDENTITY]:
        Renewal(roll, rolling.hosts, rolling.drainer, drain_timeout_s).run(of_kind[Kind.NEW_IDENTITY], size=size)
    roll.overlook = () if not only else CHANGED
    return rolling.end(roll, Service.MESOS_AGENT)


def plan_agents(run: Run) -> list[AgentChange]:
    """What the cluster file means for each agent; nothing is touched. Raises CloudError."""
    cluster = Cluster(run.spec, run.cloud, run.access.prober)
    return classified(cluster.look(), cluster)


def no_new_identity(run: Run) -> None:
    """Checks, before files are written to agents, that none of them would refuse to start with them.

    Where no master leads, agents can't be asked about, and nothing is refused: it may be just that that is repaired.

    Raises:
        InputError: agents need a new identity.
    """
    lines = [change.line for change in plan_agents(run) if change.kind is Kind.NEW_IDENTITY]
    if lines:
        raise InputError(
            "these agents would refuse to start with their new files; nothing was written:\n"
            + "\n".join(f"  {line}" for line in lines),
            hint=f"`{run.command.other('reconfigure', allow_drain=True)}` drains them first.",
        )
