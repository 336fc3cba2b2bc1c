"""Host keys: read once from a node's console through the cloud's API, then pinned in a known_hosts file of our own.

The file is a cache (the console can be read again) of one cluster. Entries stand under the server's id, which ssh is
given as ``HostKeyAlias``: a replaced server with the same address is another entry, never a clash.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from clusterctl.errors import NodeError
from clusterctl.ssh.console import HostKey, parse_console, valid_key

# server id -> its console log; raises CloudError
ReadConsole = Callable[[str], str]


def known_hosts_path(cloud: str, cluster: str, environ: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_CACHE_HOME/clusterctl/CLOUD/CLUSTER/known_hosts`` (XDG base directories: ``~/.cache`` where unset).

    A relative ``XDG_CACHE_HOME`` is ignored, as that specification says.
    """
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".cache"
    return base / "clusterctl" / quote(cloud, safe="") / cluster / "known_hosts"


class KnownHosts:
    """A known_hosts file whose names are server ids. Safe between threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread_lock = threading.Lock()

    def keys(self, alias: str) -> tuple[HostKey, ...]:
        """The keys pinned for a server; empty if there are none."""
        return self._read().get(alias, ())

    def aliases(self) -> frozenset[str]:
        """The servers that have a pinned key."""
        return frozenset(self._read())

    def pin(self, alias: str, keys: Iterable[HostKey]) -> None:
        """Sets the keys of a server; none removes its entry.

        Raises:
            ValueError: a key is no whole public key.
        """
        wanted = tuple(sorted(keys))
        if broken := [key.type for key in wanted if not valid_key(key)]:
            raise ValueError(f"not a whole host key: {', '.join(broken)}")
        with self._locked():
            entries = self._read()
            entries.pop(alias, None)
            if wanted:
                entries[alias] = wanted
            self._write(entries)

    def keep_only(self, aliases: Iterable[str]) -> None:
        """Removes the entries of all other servers: they are gone."""
        kept = frozenset(aliases)
        if self.aliases() <= kept:
            return
        with self._locked():
            self._write({alias: keys for alias, keys in self._read().items() if alias in kept})

    def _read(self) -> dict[str, tuple[HostKey, ...]]:
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return {}
        entries: dict[str, tuple[HostKey, ...]] = {}
        for line in text.splitlines():
            fields = line.split()
            if len(fields) == 3:
                entries[fields[0]] = (*entries.get(fields[0], ()), HostKey(fields[1], fields[2]))
        return entries

    def _write(self, entries: Mapping[str, tuple[HostKey, ...]]) -> None:
        lines = [f"{alias} {key.type} {key.base64}\n" for alias, keys in sorted(entries.items()) for key in keys]
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
    """Pins host keys from consoles.

    Args:
        known_hosts: the cluster's file.
        read_console: gives a server's console log.
    """

    def __init__(self, known_hosts: KnownHosts, read_console: ReadConsole) -> None:
        self.known_hosts = known_hosts
        self._read_console = read_console

    def pinned(self, server_id: str) -> bool:
        """Whether ssh can verify that server."""
        return bool(self.known_hosts.keys(server_id))

    def require(self, server_id: str, name: str) -> None:
        """Pins the server's keys unless they are.

        Raises:
            NodeError: the console holds no host key (yet).
            CloudError: the console can't be read.
        """
        if self.pinned(server_id) or self.refresh(server_id):
            return
        raise NodeError(
            f"node {name}: its console holds no ssh host key, so a connection to it can't be trusted",
            hint=f"If it boots still, try again. If its console log was cut off, append the line "
            f"'{server_id} ssh-ed25519 KEY' to {self.known_hosts.path}, with the content of its "
            "/etc/ssh/ssh_host_ed25519_key.pub from a source that you trust.",
        )

    def refresh(self, server_id: str) -> bool:
        """Reads the console and pins what stands there; True if the pinned keys changed.

        The console, which only the cloud's API gives, has the last word: a server rebuilt in place has new keys.
        """
        return self.learn(server_id, parse_console(self._read_console(server_id)).host_keys)

    def learn(self, server_id: str, keys: tuple[HostKey, ...]) -> bool:
        """Pins keys that were found on the server's console; True if that changed anything, none change nothing."""
        if not keys or keys == self.known_hosts.keys(server_id):
            return False
        self.known_hosts.pin(server_id, keys)
        return True
