"""The outcome of one check, as ``verify --json`` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN = 8  # problems named in one detail; a cluster has many agents


@dataclass(frozen=True)
class Check:
    """One property of a healthy cluster: ``detail`` says what was seen, and what was expected where that differs."""

    name: str
    ok: bool
    detail: str

    def to_json(self) -> dict[str, str | bool]:
        """``{"name", "ok", "detail"}``."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail}


def check(name: str, problems: Sequence[str], good: str) -> Check:
    """A check that holds, with ``good`` as its detail, if there are no problems."""
    return Check(name, not problems, listed(problems) or good)


def listed(parts: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    return "; ".join([*parts[:_SHOWN], *([f"and {len(parts) - _SHOWN} more"] if len(parts) > _SHOWN else [])])
