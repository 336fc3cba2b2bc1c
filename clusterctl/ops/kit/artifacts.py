"""Artifacts as verified local files. A digest is checked here, on the operator's machine, before any server exists."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlparse

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.spec.artifacts import Artifact

_CHUNK = 1024 * 1024
_TIMEOUT_S = 60


def local_artifact(name: str, artifact: Artifact, base: Path, cache: Path) -> Path:
    """The artifact as a local file with the digest that the file names.

    Args:
        base: directory that relative paths start from.
        cache: where downloads are kept, by digest.

    Raises:
        InputError: the file doesn't exist, or has another digest.
        ClusterctlError: the download failed.
    """
    if urlparse(artifact.src).scheme in ("http", "https"):
        kept = cache / artifact.sha256 / Path(urlparse(artifact.src).path).name
        if not (kept.is_file() and file_digest(kept) == artifact.sha256):
            _download(name, artifact, kept)
        return kept
    path = (base / artifact.src).resolve()
    if not path.is_file():
        raise InputError(f"artifacts.{name}.src: found {artifact.src!r}, and there is no file {path}")
    _check(name, artifact, file_digest(path))
    return path


def file_digest(path: Path) -> str:
    """sha256 of a file, as hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _check(name: str, artifact: Artifact, found: str) -> None:
    if found != artifact.sha256:
        raise InputError(
            f"artifacts.{name}.sha256: the file names {artifact.sha256}, and {artifact.src} has {found}; "
            "nothing was built",
            hint="Find out which one is right before you change the digest: it is what protects your cluster.",
        )


def _download(name: str, artifact: Artifact, target: Path) -> None:
    import requests  # noqa: PLC0415  (part of the OpenStack SDK's dependencies; slow to import)

    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with requests.get(artifact.src, stream=True, timeout=_TIMEOUT_S) as answer:
            answer.raise_for_status()
            with NamedTemporaryFile(dir=target.parent, delete=False) as part:
                for chunk in answer.iter_content(_CHUNK):
                    part.write(chunk)
    except requests.RequestException as error:
        raise ClusterctlError(f"artifacts.{name}: {artifact.src} could not be downloaded: {error}") from error
    path = Path(part.name)
    try:
        _check(name, artifact, file_digest(path))
        os.replace(path, target)  # noqa: PTH105  (atomic, also over an older file)
    finally:
        path.unlink(missing_ok=True)
