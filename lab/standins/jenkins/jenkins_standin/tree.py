"""The query parameter ``tree`` of Jenkins' remote API: ``jobs[name,url],queue[items{0,5}]``. Pure."""

from __future__ import annotations

import re
from typing import Any

from .errors import Refused

_TOKEN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*|\*|[\[\],]|\{\d*,?\d*\}")
Selection = dict[str, tuple["Selection | None", slice]]


def parse(text: str) -> Selection:
    """Read a tree. Raises Refused 400."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text):
        raise Refused(400, f"the tree {text!r} is malformed")
    selection, rest = _fields(tokens)
    if rest:
        raise Refused(400, f"the tree {text!r} has {rest[0]!r} too many")
    return selection


def _fields(tokens: list[str]) -> tuple[Selection, list[str]]:
    selection: Selection = {}
    while tokens and tokens[0] != "]":
        name, tokens = tokens[0], tokens[1:]
        inner: Selection | None = None
        part = slice(None)
        if tokens and tokens[0] == "[":
            inner, tokens = _fields(tokens[1:])
            if not tokens:
                raise Refused(400, "the tree has a [ without ]")
            tokens = tokens[1:]
        if tokens and tokens[0].startswith("{"):
            part, tokens = _range(tokens[0]), tokens[1:]
        selection[name] = (inner, part)
        if tokens and tokens[0] == ",":
            tokens = tokens[1:]
    return selection, tokens


def _range(text: str) -> slice:
    low, comma, high = text[1:-1].partition(",")
    if not comma:
        return slice(int(low), int(low) + 1)
    return slice(int(low or 0), int(high) if high else None)


def select(value: Any, selection: Selection) -> Any:
    """Return what the tree names of a value; ``_class`` always comes along."""
    if isinstance(value, list):
        return [select(each, selection) for each in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {"_class": value["_class"]} if "_class" in value else {}
    for name, (inner, part) in selection.items():
        for key in value if name == "*" else [name]:
            if key not in value:
                continue
            child = value[key]
            if isinstance(child, list):
                child = child[part]
            found[key] = child if inner is None else select(child, inner)
    return found
