"""``secure``: a cluster that serves comes to what its file closes, by the stages of ``secrets.stages``.

Each stage writes files on all nodes, and then restarts what runs with older ones by gated rolls. How far a cluster is,
its nodes tell: a command that was killed is finished by the same command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.health.marathon import leading_marathon
from clusterctl.health.mesos import leading_master
from clusterctl.ops.day2.configure import pending_restarts
from clusterctl.ops.kit.delivery import is_control
from clusterctl.ops.observe.look import Cluster, Look
from clusterctl.ops.roll.ground import Rolling
from clusterctl.ops.roll.order import batch_size
from clusterctl.ops.roll.reconfigure import no_new_identity
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.roll.restart import Restart
from clusterctl.ops.roll.steps import Patience, Roll
from clusterctl.ops.roll.window import roll_service
from clusterctl.ops.secure.closings import closings
from clusterctl.resources import Server
from clusterctl.secrets.stages import ROLLED, TOLD, Closing, Stage, Way, kept_closed, way_of
from clusterctl.services import UNITS, Service
from clusterctl.spec.security import Part

# Given lines that say what will be done; raises CancelledError for no
Consent = Callable[[Sequence[str]], None]
# What strangers are refused when a part is closed
_REFUSED: Mapping[Part, str] = {
    Part.ZOOKEEPER: "ZooKeeper: whoever has no password reads /mesos and Marathon's leader, and nothing else",
    Part.MESOS: "Mesos: frameworks, agents and whoever asks masters or agents over HTTP need a secret",
    Part.MARATHON: "Marathon: its API wants a password, from the first instance that is restarted on",
}
_SHOWN = 8


@dataclass
class SecureReport:
    """What ``secure`` did; ``to_json`` is its ``--json`` form.

    Attributes:
        closed: parts that the file closes; ``still_open``: the others.
        stages: one entry a stage: ``{"stage", "changed", "restarted": [[service, node]...]}``.
    """

    cluster: str
    closed: list[str]
    still_open: list[str]
    stages: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def restarted(self) -> int:
        """Number of restarts."""
        return sum(len(stage["restarted"]) for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """``{"cluster", "closed", "open", "stages", "restarted", "healthy", "seconds"}``."""
        return {
            "cluster": self.cluster,
            "closed": self.closed,
            "open": self.still_open,
            "stages": self.stages,
            "restarted": self.restarted,
            "healthy": True,
            "seconds": self.seconds,
        }


def secure(rolling: Rolling, consent: Consent, *, batch: str) -> SecureReport:
    """Closes what the file closes, under the cluster's lock; security groups are ``create``'s.

    Raises:
        InputError: nodes have closed what the file leaves open, or agents need a new identity; nothing was touched.
        NodeError: a node can't be asked; nothing was touched.
        ClusterctlError: frameworks would be shut out, or the key is lost; nothing was touched.
        CancelledError: of ``consent``.
        UnhealthyError: the cluster is not healthy; nothing was touched.
        RollError: a step failed.
    """
    return _Securing(rolling, batch).run(consent)


class _Securing:
    def __init__(self, rolling: Rolling, batch: str) -> None:
        self.rolling, self.at = rolling, rolling.run
        self.spec = rolling.run.spec
        self.journal = Journal(self.spec.cluster, "secure", lambda _: str(self.at.command))
        self.batch = batch
        self.report = SecureReport(
            self.spec.cluster,
            [str(part) for part in Part if self.spec.secured(part)],
            [str(part) for part in self.spec.security.open_parts],
        )

    def run(self, consent: Consent) -> SecureReport:
        """See ``secure``."""
        run = self.at
        with run.progress.phase("look at nodes"):
            servers = run.cloud.servers(self.spec.cluster)
            nodes = closings(self.spec, servers, run.access)
            self._keep_closed(nodes)
            way = way_of(self.spec, nodes.values())
            look = self._roll(way, way.stages[0]).ready(Service.ZOOKEEPER)
            size = batch_size(self.batch, len(look.expect.agents))
            refuse_strangers(way, look)
            no_new_identity(run)
        if lines := list(told(way, nodes)):
            consent(lines)
        with run.going_on():
            self._bring_secrets(servers, nodes)
            for stage in way.stages:
                self._stage(way, stage, size)
            with run.progress.phase("verify"):
                self._roll(way, Stage.REQUIRED).ready(Service.MARATHON)
        self.report.seconds = dict(run.progress.seconds)
        return self.report

    def _keep_closed(self, nodes: Mapping[str, Closing]) -> None:
        if kept := kept_closed(self.spec, nodes.values()):
            names = ", ".join(kept)
            raise InputError(
                f"security: the file leaves {names} open, and nodes have it closed, or are on the way; nothing was "
                "touched",
                hint=f"Nothing is opened so: close {names} in the file, too.",
            )

    def _bring_secrets(self, servers: Sequence[Server], nodes: Mapping[str, Closing]) -> None:
        """To control nodes first: where they keep the key, nothing that was derived from it may be anywhere before."""
        if not self.spec.has_secrets:
            return
        delivery = self.at.delivery
        with self.at.progress.phase("secrets"):
            delivery.begin(self.spec, servers, untouched=not any(node.secrets for node in nodes.values()))
            delivery.settle(self.spec, servers, [server.name for server in servers if is_control(server)])
            delivery.settle(self.spec, servers)

    def _stage(self, way: Way, stage: Stage, size: int) -> None:
        roll, progress = self._roll(way, stage), self.at.progress
        with progress.phase(f"{TOLD[stage]}: files"):
            roll.ready(Service.ZOOKEEPER)
            names = [server.name for server in self.at.cloud.servers(self.spec.cluster)]
            result = self.rolling.hosts.run("site", names, way.variables(stage))
        pending = list(pending_restarts(result))
        todo = {
            service: [node for node, unit in pending if unit == f"{UNITS[service]}.service"]
            for service in ROLLED[stage]
        }
        for service, nodes in todo.items():
            self.journal.plan(service, nodes)
        before = len(self.journal.done)
        for service, nodes in todo.items():
            if nodes:
                roll_service(roll, service, nodes, batch=size, max_failures=0)
        restarted = [[service.value, name] for service, name in self.journal.done[before:]]
        self.report.stages.append({"stage": stage.name.lower(), "changed": result.changed, "restarted": restarted})

    def _roll(self, way: Way, stage: Stage) -> Roll:
        run = self.at
        cluster = Cluster(way.judged(stage), run.cloud, run.access.prober, run.waiter, run.progress.note)
        work = Restart(self.rolling.hosts)
        return Roll(cluster, work, self.journal, run.progress, Patience(self.rolling.timeout_s))


def refuse_strangers(way: Way, look: Look) -> None:
    """Frameworks that the closed masters would refuse, found before anything is touched.

    Raises:
        ClusterctlError: there are some.
    """
    position = way.positions.get(Part.MESOS)
    if position is None or position.left is None or position.left > Stage.CLIENTS:
        return  # open, closed, or all clients know their secrets
    leader, marathon = leading_master(look.expect, look.facts), leading_marathon(look.expect, look.facts)
    frameworks = leader[1].frameworks if leader else ()
    strangers = [
        f"framework {each.name or 'without a name'} ({each.id})"
        for each in frameworks
        if each.id != look.framework and (each.active or each.connected)
    ]
    apps = marathon[1].jenkins if marathon else ()
    masters = [f"Jenkins master {each.name}" for each in apps if each.running] if isinstance(apps, tuple) else []
    found = masters or strangers
    if not found:
        return
    shown = ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    hint = (
        "Let them rest meanwhile: `clusterctl jenkins hibernate FILE --all` waits for their builds, and `clusterctl "
        "jenkins wake FILE --all` starts them with their secrets afterwards."
        if masters
        else "Stop them first; what Mesos' ACLs allow besides Marathon and Jenkins masters, docs/security.md says."
    )
    raise ClusterctlError(f"these have no secret that closed masters know; nothing was touched: {shown}", hint=hint)


def told(way: Way, nodes: Mapping[str, Closing]) -> Iterator[str]:
    """What will be done, for a person; nothing where there is nothing to do."""
    pending = sorted((name, unit) for name, node in nodes.items() for unit in node.pending)
    for part in way.closing:
        yield f"close {_REFUSED.get(part, part)}"
    if way.closing:
        yield "by way of: " + ", then ".join(TOLD[stage] for stage in way.stages)
        yield "services restart node by node, between gates; tasks keep running"
    elif pending:
        yield f"restart what runs with older files: {', '.join(f'{unit} on {name}' for name, unit in pending)}"
