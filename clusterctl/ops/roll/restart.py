"""``restart``: one service, node by node, with the cluster healthy before and after each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from clusterctl.ops.day2.hosts import Hosts, set_unit
from clusterctl.ops.observe.look import Cluster
from clusterctl.ops.roll.ground import Rolling
from clusterctl.ops.roll.order import batch_size, chosen
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.roll.steps import Patience
from clusterctl.ops.roll.window import roll_service
from clusterctl.services import ROLLS, Service


@dataclass(frozen=True)
class Restart:
    """The work of a restart; putting a node back is starting its unit (``roll.steps.Work``)."""

    hosts: Hosts
    verb: str = "restart"

    def apply(self, service: Service, names: Sequence[str]) -> None:
        """See ``Work``."""
        set_unit(self.hosts, service, names, "restarted")

    def put_back(self, service: Service, name: str) -> str:
        """See ``Work``."""
        set_unit(self.hosts, service, [name], "started")
        return ""


@dataclass(frozen=True)
class StepDown(Restart):
    """A member of an ensemble comes back once the others have a leader: restarted at once, it could win again."""

    cluster: Cluster = field(kw_only=True)
    verb: str = "step down as leader of"

    def apply(self, service: Service, names: Sequence[str]) -> None:
        """See ``Work``.

        Raises:
            GateError: the others have elected none in time; it was stopped.
        """
        set_unit(self.hosts, service, names, "stopped")
        self.cluster.wait(
            lambda look: [] if look.leader(service) else ["none of the others leads"],
            what=f"another {service} to lead than {', '.join(names)}",
            timeout_s=Patience().gate(service),
        )
        set_unit(self.hosts, service, names, "started")


def restart_service(rolling: Rolling, service: str, only: Sequence[str], *, batch: str, max_failures: int) -> Journal:
    """Restarts a service (a key of ``order.ROLLS``) on all its nodes, or on ``only`` some.

    Raises:
        InputError: a name or the batch is wrong.
        ClusterctlError: the cluster was made open, and the file closes it.
        UnhealthyError: the cluster is not healthy; nothing was touched.
        RollError: a step failed.
    """
    rolling.run.refuse_left_open()
    look = rolling.cluster.look()
    targets = chosen(look.expect, ROLLS[service], only)
    size = batch_size(batch, len(look.expect.agents))
    journal = Journal(
        rolling.run.spec.cluster,
        f"restart of {service}",
        lambda names: str(rolling.run.command.having(only=",".join(names))),
    )
    roll = rolling.roll(Restart(rolling.hosts), journal)
    for each, names in targets.items():
        journal.plan(each, names)
    for each, names in targets.items():
        roll_service(roll, each, names, batch=size, max_failures=max_failures)
    return rolling.end(roll, list(targets)[-1])
