"""Pure: order of versions, and which steps between them are allowed."""

from __future__ import annotations

import re
from itertools import zip_longest

_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)(?![\d.])")
_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.|$)")


def compare(left: str, right: str) -> int:
    """Negative, 0 or positive, as Debian orders versions (deb-version(7)); fits Marathon's plain numbers, too."""
    for one, other in zip(_parts(left), _parts(right), strict=True):
        if order := _compare_part(one, other):
            return order
    return 0


def numbers(version: str) -> tuple[int, int, int] | None:
    """Major, minor and patch at the beginning of a version; None if there are none.

    Marathon's tarballs are named by version and commit (1.11.24-9ee9f3ceb); it calls itself by the version only.
    """
    found = _NUMBERS.match(version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def same_release(one: str, other: str) -> bool:
    """Whether two versions are of one release, whatever follows the numbers."""
    return one == other or (numbers(one) is not None and numbers(one) == numbers(other))


def forbidden(name: str, found: str, wanted: str) -> str | None:
    """Why ``name`` can't go from ``found`` to ``wanted``; None if it can.

    Nothing goes back, since newer state may not be readable by older programs. Marathon passes through every minor
    release, as its migrations of state are tested from one to the next (its upgrade guide).
    """
    if compare(wanted, found) < 0:
        return f"{found} is newer than {wanted}, and a downgrade is not supported"
    if name == "marathon":
        old, new = _RELEASE.match(found), _RELEASE.match(wanted)
        if old is None or new is None:
            return f"{found if old is None else wanted} is not a version such as 1.11.24"
        if old[1] != new[1] or int(new[2]) - int(old[2]) > 1:
            return f"from {found} to {wanted} skips releases; go through each minor release in turn"
    return None


def _parts(version: str) -> tuple[str, str, str]:
    """Epoch, upstream version, revision."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    return epoch, upstream, revision


def _compare_part(left: str, right: str) -> int:
    # Text and numbers alternate, text first, possibly empty
    for one, other in zip_longest(
        re.findall(r"(\D*)(\d*)", left), re.findall(r"(\D*)(\d*)", right), fillvalue=("", "")
    ):
        mine, theirs = [[_weight(char) for char in text] + [0] for text in (one[0], other[0])]
        if mine != theirs:
            return -1 if mine < theirs else 1
        if order := int(one[1] or 0) - int(other[1] or 0):
            return order
    return 0


def _weight(char: str) -> int:
    """'~' before the end of the text (0), letters after it, anything else after letters."""
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256
