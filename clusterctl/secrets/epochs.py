"""Pure: how often secrets were turned over, and how far a turn is that is under way. No secret is in it.

A turn has the stages of ``secrets.stages``: first servers take the next secret besides the last one (``OFFERED``), then
clients say the next one (``CLIENTS``), then servers take nothing else (``REQUIRED``). Files of two neighbouring stages
get on with each other. Not every server can take two secrets, and not every client is worth a restart of its own:
``_WAYS`` says how each name goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clusterctl.errors import ClusterctlError
from clusterctl.secrets import names
from clusterctl.secrets.stages import ON_THE_WAY, Stage


@dataclass(frozen=True)
class _Way:
    """From which stage on servers take the next secret, clients say it, and servers take no other."""

    taken: Stage = Stage.OFFERED
    said: Stage = Stage.CLIENTS
    alone: Stage = Stage.REQUIRED


_WAYS: Mapping[str, _Way] = {
    # Masters go before ZooKeepers, so one roll of theirs brings this and their list of credentials
    names.ZOOKEEPER_MESOS: _Way(said=Stage.REQUIRED),
    # Nobody but the ZooKeepers' own nodes says it
    names.ZOOKEEPER_SUPER: _Way(Stage.REQUIRED, Stage.REQUIRED),
    # Known to agents, which are restarted for their own secret at CLIENTS anyhow
    names.MESOS_AGENT_HTTP: _Way(Stage.CLIENTS, Stage.REQUIRED),
    # An instance knows one password; callers try both until all instances have the next one
    names.MARATHON_HTTP: _Way(Stage.CLIENTS),
    # Its principal never changes, and Mesos knows one secret of a principal
    names.mesos_secret(names.MARATHON): _Way(Stage.OFFERED, Stage.OFFERED, Stage.OFFERED),
}
_ORDINARY = _Way()


def _way(name: str) -> _Way:
    return _WAYS.get(name, _ORDINARY)


@dataclass(frozen=True)
class Epochs:
    """The epoch of all secrets, and of those that are ahead of it; and the turn that is under way, if there is one.

    Attributes:
        turning: names on their way to the next epoch; empty with a ``stage``: all.
        stage: how far they are; ``OPEN``: nothing turns.
    """

    of_all: int = 1
    of: Mapping[str, int] = field(default_factory=dict)
    turning: tuple[str, ...] = ()
    stage: Stage = Stage.OPEN

    def __getitem__(self, name: str) -> int:
        """The epoch whose secret clients say."""
        return self._last(name) + (self.turns(name) and self.stage >= _way(name).said)

    def taken(self, name: str) -> tuple[int, ...]:
        """The epochs whose secrets servers take, the one that clients say first."""
        last, way = self._last(name), _way(name)
        if not self.turns(name) or self.stage < way.taken:
            return (last,)
        after = self.next(*self.turning)._last(name)
        if self.stage >= way.alone:
            return (after,)
        return (after, last) if self.stage >= way.said else (last, after)

    def turns(self, name: str) -> bool:
        """Whether the turn that is under way is one of ``name``, too."""
        return self.stage is not Stage.OPEN and (not self.turning or name in self.turning)

    def next(self, *names: str) -> Epochs:
        """One further for these names; for all where none is given."""
        if names:
            return Epochs(self.of_all, {**self.of, **{name: self._last(name) + 1 for name in names}})
        return Epochs(max([self.of_all, *self.of.values()]) + 1)

    def at(self, stage: Stage, *names: str) -> Epochs:
        """A turn of these names at a stage; of all where none is given."""
        return Epochs(self.of_all, self.of, tuple(sorted(names)), stage)

    def over(self) -> Epochs:
        """After the turn."""
        return self.next(*self.turning)

    @property
    def place(self) -> tuple[int, int, int]:
        """Orders what a cluster comes through: who is further has more."""
        return self.of_all, sum(self.of.values()), self.stage

    def to_json(self) -> dict[str, Any]:
        """``{"all", "of", "turning", "stage"}``; the stage is a word."""
        return {
            "all": self.of_all,
            "of": dict(sorted(self.of.items())),
            "turning": list(self.turning),
            "stage": self.stage.name.lower(),
        }

    def _last(self, name: str) -> int:
        return max(self.of_all, self.of.get(name, 0))


FIRST = Epochs()
_STAGES = {stage.name.lower(): stage for stage in (Stage.OPEN, *ON_THE_WAY)}


def parse_epochs(text: str, source: str) -> Epochs:
    """What ``Epochs.to_json`` says.

    Args:
        source: named in the error.

    Raises:
        ClusterctlError: it is something else, as of a newer release.
    """
    try:
        told = json.loads(text)
        of = {str(name): int(epoch) for name, epoch in told["of"].items()}
        found = Epochs(int(told["all"]), of, tuple(map(str, told["turning"])), _STAGES[told["stage"]])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClusterctlError(
            f"{source}: is not what this release of clusterctl writes there ({type(error).__name__}: {error})",
            hint="Use the release that wrote it, or put the file back from another control node.",
        ) from error
    return found


def furthest(found: Iterable[Epochs]) -> Epochs:
    """Where a cluster is whose nodes say that; the beginning if none says anything."""
    return max(found, key=lambda each: each.place, default=FIRST)
