"""What a roll did, what failed and what is left; and the error that stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from clusterctl.errors import ClusterctlError
from clusterctl.services import Service


@dataclass(frozen=True)
class FailedStep:
    """A node whose step failed; ``state`` says how it was left."""

    service: str
    node: str
    reason: str
    state: str

    def to_json(self) -> dict[str, str]:
        """All attributes by name."""
        return dict(vars(self))


@dataclass
class Journal:
    """Keeps count of a roll: each step is one service on one node.

    Attributes:
        what: the verb and the service, for example ``restart of zookeeper``.
        go_on: names of the nodes left -> the command that continues.
        facts: what else the report holds: backup, image, seconds.
        advice: lines for a person about what to do next.
    """

    cluster: str
    what: str
    go_on: Callable[[list[str]], str]
    left: list[tuple[Service, str]] = field(default_factory=list)
    done: list[tuple[Service, str]] = field(default_factory=list)
    skipped: list[tuple[Service, str]] = field(default_factory=list)
    failed: list[FailedStep] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)

    def plan(self, service: Service, names: Iterable[str]) -> None:
        """Adds steps that are to be taken."""
        self.left += [(service, name) for name in names]

    def finish(self, service: Service, name: str) -> None:
        """A step went well."""
        self.left.remove((service, name))
        self.done.append((service, name))

    def fail(self, service: Service, name: str, reason: str, state: str) -> None:
        """A step failed."""
        self.left.remove((service, name))
        self.failed.append(FailedStep(service.value, name, reason, state))

    @property
    def unfinished(self) -> list[str]:
        """Names of the nodes that failed or are left, each once."""
        return list(dict.fromkeys([*(each.node for each in self.failed), *(name for _, name in self.left)]))

    def to_json(self) -> dict[str, Any]:
        """``{"cluster", "done", "skipped", "failed", "left", "continue", ...}``; steps as ``[service, node]``."""
        return {
            "cluster": self.cluster,
            "done": _pairs(self.done),
            "skipped": _pairs(self.skipped),
            "failed": [each.to_json() for each in self.failed],
            "left": _pairs(self.left),
            "continue": self.go_on(self.unfinished) if self.unfinished else None,
            "advice": self.advice,
            **self.facts,
        }

    def stopped(self, why: str) -> RollError:
        """The error that ends the run here."""
        lines = [f"{self.what} of cluster {self.cluster} stopped: {why}"]
        lines += [f"  failed: {each.service} on {each.node}: {each.state}" for each in self.failed]
        lines += [f"  done: {_words(self.done)}", f"  left: {_words(self.left)}"]
        hint = "`clusterctl verify FILE` shows all checks."
        if self.unfinished:
            hint = f"Fix the cause, then `{self.go_on(self.unfinished)}` does what is left."
        return RollError("\n".join(lines), self, hint=hint)


class RollError(ClusterctlError):
    """A roll stopped, or ended with failed nodes; ``journal`` says where."""

    def __init__(self, message: str, journal: Journal, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.journal = journal


def _pairs(steps: Iterable[tuple[Service, str]]) -> list[list[str]]:
    return [[service.value, name] for service, name in steps]


def _words(steps: Iterable[tuple[Service, str]]) -> str:
    by_service: dict[Service, list[str]] = {}
    for service, name in steps:
        by_service.setdefault(service, []).append(name)
    return "; ".join(f"{service} on {', '.join(names)}" for service, names in by_service.items()) or "nothing"
