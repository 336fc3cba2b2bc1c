"""Label selectors, ?label=: ``key``, ``key==value``, ``key!=value``, ``key in (a, b)``, ``key notin (a)``; joined by ,.

Grammar: Marathon's LabelSelector.scala. An app without the label is never selected, also by != and notin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Selector = Callable[[Mapping[str, str]], bool]

_TERM = r"(?:\\.|[-A-Za-z0-9_.])+"
_SELECTOR = re.compile(
    rf"\s*(?P<key>{_TERM})"
    rf"(?:\s+(?P<set>in|notin)\s*\(\s*(?P<values>{_TERM}(?:\s*,\s*{_TERM})*)?\s*\)"
    rf"|\s*(?P<op>==|!=)\s*(?P<value>{_TERM}))?\s*"
)


def parse(text: str) -> Selector:
    """Return what tells whether an app's labels are selected. Raises ValueError."""
    selectors: list[Selector] = []
    position = 0
    while position < len(text) or not selectors:
        if not text.strip():
            break
        found = _SELECTOR.match(text, position)
        if found is None:
            raise ValueError(_message(text, position))
        selectors.append(_selector(found))
        position = found.end()
        if position < len(text):
            if text[position] != "," or position + 1 == len(text):
                raise ValueError(_message(text, position))
            position += 1
    return lambda labels: all(selects(labels) for selects in selectors)


def _message(text: str, position: int) -> str:
    return f"Can not parse label selector {text}. Reason: unexpected {text[position:]!r}"


def _plain(term: str) -> str:
    return re.sub(r"\\(.)", r"\1", term)


def _selector(found: re.Match[str]) -> Selector:
    key = _plain(found["key"])
    if found["set"]:
        values = {_plain(each) for each in re.findall(_TERM, found["values"] or "")}
        wanted = found["set"] == "in"
        return lambda labels: key in labels and (labels[key] in values) == wanted
    if found["op"]:
        value, equal = _plain(found["value"]), found["op"] == "=="
        return lambda labels: key in labels and (labels[key] == value) == equal
    return lambda labels: key in labels
