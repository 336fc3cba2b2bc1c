"""The upgrade of Marathon in the order that its own guide gives.

Its state is backed up. All instances but the leader are stopped; the new version is installed on one of them and
started; the last old one is stopped; the new one leads, and its log must show no error; then come the others. So an old
instance never leads after a new one has, which may have written state that the old one can't read.

Going back before the new version can have led is starting the old one again. Afterwards it is that with the state as it
was: all instances are stopped, the backup is restored, and then the old version starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusterctl.errors import ClusterctlError, NodeError
from clusterctl.health.facts import NodeFacts
from clusterctl.ops.day2.hosts import Hosts, set_unit, why
from clusterctl.ops.observe.look import Look
from clusterctl.ops.roll import gates
from clusterctl.ops.roll.steps import Roll
from clusterctl.ops.upgrade.marathonlog import serious
from clusterctl.ops.upgrade.versions import same_release
from clusterctl.ops.upgrade.work import Upgrade
from clusterctl.services import UNITS, Service

_MARATHON = Service.MARATHON


@dataclass
class MarathonUpgrade:
    """One upgrade of all of a cluster's Marathons.

    Attributes:
        back_up: makes the backup from what was seen; returns where it lies.
        bring_back: restores the backup that lies there, while no Marathon runs.
    """

    roll: Roll
    work: Upgrade
    back_up: Callable[[Look], Path]
    bring_back: Callable[[Look, Path], None]

    @property
    def hosts(self) -> Hosts:
        """See ``roll.hosts``."""
        return self.work.hosts

    def run(self, old: Sequence[str]) -> None:
        """Upgrades the instances ``old``; those that are new already were done by an earlier, interrupted run.

        Raises: as ``Roll.run``.
        """
        if not old:
            return
        before = self.roll.ready(_MARATHON, absent=old)
        leader = before.leader(_MARATHON)
        new = [node.name for node in before.expect.running(_MARATHON) if node.name not in old]
        if leader is not None and leader in old:
            self._back_up(before)
            old = self._take_over(leader, list(old), new, before)
        for name in old:
            self._follow(name, [other for other in old if (_MARATHON, other) in self.roll.journal.left], before)

    def _take_over(self, leader: str, old: list[str], new: list[str], before: Look) -> list[str]:
        """From the old leader to a first new one; returns the instances that are left.

        Raises:
            RollError: it failed; the old version leads again, as far as that could be done.
        """
        standbys = [name for name in old if name != leader]
        first = new[0] if new else standbys[0] if standbys else leader
        stopped = [name for name in old if name != first]
        exposed = False  # whether a new version may have led
        with self.roll.progress.phase(f"upgrade marathon on {first}"):
            try:
                if standbys:
                    self._unit(standbys, "stopped")
                exposed = first == leader
                if first in old:
                    self.work.apply(_MARATHON, [first])
                if first != leader:
                    self._wait(lambda look: _joined(look, first), f"{first} waits behind {leader}")
                    self._back_up(self.roll.cluster.look())  # with what was done to apps meanwhile
                    exposed = True
                    self._unit([leader], "stopped")
                self._wait(lambda look: self._leads(look, first, stopped, before), f"{first} leads")
                self._check_log(first)
            except (ClusterctlError, KeyboardInterrupt) as error:
                reason = why(error, first) if isinstance(error, ClusterctlError) else "Ctrl-C"
                state = self._go_back(leader, old, first, before, exposed=exposed)
                if first in old:
                    self.roll.journal.fail(_MARATHON, first, reason, state)
                raise self.roll.journal.stopped(f"marathon on {first}: {reason}") from error
            if first in old:
                self.roll.journal.finish(_MARATHON, first)
        return stopped

    def _follow(self, name: str, absent: Sequence[str], before: Look) -> None:
        """Upgrades a stopped instance while a new one leads."""
        with self.roll.progress.phase(f"upgrade marathon on {name}"):
            self._wait(lambda look: gates.marathon(look, before.framework, absent), "the new version leads")
            rest = [other for other in absent if other != name]
            try:
                self.work.apply(_MARATHON, [name])
                self._wait(lambda look: gates.marathon(look, before.framework, rest), f"{name} has joined")
            except (ClusterctlError, KeyboardInterrupt) as error:
                reason = why(error, name) if isinstance(error, ClusterctlError) else "Ctrl-C"
                self.roll.journal.fail(_MARATHON, name, reason, self._hold(name))
                raise self.roll.journal.stopped(f"marathon on {name}: {reason}") from error
            self.roll.journal.finish(_MARATHON, name)

    def _leads(self, look: Look, first: str, stopped: Sequence[str], before: Look) -> list[str]:
        leader = look.leader(_MARATHON)
        if leader != first:
            return [f"{leader or 'nobody'} leads Marathon, expected {first}"]
        seen = look.facts[leader].marathon
        wanted = self.work.wanted["marathon"].version
        if seen is not None and not same_release(seen.version, wanted):
            return [f"{first} says that it is Marathon {seen.version}, expected {wanted}"]
        return gates.marathon(look, before.framework, [name for name in stopped if name != first])

    def _check_log(self, name: str) -> None:
        result = self.hosts.run("marathon-log", [name])
        lines = serious(line for _host, _task, message in result.notes for line in message.splitlines())
        if lines:
            raise NodeError(f"its log has errors: {lines[0]}")

    def _back_up(self, look: Look) -> None:
        with self.roll.progress.phase("back up Marathon's state"):
            self.roll.journal.facts["backup"] = str(self.back_up(look))

    def _go_back(self, leader: str, old: Sequence[str], first: str, before: Look, *, exposed: bool) -> str:
        """The old version on all of ``old`` and running; returns how that went.

        Args:
            exposed: a new version may have led, and have written state that the old one can't read.
        """
        backup = self.roll.journal.facts["backup"]
        everyone = [node.name for node in before.expect.running(_MARATHON)]
        others = [name for name in everyone if name != leader]
        try:
            exposed = exposed or self.roll.cluster.look().leader(_MARATHON) not in (leader, None)
            if exposed:
                self._unit(everyone, "stopped")
                self.bring_back(self.roll.cluster.look(), Path(backup))
            if first in old and self.work.state(first).marathon != before_version(self.work, first):
                self._unit([first], "stopped")
                self.work.marathon_back(first)
            self._unit([leader], "started")
            if exposed:  # it leads before anybody else is there, as a new version may be that an earlier run installed
                self._until(lambda look: gates.marathon(look, before.framework, others), f"{leader} leads again")
            rest = [name for name in others if name in old or exposed]
            if rest:
                self._unit(rest, "started")
            self._until(lambda look: gates.marathon(look, before.framework), "Marathon as it was")
        except ClusterctlError as error:
            how = "; docs/operations.md tells how to restore it with all Marathons stopped" if exposed else ""
            return f"NOT in service: rolling back failed: {why(error, first)}. The state before is in {backup}{how}"
        restored = f", and the state restored from {backup}" if exposed else ""
        return f"back in service with the old version, like the others{restored}"

    def _hold(self, name: str) -> str:
        """What is done with an instance that did not follow: its old version must not run, let alone lead."""
        wanted = self.work.wanted["marathon"].version
        try:
            if self.work.state(name).marathon == wanted:
                self._unit([name], "started")
                return f"left running with Marathon {wanted}"
            self._unit([name], "stopped")
        except ClusterctlError as error:
            return f"NOT in service: {why(error, name)}"
        return f"left stopped: its old version must not lead after {wanted} has; the others serve"

    def _unit(self, names: Sequence[str], state: str) -> None:
        if state == "stopped" and len(names) > 1:
            variables = {"roll_unit": f"{UNITS[_MARATHON]}.service", "roll_state": state, "roll_together": True}
            self.hosts.run("restart", names, variables)
            return
        for name in names:
            set_unit(self.hosts, _MARATHON, [name], state)

    def _wait(self, problems: Callable[[Look], list[str]], what: str) -> None:
        self.roll.cluster.wait(problems, what=what, timeout_s=self.roll.patience.gate(_MARATHON))

    def _until(self, problems: Callable[[Look], list[str]], what: str) -> None:
        """See ``_wait``; for what was rolled back."""
        self.roll.cluster.wait(problems, what=what, timeout_s=self.roll.patience.back(_MARATHON))


def before_version(work: Upgrade, name: str) -> str:
    """The Marathon that a node had before the roll."""
    return work.states[name].version("marathon")


def _joined(look: Look, name: str) -> list[str]:
    """Whether an instance answers and knows who leads."""
    seen = look.facts.get(name, NodeFacts(error="it has no server"))
    if trouble := seen.trouble(UNITS[_MARATHON], seen.marathon):
        return [f"{name}: {trouble}"]
    leader = seen.marathon.leader if seen.marathon else None
    return [] if leader else [f"{name}: knows of no leader yet"]
