"""Small Debian packages and tarballs."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path


def _tar(files: dict[str, bytes], mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def deb(path: Path, name: str, version: str, installed_kib: int, *, control: str = "control.tar.xz") -> Path:
    """A Debian package (deb(5))."""
    fields = f"Package: {name}\nVersion: {version}\nInstalled-Size: {installed_kib}\nDescription: none\n"
    mode = "w:" + control.rpartition(".")[2].replace("tar", "")
    parts = {
        "debian-binary": b"2.0\n",
        control: _tar({"./control": fields.encode()}, mode) if not control.endswith("zst") else b"(zstd)",
        "data.tar.xz": _tar({}, "w:xz"),
    }
    out = b"!<arch>\n"
    for part, data in parts.items():
        out += f"{part:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    path.write_bytes(out)
    return path


def tarball(path: Path, size: int) -> Path:
    """A tarball with one file of that size."""
    path.write_bytes(_tar({"marathon/bin/marathon": b"x" * size}, "w:gz"))
    return path
