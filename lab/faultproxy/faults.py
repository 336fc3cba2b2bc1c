"""Pure: which request fails, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Literal

Action = Literal["status", "reset", "hang", "kill"]
When = Literal["before", "after"]
ACTIONS = ("status", "reset", "hang", "kill")


@dataclass
class Fault:
    """What happens to a request that matches.

    Args:
        do: ``status`` answers with that status; ``reset`` breaks the connection (RST); ``hang`` doesn't answer;
            ``kill`` sends SIGKILL to the client and never answers.
        match: shell pattern on ``METHOD /service/path``, e.g. ``POST */servers`` or ``* /network/*``.
        call: number of the request since the last reset of the plan, authentication not counted; None: any.
        when: ``before`` the cloud gets the request (it never does), or ``after`` it has done it.
        status: for ``status``.
        headers: for ``status``, e.g. ``{"Retry-After": "2"}``.
        body: for ``status``: the JSON body, e.g. of a simulated answer with status 200; None: an error's.
        hang_s: for ``hang``: at most so long; it ends when the client goes away.
        skip: so many matching requests pass first.
        times: how often at most; None: for ever.
    """

    do: Action
    match: str = "*"
    call: int | None = None
    when: When = "before"
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    hang_s: float = 600.0
    skip: int = 0
    times: int | None = 1

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Fault:
        """From JSON; ValueError says what is wrong."""
        known = {item.name for item in fields(cls)}
        if unknown := set(raw) - known:
            raise ValueError(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
        if raw.get("do") not in ACTIONS:
            raise ValueError(f"`do` is {raw.get('do')!r}, not one of {', '.join(ACTIONS)}")
        if raw.get("when", "before") not in ("before", "after"):
            raise ValueError(f"`when` is {raw['when']!r}, not before or after")
        return cls(**raw)


class FaultPlan:
    """Numbers the requests and finds the fault for each. Not locked: the proxy does that."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.number = 0

    def reset(self, faults: list[Fault]) -> None:
        """Other faults, and numbers from 1 again."""
        self.faults, self.number = faults, 0

    def next(self, request: str, *, counted: bool) -> tuple[int | None, Fault | None]:
        """The request's number (None if it isn't counted) and its fault."""
        if counted:
            self.number += 1
        number = self.number if counted else None
        for fault in self.faults:
            if fault.times == 0 or fault.call not in (None, number) or not fnmatchcase(request, fault.match):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
            return number, fault
        return number, None
