"""``secrets rotate``: a closed cluster's secrets come to their next epoch while it serves.

By the stages of ``secrets.epochs``, as ``secure`` goes its own: each stage brings files with secrets to all nodes,
control nodes first, and then restarts what runs with older ones by gated rolls. How far a turn is, its nodes tell: a
command that was killed is finished by the same command, and whatever else brings files to nodes brings those of the
stage. Jenkins masters that run are restarted when all else has come to say the next secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.health.marathon import leading_marathon
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.delivery import is_control
from clusterctl.ops.observe.look import Cluster, Look
from clusterctl.ops.roll.ground import Rolling
from clusterctl.ops.roll.order import batch_size
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.roll.restart import Restart
from clusterctl.ops.roll.steps import Patience, Roll
from clusterctl.ops.roll.window import roll_service
from clusterctl.ops.secure.closings import closings
from clusterctl.secrets.epochs import Epochs, parse_epochs
from clusterctl.secrets.names import MARATHON, jenkins_principal, mesos_secret, names_of, principal_of
from clusterctl.secrets.nodes import EPOCHS_FILE
from clusterctl.secrets.stages import ON_THE_WAY, Closing, Stage, closed_parts
from clusterctl.services import UNITS, Service
from clusterctl.spec.model import ClusterSpec

# Given lines that say what will be done; raises CancelledError for no
Consent = Callable[[Sequence[str]], None]
# Given by slot who its Jenkins master is to Mesos from now on: restarts those that run as somebody else, and returns
# their names. Raises ClusterctlError
Tenants = Callable[[Mapping[int, str]], Sequence[str]]
TOLD: Mapping[Stage, str] = {
    Stage.OFFERED: "servers take the next secrets",
    Stage.CLIENTS: "clients use them",
    Stage.REQUIRED: "the last ones are refused",
}
# Masters before ZooKeepers: what masters get by their restart, ZooKeepers make the only way by theirs. Agents know both
# principals of a Jenkins master before it has another one: they authorize its builds once more
ORDER = (Service.MESOS_MASTER, Service.MARATHON, Service.MESOS_AGENT, Service.ZOOKEEPER)
# Marathon's files change once more before it has to use them
ROLLED: Mapping[Stage, tuple[Service, ...]] = {
    Stage.OFFERED: (Service.MESOS_MASTER, Service.MESOS_AGENT, Service.ZOOKEEPER),
    Stage.CLIENTS: ORDER,
    Stage.REQUIRED: ORDER,
}
JENKINS = "jenkins"  # in the place of a service, in reports
_SHOWN = 12
_MARATHONS = "marathon."  # how the names of its checks begin


@dataclass
class RotateReport:
    """What ``rotate`` did; ``to_json`` is its ``--json`` form.

    Attributes:
        names: of the secrets that turned.
        epochs: by name, those that they have now.
        stages: one entry a stage: ``{"stage", "changed": number of files, "restarted": [[service, node]...]}``.
    """

    cluster: str
    names: list[str]
    epochs: dict[str, int] = field(default_factory=dict)
    stages: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def restarted(self) -> int:
        """Number of restarts."""
        return sum(len(stage["restarted"]) for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """``{"cluster", "epochs": {NAME: epoch}, "stages", "restarted", "healthy", "seconds"}``."""
        return {
            "cluster": self.cluster,
            "epochs": self.epochs,
            "stages": self.stages,
            "restarted": self.restarted,
            "healthy": True,
            "seconds": self.seconds,
        }


def rotate(rolling: Rolling, names: Sequence[str], consent: Consent, *, batch: str, tenants: Tenants) -> RotateReport:
    """Turns secrets of a closed cluster, under its lock; or finishes the turn that is under way.

    Args:
        names: of ``secrets.names``; none for all.

    Raises:
        InputError: a name is unknown, or the cluster is open; nothing was touched.
        NodeError: a node can't be asked; nothing was touched.
        ClusterctlError: another turn is under way, nothing was touched; or Jenkins masters could not be restarted.
        CancelledError: of ``consent``.
        UnhealthyError: the cluster is not healthy; nothing was touched.
        RollError: a step failed.
    """
    checked(rolling.run.spec, names)
    return _Rotating(rolling, names, batch, tenants).run(consent)


def checked(spec: ClusterSpec, names: Sequence[str]) -> None:
    """Raises: InputError: there are no such secrets."""
    allowed = [name for part in closed_parts(spec) for name in names_of(spec, part)]
    if not allowed:
        raise InputError(
            f"cluster {spec.cluster}: its file closes nothing that has secrets, so there are none to turn over",
            hint="`security.insecure` names open parts; `clusterctl secure FILE` closes what it names no more.",
        )
    if unknown := [name for name in names if name not in allowed]:
        raise InputError(
            f"NAME: found {', '.join(map(repr, unknown))}; allowed: {', '.join(allowed)}",
            hint="No name turns all of them. Names of parts that are open have no secrets.",
        )


class _Rotating:
    def __init__(self, rolling: Rolling, names: Sequence[str], batch: str, tenants: Tenants) -> None:
        self.rolling, self.at, self.tenants = rolling, rolling.run, tenants
        self.spec = rolling.run.spec
        self.names, self.batch = tuple(sorted(set(names))), batch
        self.journal = Journal(self.spec.cluster, "turn of secrets", lambda _: str(self.at.command))
        existing = [name for part in closed_parts(self.spec) for name in names_of(self.spec, part)]
        self.turned = [name for name in existing if not names or name in names]
        self.report = RotateReport(self.spec.cluster, self.turned)

    def run(self, consent: Consent) -> RotateReport:
        """See ``rotate``."""
        run = self.at
        with run.progress.phase("look at nodes"):
            servers = run.cloud.servers(self.spec.cluster)
            run.refuse_left_open(servers)
            nodes = closings(self.spec, servers, run.access)  # all of them: none may be left behind
            epochs, stages = self._begun(run.delivery.keyring(self.spec, servers).epochs, nodes)
            look = self._roll(stages[0] if stages else Stage.REQUIRED).ready(Service.ZOOKEEPER)
            size = batch_size(self.batch, len(look.expect.agents))
            masters = self._masters(look)
        consent(list(self._told(stages, masters)))
        with run.going_on():
            for stage in stages:
                self._stage(epochs.at(stage, *self.names), size)
            with run.progress.phase("verify"):
                self._roll(Stage.REQUIRED).ready(Service.MARATHON)
            over = epochs.over() if stages else epochs
            self._bring(over)
        self.report.epochs = {name: over[name] for name in self.turned}
        self.report.seconds = dict(run.progress.seconds)
        return self.report

    def _begun(self, now: Epochs, nodes: Mapping[str, Closing]) -> tuple[Epochs, list[Stage]]:
        """Where the turn begins, and what lies before it; no stage where only marks of its last one are left on nodes.

        Args:
            now: as control nodes have it. Marks of others may be of an older key, which ``recover`` replaced.
        """
        if now.stage is Stage.OPEN:
            told = [parse_epochs(node.epochs, f"{name}:{EPOCHS_FILE}") for name, node in nodes.items() if node.epochs]
            left = [each for each in told if each.stage is not Stage.OPEN and each.over() == now]
            if any(each.turning == self.names for each in left):
                return now, []
            return now.at(Stage.OFFERED, *self.names), list(ON_THE_WAY)
        if now.turning != self.names:
            command = self.at.command
            goes_on = Command(command.verb, command.file, now.turning, command.options)
            raise ClusterctlError(
                f"a turn of {', '.join(now.turning) or 'all secrets'} is under way ({now.stage.name.lower()}); nothing "
                "was touched",
                hint=f"`{goes_on}` finishes it; then come others.",
            )
        return now, [stage for stage in ON_THE_WAY if stage >= now.stage]

    def _masters(self, look: Look) -> list[str] | None:
        """Names of Jenkins masters that run, or are to, and whose secrets turn; None if Marathon doesn't tell."""
        marathon = leading_marathon(look.expect, look.facts)
        if marathon is None or not isinstance(marathon[1].jenkins, tuple):
            return None
        return [
            each.name
            for each in marathon[1].jenkins
            if (each.running or each.instances)
            and each.slot is not None
            and mesos_secret(jenkins_principal(each.slot)) in self.turned
        ]

    def _turn_masters(self, epochs: Epochs) -> list[list[str]]:
        """What reads its secret at its start only; ``[JENKINS, name]`` of each that was restarted."""
        jenkins = self.spec.jenkins
        slots = range(1, jenkins.max_masters + 1) if jenkins else ()
        said = {slot: (jenkins_principal(slot), mesos_secret(jenkins_principal(slot))) for slot in slots}
        turned = {slot: principal_of(who, epochs[name]) for slot, (who, name) in said.items() if name in self.turned}
        if not turned or self._masters(self._roll(Stage.CLIENTS).ready(Service.MARATHON)) == []:
            return []
        with self.at.progress.phase("restart Jenkins masters"):
            return [[JENKINS, name] for name in self.tenants(turned)]

    def _told(self, stages: Sequence[Stage], masters: Sequence[str] | None) -> Iterator[str]:
        if not stages:
            yield "finish a turn: nothing but its marks on nodes is left"
            return
        more = f" and {len(self.turned) - _SHOWN} more" if len(self.turned) > _SHOWN else ""
        yield f"turn over {', '.join(self.turned[:_SHOWN])}{more}"
        yield "by way of: " + ", then ".join(TOLD[stage] for stage in stages)
        yield "services restart node by node, between gates; tasks keep running"
        if mesos_secret(MARATHON) in self.turned and Stage.OFFERED in stages:
            yield "Marathon ends once as Mesos' leading master changes, and begins again with its next secret"
        if masters and Stage.CLIENTS in stages:
            yield f"Jenkins masters restart once no build runs on them: {', '.join(masters)}"

    def _stage(self, epochs: Epochs, size: int) -> None:
        stage, progress = epochs.stage, self.at.progress
        with progress.phase(f"{TOLD[stage]}: files"):
            self._roll(stage).ready(Service.ZOOKEEPER)
            changed = self._bring(epochs)
            servers = self.at.cloud.servers(self.spec.cluster)
            nodes = closings(self.spec, servers, self.at.access)
        todo = {
            service: sorted(name for name, node in nodes.items() if f"{UNITS[service]}.service" in node.pending)
            for service in ROLLED[stage]
        }
        for service, names in todo.items():
            self.journal.plan(service, names)
        before = len(self.journal.done)
        for service, names in todo.items():
            if names:
                roll = self._roll(stage if service is Service.MESOS_MASTER else Stage.CLIENTS)
                roll_service(roll, service, names, batch=size, max_failures=0)
        restarted = [[service.value, name] for service, name in self.journal.done[before:]]
        if stage is Stage.CLIENTS:
            restarted += self._turn_masters(epochs)
        self.report.stages.append({"stage": stage.name.lower(), "changed": changed, "restarted": restarted})

    def _bring(self, epochs: Epochs) -> int:
        """To control nodes first, which tell how far a turn is; the number of files that changed."""
        delivery, servers = self.at.delivery, self.at.cloud.servers(self.spec.cluster)
        delivery.turn(epochs)
        first = delivery.settle(self.spec, servers, [server.name for server in servers if is_control(server)])
        rest = delivery.settle(self.spec, servers)
        return sum(len(paths) for done in (first, rest) for paths in done.values())

    def _roll(self, stage: Stage) -> Roll:
        """A roll of restarts. While masters get Marathon's next secret, none of their restarts waits for Marathon: an
        instance that began anew meanwhile has it, and is refused until the last of them.
        """
        run = self.at
        cluster = Cluster(self.spec, run.cloud, run.access.prober, run.waiter, run.progress.note)
        alone = stage is Stage.OFFERED and mesos_secret(MARATHON) in self.turned
        work, patience = Restart(self.rolling.hosts), Patience(self.rolling.timeout_s)
        return Roll(cluster, work, self.journal, run.progress, patience, overlook=(_MARATHONS,) if alone else ())
