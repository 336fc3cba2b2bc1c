"""What became of each master that a verb was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clusterctl.ops.jenkins.ground import PartlyFailed, Tier


@dataclass
class Outcome:
    """By name: what was done, why nothing had to be, why it failed."""

    cluster: str
    verb: str
    done: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """All attributes by name."""
        return dict(vars(self))

    def fail(self, reasons: Mapping[str, str]) -> None:
        """These failed; nothing more is done with them."""
        self.failed |= reasons
        for name in reasons:
            self.done.pop(name, None)

    def going(self, names: Iterable[str]) -> list[str]:
        """Those of the names that didn't fail."""
        return [name for name in names if name not in self.failed]

    def end(self, tier: Tier, what: str) -> Outcome:
        """Itself, if nothing failed.

        Args:
            what: of those that failed: ``not stopped``.

        Raises:
            PartlyFailed: some did.
        """
        self.seconds = round(sum(tier.run.progress.seconds.values()), 1)
        if self.failed:
            raise PartlyFailed(what, self, len(self.done) + len(self.skipped) + len(self.failed), tier.run.command)
        return self
