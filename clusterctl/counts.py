"""Pure: other numbers of nodes than the cluster file has, and the file's text changed to them.

The file stays the desired state: ``scale`` works towards a spec with other counts, and the file is to follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from clusterctl.errors import InputError
from clusterctl.spec.document import DocumentError, parse
from clusterctl.spec.model import ClusterSpec

Counts = Mapping[str, int]


def parse_counts(words: Iterable[str], spec: ClusterSpec) -> dict[str, int]:
    """``["builders=5"]`` -> ``{"builders": 5}``.

    Raises:
        InputError: a word is not GROUP=N, names no group of the file, or a group twice.
    """
    found: dict[str, int] = {}
    for word in words:
        match = re.fullmatch(r"([^=]+)=([0-9]{1,4})", word)
        if match is None:
            raise InputError(f"GROUP=N: found {word!r}; allowed: the name of a group and a number, such as builders=5")
        group = match[1]
        if group not in spec.groups:
            raise InputError(f"GROUP=N: found group {group!r}; allowed: {', '.join(spec.groups)}")
        if group in found:
            raise InputError(f"GROUP=N: group {group} is named twice")
        found[group] = int(match[2])
    return found


def with_counts(spec: ClusterSpec, counts: Counts) -> ClusterSpec:
    """``spec`` with other counts, unchecked: a roll goes through numbers that a file may not have."""
    groups = {
        name: group.model_copy(update={"count": counts[name]}) if name in counts else group
        for name, group in spec.groups.items()
    }
    return spec.model_copy(update={"groups": groups})


def checked(spec: ClusterSpec, counts: Counts) -> ClusterSpec:
    """``with_counts`` under the rules of cluster files.

    Raises:
        InputError: it breaks a rule; says which.
    """
    changed = with_counts(spec, counts)
    try:
        return ClusterSpec.model_validate(changed.model_dump(by_alias=True, exclude_unset=True))
    except ValidationError as error:
        words = " ".join(f"{name}={count}" for name, count in counts.items())
        reasons = [str((item.get("ctx") or {}).get("message", item["msg"])) for item in error.errors()]
        raise InputError("\n".join(f"{words}: {reason}" for reason in reasons)) from error


def changed_lines(text: str, counts: Counts) -> tuple[str, list[str]]:
    """The file's text with the counts changed and nothing else (comments, order, quotes), and the changed lines.

    Returns:
        The text, and ``LINE: content`` of each line that differs.

    Raises:
        InputError: a count doesn't stand in the file as a number of its own (an alias, a merge key).
    """
    try:
        document = parse(text)
    except DocumentError as error:
        raise InputError(f"line {error.problem.line}: {error.problem.message}") from error
    lines = text.splitlines(keepends=True)
    places = {group: document.values.get(("groups", group, "count")) for group in counts}
    if missing := [group for group, place in places.items() if place is None]:
        raise InputError(f"groups.{missing[0]}.count is not in the file")
    changed: list[int] = []
    # from the end on: a number that gets longer moves those behind it
    for place, group in sorted(((place, group) for group, place in places.items() if place), reverse=True):
        line, column, count = place[0] - 1, place[1] - 1, counts[group]
        new = re.sub(r"\A[0-9]+", str(count), lines[line][column:], count=1)
        if lines[line][:column] + new != lines[line]:
            lines[line] = lines[line][:column] + new
            changed.append(line)
    result = "".join(lines)
    expected = dict(document.value["groups"])
    for group, count in counts.items():
        expected[group] = {**expected[group], "count": count}
    if parse(result).value != {**document.value, "groups": expected}:
        raise InputError(
            f"the counts of {', '.join(counts)} can't be changed in place: they share a value with other keys",
            hint="Change the file by hand.",
        )
    return result, [f"{number + 1}: {lines[number].strip()}" for number in sorted(set(changed))]
