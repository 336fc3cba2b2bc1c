"""Placement constraints: UNIQUE, CLUSTER, LIKE, UNLIKE, GROUP_BY, MAX_PER and IS (Marathon docs/constraints.md).

Pure: an offer and the placed instances go in, a verdict comes out.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger(__name__)

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
    if operator not in OPERATORS:
        return f"unknown operator {operator}; allowed: {', '.join(OPERATORS)}"
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


def meets(place: Place, placed: Sequence[Place], constraint: Sequence[str], instances: int) -> bool:
    """Return whether one more instance at ``place`` keeps ``constraint``, given where the others are.

    ``instances`` is how many the app wants in all.
    """
    name, operator = constraint[0], constraint[1]
    value = constraint[2] if len(constraint) == 3 else ""
    here = place.value(name)
    if here is None:  # only UNLIKE accepts an agent without the attribute
        return operator == "UNLIKE"
    others = [other.value(name) for other in placed]
    if operator == "GROUP_BY":
        return _group_by(here, others, value, instances)
    return _RULES[operator](here, others, value)


def _group_by(here: str, others: Sequence[str | None], value: str, instances: int) -> bool:
    """Marathon's rule (Constraints.checkGroupBy): each of ``value`` groups gets its share, some one more.

    Without a value Marathon 1.11.24 divides by zero at every offer, so that nothing is ever launched.
    """
    groups = int(value or 0)
    if groups == 0:
        log.error("Error processing offer: GROUP_BY without a value: java.lang.ArithmeticException: / by zero")
        return False
    wanted = instances if others else 1
    counts = Counter(others)
    share, remainder = divmod(wanted, groups)
    consumed = sum(max(0, count - share) for count in counts.values())
    if here not in counts:
        return len(counts) < groups
    return counts[here] < share or (counts[here] == share and remainder > consumed)


# Operator -> (value here, values of the other instances, the constraint's value) -> whether it is kept.
_RULES: dict[str, Callable[[str, Sequence[str | None], str], bool]] = {
    "UNIQUE": lambda here, others, _: here not in others,
    "CLUSTER": lambda here, others, value: value in ("", here) and all(other == here for other in others),
    "LIKE": lambda here, _, value: re.fullmatch(value, here) is not None,
    "UNLIKE": lambda here, _, value: re.fullmatch(value, here) is None,
    "MAX_PER": lambda here, others, value: others.count(here) < int(value),
    "IS": lambda here, _, value: here == value,
}
OPERATORS = ("UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "UNLIKE", "MAX_PER", "IS")


def first_unmet(
    place: Place, placed: Sequence[Place], wanted: Sequence[Sequence[str]], instances: int
) -> Sequence[str] | None:
    """Return the first of the constraints ``wanted`` that ``place`` breaks, None when it breaks none."""
    return next((constraint for constraint in wanted if not meets(place, placed, constraint, instances)), None)
