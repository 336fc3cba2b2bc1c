"""Heavy artefacts, made once for a set of inputs and kept under the digest of those inputs."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .settings import LabError


def digest(paths: Iterable[Path], extra: str = "") -> str:
    """The first 16 hex digits of a SHA-256 over the names, modes and contents of files and of trees of files."""
    hasher = hashlib.sha256(extra.encode())
    for top in paths:
        files = sorted(p for p in top.rglob("*") if p.is_file()) if top.is_dir() else [top]
        for path in files:
            name = path.relative_to(top.parent)
            executable = bool(path.stat().st_mode & 0o100)
            hasher.update(f"\0{name}\0{executable}\0".encode())
            hasher.update(hashlib.sha256(path.read_bytes()).digest())
    return hasher.hexdigest()[:16]


def machine_sources() -> Path:
    """The machine's own apt sources of Debian. Raises LabError if there are none."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if path.exists():
            return path
    raise LabError("no apt sources of Debian found in /etc/apt/sources.list.d/debian.sources or /etc/apt/sources.list")


def entry(cache: Path, kind: str, inputs: Iterable[Path], command: Path) -> Path:
    """The directory CACHE/KIND-DIGEST, built by `command DIRECTORY SOURCES` if it is not there.

    An attempt that was cut off is thrown away; entries of the same kind that nobody asked for lately go with it.
    Raises LabError, with the end of the build's log, if the build fails.
    """
    name = f"{kind}-{digest(inputs)}"
    final, partial, log = cache / name, cache / f"{name}.partial", cache / f"{name}.log"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / f"{kind}.lock"):
        if not final.is_dir():
            prune(cache, kind)
            partial.mkdir()
            argv = [command, partial, machine_sources()]
            with log.open("wb") as stream:
                result = subprocess.run(argv, stdout=stream, stderr=stream, check=False)
            if result.returncode:
                raise LabError(f"building {kind} failed (exit {result.returncode}), log {log}:\n{tail(log)}")
            partial.rename(final)
        os.utime(final)
    return final


def prune(cache: Path, kind: str, now: float | None = None) -> None:
    """Removes what attempts left behind, and entries of this kind that were not used for two weeks."""
    oldest = (time.time() if now is None else now) - 14 * 86400
    for path in cache.glob(f"{kind}-*"):
        if path.is_dir() and (path.suffix == ".partial" or path.stat().st_mtime < oldest):
            shutil.rmtree(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on a file; waits for it."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log, or a word that there is none."""
    if not path.exists():
        return f"({path} does not exist)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
