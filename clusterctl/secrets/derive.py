"""Pure: a cluster's key -> its secrets, by HKDF-SHA256 (RFC 5869) over cluster, epoch and name.

So no secret needs to be kept anywhere, all can be made anew by who has the key, and one that leaks tells nothing of the
key or of the others. The next epoch of a name is another secret.
"""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from clusterctl.errors import InputError
from clusterctl.secrets.epochs import FIRST, Epochs
from clusterctl.secrets.secret import Secret

KEY_BYTES = 32
SECRET_BYTES = 32
# Changes with the form of ``info``; others' uses of the same key are other salts
_SALT = b"clusterctl secrets 1"
_KEY = re.compile(r"[0-9a-f]{64}")
_CLUSTER = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_NAME = re.compile(r"[a-z][a-z0-9-]*(/[A-Za-z0-9_.-]+)+")


def new_key() -> Secret:
    """A key, 64 hex digits."""
    return Secret(secrets.token_hex(KEY_BYTES))


def parse_key(text: str, source: str) -> Secret:
    """The key that a source gave.

    Args:
        source: named in the error; the text is not.

    Raises:
        InputError: it is not a key.
    """
    if not _KEY.fullmatch(text.strip()):
        raise InputError(
            f"{source}: found {len(text.strip())} characters that are not a key; allowed: 64 hex digits in lower case",
            hint="`openssl rand -hex 32` makes a key.",
        )
    return Secret(text.strip())


def derive(key: Secret, cluster: str, epoch: int, name: str) -> Secret:
    """A secret: 43 letters, digits, '-' and '_' (32 bytes in base64url), fit for URLs, files and Basic authentication.

    Args:
        epoch: 1 or more.
        name: such as ``mesos/marathon`` (``secrets.names``).

    Raises:
        ValueError: an argument has a form that could be taken for another's.
    """
    if not (_CLUSTER.fullmatch(cluster) and epoch >= 1 and _NAME.fullmatch(name)):
        raise ValueError(f"no secret is called {cluster!r}, {epoch}, {name!r}")
    # None of the three holds a NUL, so no two triples give the same text
    info = b"\0".join((cluster.encode(), str(epoch).encode(), name.encode()))
    made = hkdf_sha256(bytes.fromhex(key.reveal()), _SALT, info, SECRET_BYTES)
    return Secret(base64.urlsafe_b64encode(made).decode().rstrip("="))


def hkdf_sha256(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(key)


@dataclass(frozen=True)
class Keyring:
    """The secrets of a cluster by name."""

    cluster: str
    key: Secret
    epochs: Epochs = FIRST

    def __getitem__(self, name: str) -> Secret:
        """The one that clients say."""
        return self.of(name, self.epochs[name])

    def of(self, name: str, epoch: int) -> Secret:
        """The one of an epoch."""
        return derive(self.key, self.cluster, epoch, name)

    def taken(self, name: str) -> list[Secret]:
        """Those that servers take, the one that clients say first."""
        return [self.of(name, epoch) for epoch in self.epochs.taken(name)]
