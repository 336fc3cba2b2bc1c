"""Runs ON an agent for Jenkins masters, as root: packs a home to standard output, or unpacks one from standard input.

Standard library only, and ``jenkinshome.py``, which is sent along. The request is one line of JSON on standard input
(``standardinput.py``): ``{"action": "pack" or "unpack", "directory", "mount", "name", ...}``; the archive follows.
The answer, ``{"answer": {...}}`` or ``{"error": text}``, is the last line of standard error. Home and archive are read
and written with the rights of the home's user.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pwd
import re
import shutil
import stat
import sys
import tarfile
import zlib
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any

    from clusterctl.remote import jenkinshome as home

    Json = Any
else:
    try:
        import jenkinshome as home
    except ImportError:  # not sent: a test
        from clusterctl.remote import jenkinshome as home

LEVEL = 1  # of gzip; builds' logs shrink well, and a node's processors are for builds


class Digested:
    """A stream whose bytes are counted and digested on their way."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()
        self.size = 0

    def _seen(self, data: bytes) -> bytes:
        self.sha256.update(data)
        self.size += len(data)
        return data

    def write(self, data: bytes) -> int:
        """See ``io``."""
        return self._stream.write(self._seen(bytes(data)))

    def read(self, size: int = -1) -> bytes:
        """See ``io``."""
        return self._seen(self._stream.read(size))


def pack(request: Json, out: IO[bytes]) -> Json:
    """Writes ``name``'s home as a tar.gz without what the expression ``exclude`` matches; ``{"files", "bytes",
    "sha256"}`` of it.

    Raises:
        Problem: a file changed while it was read: the archive is useless.
    """
    path = home.home_of(home.checked(request), request["name"])
    found = home.owner(path)
    exclude = re.compile(request["exclude"])
    counted: Any = Digested(out)
    files = 0
    with (
        home.acting_as(found.st_uid, found.st_gid),
        gzip.GzipFile(fileobj=counted, mode="wb", compresslevel=LEVEL) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for each in members(path, exclude):
            files += add(archive, each, each.relative_to(path).as_posix())
    out.flush()
    return {"files": files, "bytes": counted.size, "sha256": counted.sha256.hexdigest()}


def members(top: Path, exclude: re.Pattern[str]) -> Iterator[Path]:
    """What is below ``top``, directories before what is in them; links are not followed."""
    for at, directories, names in os.walk(top):
        here = Path(at)
        kept = [
            each for each in sorted(directories) if not exclude.fullmatch((here / each).relative_to(top).as_posix())
        ]
        directories[:] = [each for each in kept if not (here / each).is_symlink()]
        for name in sorted([*kept, *names]):
            if not exclude.fullmatch((here / name).relative_to(top).as_posix()):
                yield here / name


def add(archive: tarfile.TarFile, path: Path, name: str) -> int:
    """Adds one entry; how many files that is. What has gone meanwhile, sockets and pipes are left out."""
    try:
        info = archive.gettarinfo(path, name)
    except FileNotFoundError:
        return 0
    if info is None or not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
        return 0
    if not info.isreg():
        archive.addfile(info)
        return 0
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            info.size = os.fstat(file.fileno()).st_size
            archive.addfile(info, file)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise home.HomeError(f"{name} changed while it was read: {error}") from error
    return 1


def unpack(request: Json, given: IO[bytes]) -> Json:
    """Makes a home of an archive whose digest is ``sha256``, for ``user``; none of that name may be there.

    ``marker`` is its new marker; what ``remove`` names is left out; ``renew``: it gets new secrets. It appears in one
    step, whole.
    """
    directory = home.checked(request)
    path = home.home_of(directory, request["name"])
    if os.path.lexists(path):
        raise home.HomeError(f"{path} is there")
    try:
        user = pwd.getpwnam(request["user"])
    except KeyError:
        raise home.HomeError(f"the node has no user {request['user']}: its image was built without jenkins") from None
    part = directory / (home.NEW + request["name"])
    if os.path.lexists(part):
        shutil.rmtree(part)
    part.mkdir(0o700)
    if os.geteuid() == 0:
        os.chown(part, user.pw_uid, user.pw_gid)
    counted: Any = Digested(given)
    try:
        with home.acting_as(user.pw_uid, user.pw_gid):
            with gzip.GzipFile(fileobj=counted) as packed, tarfile.open(fileobj=packed, mode="r|") as archive:
                for info in archive:
                    extract(archive, info, part)
            check(counted, request["sha256"])
            for name in request["remove"]:
                (part / name).unlink(missing_ok=True)
            home.write(part / home.MARKER, request["marker"])
            for name, text in home.secret_files().items() if request["renew"] else ():
                home.write(part / home.OWN / name, text)
    except BaseException:
        shutil.rmtree(part)
        raise
    part.rename(path)
    return {"bytes": counted.size}


def check(counted: Digested, sha256: str) -> None:
    """Reads what is left, and compares. Raises Problem."""
    while counted.read(1 << 20):
        pass
    if counted.sha256.hexdigest() != sha256:
        raise home.HomeError("what arrived is not what was sent")


def extract(archive: tarfile.TarFile, info: tarfile.TarInfo, target: Path) -> None:
    """One entry of an archive of ours. Raises Problem for a path that leads out."""
    name = Path(info.name)
    if name.is_absolute() or ".." in name.parts:
        raise home.HomeError(f"the archive has the path {info.name!r}")
    if info.isreg() or info.isdir() or info.issym() or info.islnk():
        info.mode &= ~(stat.S_ISUID | stat.S_ISGID | 0o077)
        archive.extract(info, target)


def run(request: Json, given: IO[bytes], out: IO[bytes]) -> Json:
    """The whole answer to a request."""
    try:
        return {"answer": pack(request, out) if request["action"] == "pack" else unpack(request, given)}
    except home.HomeError as error:
        return {"error": str(error)}
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        return {
            "error": f"{getattr(error, 'filename', None) or ''} {getattr(error, 'strerror', None) or error}".strip()
        }


if __name__ == "__main__":
    os.umask(0o077)
    answered = run(json.loads(sys.stdin.buffer.readline()), sys.stdin.buffer, sys.stdout.buffer)
    sys.stderr.write(json.dumps(answered) + "\n")
    sys.exit(0 if "answer" in answered else 1)
