"""Archives of homes on the operator's machine: a tar.gz and, written last, its manifest. They hold secrets: 0600."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from clusterctl import paths
from clusterctl.errors import InputError, NodeError
from clusterctl.jenkins.home import Marker, excluded, is_secret
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.survey import Master
from clusterctl.ops.kit.artifacts import file_digest

FORMAT = 1
SUFFIX = ".tar.gz"


@dataclass(frozen=True)
class ArchiveManifest:
    """What an archive is.

    Attributes:
        taken: UTC, ``20261126T153000Z``.
        how: ``quiet`` (no build ran), ``stopped``, or ``forced`` (builds may have run: their records may be cut off).
        secrets: paths in it that open the master, or what it has credentials for.
    """

    cluster: str
    name: str
    taken: str
    how: str
    release: str
    marker: Mapping[str, Any]
    sha256: str
    bytes: int
    files: int
    builds: bool
    excluded: Sequence[str]
    secrets: Sequence[str]
    format: int = FORMAT

    @property
    def home(self) -> Marker:
        """The home's marker."""
        return Marker(**self.marker)


def directory_of(tier: Tier, given: Path | None = None) -> Path:
    """Where archives go: the option, else ``jenkins.backup.directory``, else the state directory."""
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    if given is not None:
        return given
    if tier.spec.jenkins.backup.directory is not None:
        return tier.base / Path(tier.spec.jenkins.backup.directory).expanduser()
    return paths.state_root() / quote(tier.spec.cloud, safe="") / tier.spec.cluster / "jenkins"


def take(
    tier: Tier, master: Master, directory: Path, taken: str, how: str, place: Mapping[str, str] | None = None
) -> tuple[Path, ArchiveManifest]:
    """Packs a master's home into ``directory/NAME/NAME-TAKEN.tar.gz``; its path and manifest.

    Args:
        place: where homes lie on the node, ``{"directory", "mount"}``, if not in their own place.

    Raises:
        NodeError: the node doesn't answer, or a file changed while it was read.
    """
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    assert master.node is not None  # noqa: S101
    assert master.home is not None  # noqa: S101
    assert master.home.marker is not None  # noqa: S101
    settings = tier.spec.jenkins.backup
    target = directory / master.name / f"{master.name}-{taken}{SUFFIX}"
    part = _place(target)
    pattern = excluded(settings.builds, settings.exclude).pattern
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_TRUNC), "wb") as file:
            request = tier.request(name=master.name, exclude=pattern) | dict(place or {})
            answer = tier.jenkins.pack(master.node, request, file)
            file.flush()
            os.fsync(file.fileno())
        _whole(part, master.name, answer["sha256"])
        manifest = ArchiveManifest(
            cluster=tier.spec.cluster,
            name=master.name,
            taken=taken,
            how=how,
            release=master.app.release if master.app else "",
            marker=asdict(master.home.marker),
            sha256=answer["sha256"],
            bytes=answer["bytes"],
            files=answer["files"],
            builds=settings.builds,
            excluded=list(settings.exclude),
            secrets=_secrets(part),
        )
        part.rename(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _write(manifest_path(target), json.dumps(asdict(manifest), indent=1) + "\n")
    return target, manifest


def read(archive: Path) -> ArchiveManifest:
    """The manifest of an archive, after its digest was checked.

    Raises:
        InputError: one of them is missing or wrong.
    """
    path = manifest_path(archive)
    try:
        found = ArchiveManifest(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"ARCHIVE: {path} is not a manifest: {error}") from error
    if found.format != FORMAT:
        raise InputError(f"ARCHIVE: {path} has format {found.format}; allowed: {FORMAT}")
    if not archive.is_file():
        raise InputError(f"ARCHIVE: there is no file {archive}")
    if file_digest(archive) != found.sha256:
        raise InputError(f"ARCHIVE: {archive} is not what its manifest says (sha256 {found.sha256})")
    return found


def prune(directory: Path, name: str, keep: int) -> list[Path]:
    """Deletes the oldest archives of a master, so that ``keep`` are left; those it deleted.

    One without a manifest is of a backup that was cut off: it counts for nothing, and goes, too.
    """
    there = sorted((directory / name).glob(f"{name}-????????T??????Z{SUFFIX}"))
    whole = [path for path in there if manifest_path(path).is_file()]
    gone = [path for path in there if path not in whole[-keep:]]
    for path in gone:
        manifest_path(path).unlink(missing_ok=True)  # first: an archive without one is never restored
        path.unlink(missing_ok=True)
    return gone


def manifest_path(archive: Path) -> Path:
    """``alice-20261126T153000Z.json`` beside ``….tar.gz``."""
    return archive.with_name(archive.name.removesuffix(SUFFIX) + ".json")


def _place(target: Path) -> Path:
    """A new file, ours alone, that becomes ``target``. Raises InputError where none can be made."""
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise InputError(f"no archive can be written to {target.parent}: {error.strerror}") from error
    return part


def _whole(path: Path, name: str, sha256: str) -> None:
    if file_digest(path) != sha256:
        raise NodeError(f"the archive of {name} arrived incomplete")


def _secrets(archive: Path) -> list[str]:
    with tarfile.open(archive, "r:gz") as opened:
        return [info.name for info in opened if info.isreg() and is_secret(PurePosixPath(info.name))]


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
