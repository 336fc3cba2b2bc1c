"""Files with secrets, as nodes get them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from clusterctl.secrets.secret import Secret

# Where nodes have them; roles name the same places
DIRECTORY = "/etc/clusterctl/secrets"


@dataclass(frozen=True)
class SecretFile:
    """A file of a node that only ``owner``, and ``group`` if ``mode`` says so, may read."""

    path: str
    content: Secret
    owner: str = "root"
    group: str = "root"
    mode: int = 0o600

    @property
    def digest(self) -> str:
        """sha256 of the content, by which a delivery is checked."""
        return sha256(self.content.reveal().encode()).hexdigest()
