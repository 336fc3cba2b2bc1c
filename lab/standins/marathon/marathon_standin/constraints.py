"""Placement constraints: UNIQUE, CLUSTER, LIKE, UNLIKE, GROUP_BY, MAX_PER and IS (Marathon docs/constraints.md).

Pure: an offer and the placed instances go in, a verdict comes out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HOSTNAME_FIELDS = ("hostname", "@hostname")


@dataclass(frozen=True)
class Place:
    """Where an instance runs or would run: an agent's hostname and its attributes as text."""

    hostname: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str | None:
        """Return the value of constraint field ``name`` here, None when the agent has no such attribute."""
        return self.hostname if name in HOSTNAME_FIELDS else self.attributes.get(name)


def attribute_text(attribute: Mapping[str, Any]) -> str:
    """Return a Mesos attribute (v1 JSON) in Mesos' own text form: 3, rack-1, [1-5,8-9], {a,b}."""
    kind = attribute["type"]
    if kind == "TEXT":
        return str(attribute["text"]["value"])
    if kind == "SCALAR":
        return f"{attribute['scalar']['value']:.3f}".rstrip("0").rstrip(".")
    if kind == "RANGES":
        ranges = sorted((r["begin"], r["end"]) for r in attribute["ranges"].get("range", []))
        return "[" + ",".join(f"{begin}-{end}" for begin, end in ranges) + "]"
    return "{" + ",".join(sorted(attribute["set"].get("item", []))) + "}"


def place_of(offer: Mapping[str, Any]) -> Place:
    """Return the place that a Mesos offer (v1 JSON) is about."""
    return Place(offer["hostname"], {a["name"]: attribute_text(a) for a in offer.get("attributes", [])})


def problem(constraint: Sequence[str]) -> str | None:
    """Return what is wrong with ``[field, operator]`` or ``[field, operator, value]``, None when nothing is."""
    if not 2 <= len(constraint) <= 3 or not all(isinstance(part, str) for part in constraint):
        return "must be [field, operator] or [field, operator, value], all strings"
    name, operator = constraint[0], constraint[1]
    value = constraint[2] if len(constraint) == 3 else ""
    if not name:
        return "the field must not be empty"
    if name.startswith("@") and name not in HOSTNAME_FIELDS:
        return f"the stand-in does not support the field {name}; use hostname or an agent attribute"
    if operator not in _RULES:
        return f"unknown operator {operator}; allowed: {', '.join(_RULES)}"
    return _value_problem(operator, value)


def _value_problem(operator: str, value: str) -> str | None:
    if operator == "UNIQUE" and value:
        return "UNIQUE takes no value"
    if operator in ("LIKE", "UNLIKE"):
        if not value:
            return f"{operator} needs a regular expression as value"
        try:
            re.compile(value)
        except re.error as exc:
            return f"{operator}: {value!r} is not a regular expression: {exc}"
    if operator == "IS" and not value:
        return "IS needs a value"
    if (operator == "MAX_PER" or (operator == "GROUP_BY" and value)) and not re.fullmatch(r"[1-9][0-9]*", value):
        return f"{operator} needs a whole number above 0 as value, got {value!r}"
    return None


def meets(place: Place, placed: Sequence[Place], constraint: Sequence[str]) -> bool:
    """Return whether one more instance at ``place`` keeps ``constraint``, given where the others are."""
    name, operator = constraint[0], constraint[1]
    value = constraint[2] if len(constraint) == 3 else ""
    here = place.value(name)
    if here is None:  # only UNLIKE accepts an agent without the attribute
        return operator == "UNLIKE"
    return _RULES[operator](here, [other.value(name) for other in placed], value)


def _group_by(here: str, others: Sequence[str | None], groups_wanted: int) -> bool:
    """A new value is always welcome; a known one only if it is among the least used and enough values are known."""
    counts = Counter(others)
    if here not in counts:
        return True
    return len(counts) >= groups_wanted and counts[here] == min(counts.values())


# Operator -> (value here, values of the other instances, the constraint's value) -> whether it is kept.
_RULES: dict[str, Callable[[str, Sequence[str | None], str], bool]] = {
    "UNIQUE": lambda here, others, _: here not in others,
    "CLUSTER": lambda here, others, value: value in ("", here) and all(other == here for other in others),
    "LIKE": lambda here, _, value: re.fullmatch(value, here) is not None,
    "UNLIKE": lambda here, _, value: re.fullmatch(value, here) is None,
    "GROUP_BY": lambda here, others, value: _group_by(here, others, int(value or 0)),
    "MAX_PER": lambda here, others, value: others.count(here) < int(value),
    "IS": lambda here, _, value: here == value,
}


def first_unmet(place: Place, placed: Sequence[Place], wanted: Sequence[Sequence[str]]) -> Sequence[str] | None:
    """Return the first of the constraints ``wanted`` that ``place`` breaks, None when it breaks none."""
    return next((constraint for constraint in wanted if not meets(place, placed, constraint)), None)
