"""Compares how attacks ended with the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.attacks.positions import End
from tests.attacks.table import THROUGH, Attack


def unexpected(attacks: Sequence[Attack], ends: Mapping[str, End], *, closed: bool) -> dict[str, str]:
    """What ended otherwise than the table says, by the attack's name; all of it has to have ended."""
    found = {}
    for attack in attacks:
        wanted = attack.closed if closed else attack.opened
        if not wanted:
            continue
        end = ends.get(attack.name)
        if end is None:
            found[attack.name] = "was not made"
        elif end.word != wanted or (closed and wanted != THROUGH and attack.says not in end.evidence):
            found[attack.name] = f"{end.word} ({end.evidence}), expected {wanted} {attack.says}"
    return found
