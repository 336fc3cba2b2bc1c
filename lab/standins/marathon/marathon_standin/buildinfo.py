"""Which build this is: the version of Marathon it stands in for and the number of the build."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

# The newest Marathon release line was 1.11; build 1 of the stand-in calls itself 1.11.24, build 2 1.11.25, ...
VERSION_PREFIX = "1.11."
FIRST_PATCH = 24


@dataclass(frozen=True)
class BuildInfo:
    """``version`` as Marathon prints it ("1.11.24"), ``build`` the stand-in's own count from 1."""

    version: str
    build: int

    @property
    def buildref(self) -> str:
        """The ``buildref`` of ``/v2/info``; Marathon has its git commit there."""
        return f"standin-{self.build}"

    @property
    def banner(self) -> str:
        return f"Marathon {self.version} stand-in (build {self.build}; not Marathon, see README.md)"


def for_build(build: int) -> BuildInfo:
    """Return the identity of stand-in build number ``build`` (1 or more)."""
    if build < 1:
        raise ValueError(f"builds count from 1, got {build}")
    return BuildInfo(f"{VERSION_PREFIX}{FIRST_PATCH + build - 1}", build)


def load(directory: Path = Path(__file__).parent) -> BuildInfo:
    """Return what BUILD.json beside the package says, or build 1 in a source tree, which has none."""
    path = directory / "BUILD.json"
    if not path.exists():
        return for_build(1)
    return for_build(int(json.loads(path.read_text())["build"]))
