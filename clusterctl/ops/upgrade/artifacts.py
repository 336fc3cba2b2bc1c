"""The artifacts of an upgrade, on the operator's machine: the new ones verified, older ones found for the way back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from clusterctl.errors import InputError
from clusterctl.ops.kit.artifacts import local_artifact
from clusterctl.ops.upgrade.nodestate import WantedArtifact
from clusterctl.ops.upgrade.package import deb_contents, tarball_contents
from clusterctl.services import ARTIFACTS
from clusterctl.spec.artifacts import Artifacts

# component, sha256 -> a copy of that artifact on this machine
Previous = Callable[[str, str], Path | None]


def wanted_artifacts(
    names: Iterable[str], artifacts: Artifacts | None, base: Path, cache: Path, to: str | None
) -> dict[str, WantedArtifact]:
    """The components that come as artifacts, with their files verified, by name.

    A copy of each is kept in ``cache`` by its digest: the next upgrade can then put a failed node back.

    Args:
        names: components; those that are not artifacts are left out.
        base: directory that relative paths start from.
        to: the version that the user named; None takes the artifacts file's.

    Raises:
        InputError: a file is missing, has another digest or is of another version than named; nothing was touched.
    """
    found = {}
    for name in dict.fromkeys(names):
        if name not in ARTIFACTS.values():
            continue
        if artifacts is None:
            raise InputError(f"--artifacts: is missing; an upgrade of {name} needs the file that names its artifact")
        artifact = artifacts.of_services[name]
        if to is not None and to != artifact.version:
            raise InputError(f"--to: found {to}, and the artifacts file has {name} {artifact.version}; they must agree")
        path = local_artifact(name, artifact, base, cache)
        try:
            contents = deb_contents(path) if name == "mesos" else tarball_contents(path)
        except ValueError as error:
            raise InputError(f"artifacts.{name}.src: found {artifact.src!r}: {error}") from error
        if contents.version not in ("", artifact.version):
            raise InputError(
                f"artifacts.{name}.version: found {artifact.version}, and {artifact.src} is {contents.version}"
            )
        _keep(path, cache / artifact.sha256)
        room = path.stat().st_size + contents.unpacked_bytes
        found[name] = WantedArtifact(name, artifact.version, artifact.sha256, path, contents.name, room)
    return found


def _keep(path: Path, directory: Path) -> None:
    kept = directory / path.name
    if not kept.exists():
        directory.mkdir(parents=True, exist_ok=True)
        part = directory.with_suffix(f".{os.getpid()}")
        shutil.copyfile(path, part)
        part.replace(kept)


def kept_artifact(cache: Path, named: Artifacts | None, base: Path) -> Previous:
    """Finds artifacts of older versions by digest: in ``cache``, or named by an older artifacts file.

    Raises:
        InputError: (when called) the file that is named has another digest.
    """

    def find(component: str, sha256: str) -> Path | None:
        artifact = getattr(named, component, None)
        if artifact is not None and artifact.sha256 == sha256:
            return local_artifact(component, artifact, base, cache)
        return next((path for path in sorted((cache / sha256).glob("*")) if path.is_file()), None)

    return find
