"""What an offer still holds, and taking a task's share out of it.

Resources are v1 JSON, with reservations in the form since reservation refinement (``reservations``, innermost last)
or before it (``role``). Marathon uses the resources of an app's accepted roles; the reserved ones go first, so that
the unreserved ones stay for others.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

Resource = dict[str, Any]
Choose = Callable[[Sequence[int]], int]


def reservation_role(resource: Mapping[str, Any]) -> str:
    """Return the role that ``resource`` is reserved for, "*" for none."""
    reservations = resource.get("reservations")
    if reservations:
        return str(reservations[-1].get("role", "*"))
    return str(resource.get("role", "*"))


def _plain(resource: Mapping[str, Any]) -> bool:
    """Return whether an ordinary task may use it: no volume, not revocable or shared, no labelled reservation."""
    labelled = any(r.get("labels", {}).get("labels") for r in resource.get("reservations", []))
    return not labelled and not any(key in resource for key in ("disk", "revocable", "shared", "provider_id"))


class Purse:
    """The unspent resources of one offer."""

    def __init__(self, resources: Sequence[Mapping[str, Any]]) -> None:
        self._resources = [copy.deepcopy(dict(r)) for r in resources if _plain(r)]

    def copy(self) -> Purse:
        return Purse(self._resources)

    def has_role(self, roles: Collection[str]) -> bool:
        """Return whether anything is left of one of ``roles``."""
        return any(True for _ in self._usable(None, roles))

    def _usable(self, name: str | None, roles: Collection[str]) -> Iterator[Resource]:
        found = [r for r in self._resources if (name is None or r["name"] == name) and reservation_role(r) in roles]
        return iter(sorted(found, key=lambda r: reservation_role(r) == "*"))

    def take_scalar(self, name: str, amount: float, roles: Collection[str]) -> list[Resource] | None:
        """Take ``amount`` of ``name``; return what was taken, or None (and take nothing) when there is too little.

        Mesos counts in thousandths, and so does this.
        """
        left = round(amount * 1000)
        sources = list(self._usable(name, roles))
        if sum(round(r["scalar"]["value"] * 1000) for r in sources) < left:
            return None
        taken = []
        for source in sources:
            part = min(left, round(source["scalar"]["value"] * 1000))
            if part > 0:
                taken.append({**source, "scalar": {"value": part / 1000}})
                source["scalar"] = {"value": (round(source["scalar"]["value"] * 1000) - part) / 1000}
                left -= part
        return taken

    def take_ports(
        self, wanted: Sequence[int], roles: Collection[str], choose: Choose
    ) -> tuple[list[int], list[Resource]] | None:
        """Take host ports: each of ``wanted`` is a number or 0 for any. Return the numbers and the resources."""
        fixed = {port for port in wanted if port}
        numbers: list[int] = []
        taken: list[Resource] = []
        for port in wanted:
            for source in self._usable("ports", roles):
                free = _ports(source)
                number = port if port in free else 0
                if not port:
                    candidates = [n for n in free if n not in fixed]
                    number = choose(candidates) if candidates else 0
                if number:
                    numbers.append(number)
                    taken.append({**source, "ranges": _ranges([number])})
                    source["ranges"] = _ranges([n for n in free if n != number])
                    break
            else:
                return None
        return numbers, taken


def _ports(resource: Mapping[str, Any]) -> list[int]:
    ranges = resource["ranges"].get("range", [])
    return [n for r in ranges for n in range(r["begin"], r["end"] + 1)]


def _ranges(numbers: Sequence[int]) -> dict[str, Any]:
    ranges: list[dict[str, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1]["end"] == number - 1:
            ranges[-1]["end"] = number
        else:
            ranges.append({"begin": number, "end": number})
    return {"range": ranges}
