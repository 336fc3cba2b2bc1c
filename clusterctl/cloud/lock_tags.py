"""Pure: a lock as tags of the cluster's security group, for a project whose quota of security groups is used up.

Neutron adds and removes single tags without touching others, shows them in every list and counts them against no quota,
so a lock made of them can be looked for as one that is a security group (``ops.kit.lock``). A tag has 60 characters at
most: the text is cut into pieces, and the lock is there once its first piece is, which is therefore written last.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from clusterctl.resources import Lock

_SIZE = 40
_TAG = re.compile(r"cl-lock\.(?P<token>[0-9a-f]{8})\.(?P<number>[0-9a-f]{2})=(?P<piece>[A-Za-z0-9_-]*)")
_ID = re.compile(r"tags:(?P<token>[0-9a-f]{8})@(?P<group>.+)")


def lock_tags(token: str, text: str, created: str) -> list[str]:
    """The tags of a lock, in the order in which they are to be written.

    Args:
        token: eight hex digits.
        created: ISO 8601, UTC: of this machine's clock, since Neutron doesn't tell when a tag was added.
    """
    packed = base64.urlsafe_b64encode(f"{created} {text}".encode()).decode().rstrip("=")
    pieces = [packed[start : start + _SIZE] for start in range(0, len(packed), _SIZE)]
    return [f"cl-lock.{token}.{number:02x}={piece}" for number, piece in reversed(list(enumerate(pieces)))]


def locks_of(group_id: str, tags: Iterable[str]) -> list[Lock]:
    """The locks among the tags of a security group."""
    found: dict[str, dict[int, str]] = {}
    for tag in tags:
        if match := _TAG.fullmatch(tag):
            found.setdefault(match["token"], {})[int(match["number"], 16)] = match["piece"]
    locks = []
    for token, pieces in sorted(found.items()):
        if 0 in pieces:
            packed = "".join(piece for _, piece in sorted(pieces.items()))
            raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode(errors="replace")
            created, _, text = raw.partition(" ")
            locks.append(Lock(lock_id(group_id, token), text, created))
    return locks


def lock_id(group_id: str, token: str) -> str:
    """Of a lock that is made of tags."""
    return f"tags:{token}@{group_id}"


def group_and_token(identity: str) -> tuple[str, str] | None:
    """The security group and the token of such a lock; None for the id of another kind of lock."""
    match = _ID.fullmatch(identity)
    return (match["group"], match["token"]) if match else None


def of_token(token: str, tags: Iterable[str]) -> list[str]:
    """The tags of a lock; that without which it is none comes first."""
    return sorted(tag for tag in tags if (match := _TAG.fullmatch(tag)) and match["token"] == token)
