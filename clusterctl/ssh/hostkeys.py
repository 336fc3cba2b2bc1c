"""Host keys: read once from a node's console through the cloud's API, then pinned in a known_hosts file of our own.

The file belongs to one cluster. Entries stand under the server's id, which ssh is given as ``HostKeyAlias``: a replaced
server with the same address is another entry, never a clash. The comment of a line tells when it was pinned.

Nodes made before consoles proved their lines (``Target.proof``): control nodes are believed, since nothing of strangers
runs there. Agents are not, as any build could have written the line; ``clusterctl trust`` pins them.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from clusterctl.errors import NodeError
from clusterctl.ssh.config import Target
from clusterctl.ssh.console import HostKey, parse_console, valid_key

# server id -> its console log; raises CloudError
ReadConsole = Callable[[str], str]

NO_KEY = "its console shows no ssh host key (yet)"
UNPROVEN = "it was made before console lines carried a proof, and a build there could have written a key"
_TRUST = (
    "If it is still booting, try again. If its console log was cut off, or the node is older: "
    "`clusterctl trust FILE {}` shows what there is, and pins it."
)


def known_hosts_path(cloud: str, cluster: str, environ: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_CACHE_HOME/clusterctl/CLOUD/CLUSTER/known_hosts`` (XDG base directories: ``~/.cache`` where unset).

    A relative ``XDG_CACHE_HOME`` is ignored, as that specification says.
    """
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".cache"
    return base / "clusterctl" / quote(cloud, safe="") / cluster / "known_hosts"


@dataclass(frozen=True)
class _Pin:
    key: HostKey
    at: datetime | None  # of pins made before their time was kept

    def __str__(self) -> str:
        return f"{self.key.type} {self.key.base64}" + (f" {self.at:%Y-%m-%dT%H:%M:%SZ}" if self.at else "")


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return None  # somebody's own comment


class KnownHosts:
    """A known_hosts file whose names are server ids. Safe between threads and processes.

    Args:
        now: the time, in UTC.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = path
        self._now = now
        self._thread_lock = threading.Lock()

    def keys(self, alias: str) -> tuple[HostKey, ...]:
        """The keys pinned for a server; empty if there are none."""
        return tuple(pin.key for pin in self._read().get(alias, ()))

    def pinned_at(self, alias: str) -> datetime | None:
        """When; None if nothing is, or if the file doesn't tell."""
        return min((pin.at for pin in self._read().get(alias, ()) if pin.at), default=None)

    def aliases(self) -> frozenset[str]:
        """The servers that have a pinned key."""
        return frozenset(self._read())

    def pin(self, alias: str, keys: Iterable[HostKey]) -> None:
        """Sets the keys of a server; none removes its entry.

        Raises:
            ValueError: a key is not a complete public key.
        """
        wanted = tuple(sorted(keys))
        if broken := [key.type for key in wanted if not valid_key(key)]:
            raise ValueError(f"not a whole host key: {', '.join(broken)}")
        with self._locked():
            entries = self._read()
            entries.pop(alias, None)
            if wanted:
                at = self._now().replace(microsecond=0)
                entries[alias] = tuple(_Pin(key, at) for key in wanted)
            self._write(entries)

    def keep_only(self, aliases: Iterable[str]) -> None:
        """Removes the entries of all other servers: they are gone."""
        kept = frozenset(aliases)
        if self.aliases() <= kept:
            return
        with self._locked():
            self._write({alias: pins for alias, pins in self._read().items() if alias in kept})

    def _read(self) -> dict[str, tuple[_Pin, ...]]:
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return {}
        entries: dict[str, tuple[_Pin, ...]] = {}
        for line in text.splitlines():
            fields = line.split()
            if len(fields) in (3, 4):
                pin = _Pin(HostKey(fields[1], fields[2]), _time(fields[3]) if len(fields) == 4 else None)
                entries[fields[0]] = (*entries.get(fields[0], ()), pin)
        return entries

    def _write(self, entries: Mapping[str, tuple[_Pin, ...]]) -> None:
        lines = [f"{alias} {pin}\n" for alias, pins in sorted(entries.items()) for pin in pins]
        # ssh may read while we write: replace the file in one step
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".known_hosts.")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write("".join(lines))
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._thread_lock, self.path.with_name("known_hosts.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class HostKeys:
    """Pins host keys from consoles, once: a pinned key is replaced only where Nova says that the server was rebuilt,
    or by ``replace`` (``clusterctl trust``).

    Args:
        known_hosts: the cluster's file.
        read_console: gives a server's console log.
        rebuilt: when Nova last rebuilt a server; None for never, or if it doesn't tell.
    """

    def __init__(
        self, known_hosts: KnownHosts, read_console: ReadConsole, rebuilt: Callable[[str], datetime | None]
    ) -> None:
        self.known_hosts = known_hosts
        self._read_console = read_console
        self._rebuilt = rebuilt

    def pinned(self, server_id: str) -> bool:
        """Whether ssh can verify that server."""
        return bool(self.known_hosts.keys(server_id))

    def find(self, target: Target) -> bool:
        """Whether ssh can verify the node, after a look at its console if need be.

        Raises:
            CloudError: the console can't be read.
        """
        if self.pinned(target.server_id):
            return True
        return believable(target) and self.learn(target, self._read_console(target.server_id))

    def require(self, target: Target) -> None:
        """``find``, or an error.

        Raises:
            NodeError: the console proves no host key (yet).
            CloudError: the console can't be read.
        """
        if not self.find(target):
            raise NodeError(f"node {target.name}: {lack(target)}", hint=_TRUST.format(target.name))

    def learn(self, target: Target, console: str) -> bool:
        """Pins what a node's console proves unless its keys are pinned; whether they are now."""
        if self.pinned(target.server_id):
            return True
        keys = self._proven(target, console)
        if keys:
            self.known_hosts.pin(target.server_id, keys)
        return bool(keys)

    def renew(self, target: Target) -> bool:
        """Pins the keys of a server that was rebuilt since they were pinned; True if that changed them.

        Raises:
            CloudError: the console can't be read, or Nova not be asked.
        """
        pinned_at = self.known_hosts.pinned_at(target.server_id)
        if not believable(target) or pinned_at is None:
            return False
        rebuilt_at = self._rebuilt(target.server_id)
        if rebuilt_at is None or rebuilt_at <= pinned_at:
            return False
        keys = parse_console(self._read_console(target.server_id), target.proof).latest_keys
        if not keys or keys == self.known_hosts.keys(target.server_id):
            return False
        self.known_hosts.pin(target.server_id, keys)
        return True

    def shown(self, target: Target) -> tuple[HostKey, ...]:
        """The keys that the console shows, believable or not; for a person to judge."""
        return parse_console(self._read_console(target.server_id), target.proof).latest_keys

    def replace(self, target: Target, keys: Iterable[HostKey]) -> None:
        """Pins keys in place of those that are: somebody answers for them."""
        self.known_hosts.pin(target.server_id, keys)

    def _proven(self, target: Target, console: str) -> tuple[HostKey, ...]:
        if not believable(target):
            return ()
        report = parse_console(console, target.proof)
        if report.latest_keys != report.host_keys and self._rebuilt(target.server_id) is not None:
            return report.latest_keys
        return report.host_keys


def believable(target: Target) -> bool:
    """Whether a key on the node's console is the node's: nobody else can have written it there."""
    return bool(target.proof) or not target.strangers


def lack(target: Target) -> str:
    """Why there is no pinned key of a node."""
    return NO_KEY if believable(target) else UNPROVEN
