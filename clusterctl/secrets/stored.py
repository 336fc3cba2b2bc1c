"""Pure: a cluster's key in the cloud's key manager, one secret of the cluster's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clusterctl.errors import ClusterctlError
from clusterctl.secrets.derive import parse_key
from clusterctl.secrets.secret import Secret


@dataclass(frozen=True)
class StoredKey:
    """A secret of the key manager.

    Attributes:
        key: None if it has no payload.
    """

    id: str
    name: str
    key: Secret | None


def key_name(cluster: str) -> str:
    """Name of the secret that holds a cluster's key; nothing else has such a name (names of clusters have no '.')."""
    return f"clusterctl.{cluster}.key"


def the_key(cluster: str, found: Sequence[StoredKey]) -> Secret | None:
    """The key that the key manager has; None if it has none.

    Args:
        found: all secrets of the cluster's name. Two of the same content are one: an answer was lost.

    Raises:
        ClusterctlError: one has no payload, or they differ.
        InputError: one holds something else than a key.
    """
    if empty := [each.id for each in found if each.key is None]:
        raise ClusterctlError(
            f"secret {key_name(cluster)} ({', '.join(empty)}) of the key manager has no payload, so it holds no key",
            hint=f"`openstack secret list --name {key_name(cluster)}` shows all of that name. If the cluster has no "
            "node yet, delete it there; otherwise the key must come back from a copy.",
        )
    keys = [parse_key(each.key.reveal(), f"secret {each.name} ({each.id})") for each in found if each.key is not None]
    if any(key != keys[0] for key in keys):
        raise ClusterctlError(
            f"the key manager has {len(keys)} secrets called {key_name(cluster)} that differ: "
            f"{', '.join(each.id for each in found)}",
            hint=f"`openstack secret list --name {key_name(cluster)}` tells when each was made. Delete the one that "
            "the cluster doesn't use.",
        )
    return keys[0] if keys else None
