"""What an artifact says of itself, read on the operator's machine: no node is touched by the wrong file."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60
# zstd, which Ubuntu's packages use, is not in Python's library: such a package is believed
_READABLE = ("control.tar", "control.tar.gz", "control.tar.xz")


@dataclass(frozen=True)
class Contents:
    """Name and version as the file itself says (empty: it doesn't), and its size unpacked."""

    name: str
    version: str
    unpacked_bytes: int


def deb_contents(path: Path) -> Contents:
    """Of a Debian package (deb(5)).

    Raises:
        ValueError: the file is no Debian package.
    """
    with path.open("rb") as file:
        if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
            raise ValueError("it is not a Debian package")
        while len(header := file.read(_AR_HEADER)) == _AR_HEADER:
            name, size = header[:16].decode("latin-1").strip().rstrip("/"), int(header[48:58])
            if name in _READABLE:
                fields = _control(file.read(size))
                unpacked = int(fields.get("Installed-Size", "0")) * 1024
                return Contents(fields.get("Package", ""), fields.get("Version", ""), unpacked)
            if name.startswith("control.tar"):
                return Contents("", "", 0)
            file.seek(size + size % 2, 1)
    raise ValueError("it is not a Debian package: it has no control file")


def tarball_contents(path: Path) -> Contents:
    """Of a tarball, which names no version.

    Raises:
        ValueError: the file is not a tarball.
    """
    try:
        with tarfile.open(path) as tar:
            return Contents("", "", sum(member.size for member in tar))
    except tarfile.TarError as error:
        raise ValueError("it is not a tarball") from error


def _control(archive: bytes) -> dict[str, str]:
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            member = next(each for each in tar if each.name.removeprefix("./") == "control")
            file = tar.extractfile(member)
            text = file.read().decode() if file else ""
    except (tarfile.TarError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError("it is not a Debian package: its control file can't be read") from error
    return dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*?)[ \t]*$", text, re.MULTILINE))
