"""Which build this is: the version of Marathon that it stands in for, and how that release writes its state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

StorageVersion = tuple[int, int, int]

# Release -> its last patch, and the version of its storage: the last of the migrations in Marathon's Migration.scala on
# the branch releases/<release>. So 1.10 and 1.11 read each other's state, and 1.9 does not read theirs.
RELEASES: dict[str, tuple[int, StorageVersion]] = {
    "1.8": (248, (18, 200, 0)),
    "1.9": (146, (19, 300, 0)),
    "1.10": (36, (110, 100, 0)),
    "1.11": (24, (110, 100, 0)),
}
# All migrations, in order; each brings state of the version before to its own.
MIGRATIONS: tuple[StorageVersion, ...] = (
    (17, 0, 0),
    (18, 0, 0),
    (18, 100, 0),
    (18, 200, 0),
    (19, 100, 0),
    (19, 200, 0),
    (19, 300, 0),
    (110, 100, 0),
)
NEWEST = "1.11"


@dataclass(frozen=True)
class BuildInfo:
    """``version`` as Marathon prints it ("1.11.24"), ``build`` the stand-in's own count from 1 within a release."""

    release: str
    build: int

    @property
    def version(self) -> str:
        return f"{self.release}.{RELEASES[self.release][0] + self.build - 1}"

    @property
    def storage(self) -> StorageVersion:
        return RELEASES[self.release][1]

    @property
    def buildref(self) -> str:
        """The ``buildref`` of ``/v2/info``; Marathon has its git commit there."""
        return f"standin-{self.build}"

    @property
    def banner(self) -> str:
        return f"Marathon {self.version} stand-in (build {self.build}; not Marathon, see README.md)"


def for_build(build: int, release: str = NEWEST) -> BuildInfo:
    """Return the identity of stand-in build number ``build`` (1 or more) of a release. Raises ValueError."""
    if build < 1:
        raise ValueError(f"builds count from 1, got {build}")
    if release not in RELEASES:
        raise ValueError(f"known releases are {', '.join(RELEASES)}; got {release!r}")
    return BuildInfo(release, build)


def load(directory: Path = Path(__file__).parent) -> BuildInfo:
    """Return what BUILD.json beside the package says, or build 1 in a source tree, which has none."""
    path = directory / "BUILD.json"
    if not path.exists():
        return for_build(1)
    found = json.loads(path.read_text())
    return for_build(int(found["build"]), str(found["release"]))
