"""Host keys that a person answers for: of nodes whose console proves none, or whose key changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clusterctl.errors import InputError, NodeError
from clusterctl.ssh.config import Target
from clusterctl.ssh.console import HostKey, valid_key
from clusterctl.ssh.hostkeys import HostKeys, believable

GIVEN = "given"
PROVEN = "its console, with the nonce of its user-data"
BELIEVED = "its console; no foreign code runs there"
DOUBTFUL = "its console, which a build on it could have written to: compare it with another source"

# Asked with lines that describe what will be pinned; raises CancelledError for no
Confirm = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Trust:
    """What is pinned for a node and what shall be; ``source`` says who tells the new keys."""

    target: Target
    pinned: tuple[HostKey, ...]
    keys: tuple[HostKey, ...]
    source: str

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.pinned != self.keys

    @property
    def lines(self) -> list[str]:
        """What a person must know to answer for it."""
        return [
            str(self.target),
            *(f"  pinned: {_told(key)}" for key in self.pinned),
            *(f"  found:  {_told(key)}" for key in self.keys),
            f"  source: {self.source}",
        ]

    def to_json(self) -> dict[str, Any]:
        """``{"node", "pinned": [{"type", "fingerprint"}], "keys": [...], "source", "changed"}``."""
        told = {name: [_json(key) for key in keys] for name, keys in (("pinned", self.pinned), ("keys", self.keys))}
        return {"node": self.target.name, **told, "source": self.source, "changed": self.changes}


def trust(targets: Sequence[Target], host_keys: HostKeys, confirm: Confirm, given: str | None = None) -> list[Trust]:
    """Pins the keys that the consoles of nodes show now, or one that is given, in place of those that are pinned.

    Args:
        given: ``TYPE BASE64``, as in a file ``ssh_host_*_key.pub``; for one node.

    Raises:
        InputError: ``given`` is not a complete key, or there are several nodes for it.
        NodeError: a console shows no key; nothing was pinned.
        CloudError: a console can't be read; nothing was pinned.
        CancelledError: of ``confirm``.
    """
    if given is not None and len(targets) > 1:
        raise InputError(f"--key: found one key for {len(targets)} nodes; allowed: one node")
    found = [_found(target, host_keys, given) for target in targets]
    todo = [each for each in found if each.changes]
    if todo:
        confirm([line for each in todo for line in each.lines])
    for each in todo:
        host_keys.replace(each.target, each.keys)
    return found


def parse_key(text: str) -> HostKey:
    """A public key as OpenSSH writes it, without its comment.

    Raises:
        InputError: it is not a key, or incomplete.
    """
    words = text.split()
    key = HostKey(*words[:2]) if len(words) >= 2 else None
    if key is None or not valid_key(key):
        raise InputError(
            f"--key: found {text!r}; allowed: 'TYPE BASE64', as in the node's /etc/ssh/ssh_host_ed25519_key.pub"
        )
    return key


def _found(target: Target, host_keys: HostKeys, given: str | None) -> Trust:
    pinned = host_keys.known_hosts.keys(target.server_id)
    if given is not None:
        return Trust(target, pinned, (parse_key(given),), GIVEN)
    keys = host_keys.shown(target)
    if not keys:
        raise NodeError(
            f"node {target.name}: its console shows no ssh host key"
            + (" with the nonce of its user-data" if target.proof else ""),
            hint=f"`clusterctl trust FILE {target.name} --key 'TYPE BASE64'` pins one that you give: that in its "
            "/etc/ssh/ssh_host_ed25519_key.pub, from a source that you trust.",
        )
    source = PROVEN if target.proof else BELIEVED if believable(target) else DOUBTFUL
    return Trust(target, pinned, keys, source)


def _told(key: HostKey) -> str:
    return f"{key.type} {key.fingerprint}"


def _json(key: HostKey) -> dict[str, str]:
    return {"type": key.type, "fingerprint": key.fingerprint}
