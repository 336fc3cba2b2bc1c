"""What hosts boot from: ``base``, a stock Debian, and ``node``, the base image of a cluster on top of it."""

import os
from pathlib import Path
from typing import Any

from oslab import cache
from oslab.settings import LabError
from oslab.shell import run

from .settings import HERE, ROOT, cache_directory

# Tasks of roles that act when the image is made
_BAKED = (
    *("install", "artifact", "record", "clean", "java", "release"),
    *("foreign", "foreign_check", "hold", "cgroups"),
)


# roles/common/defaults/main.yml
JAVA = "openjdk-17-jre-headless"


def base() -> Path:
    """The directory with ``base/`` and ``repo/``; built if it is not there."""
    inputs = [HERE / "packages.txt", HERE / "repository.txt", HERE / "build-base"]
    return cache.entry(cache_directory(), "hosts-base", inputs, HERE / "build-base")


def node() -> Path:
    """The layer that playbooks/image.yml made on a host; built if it is not there."""
    tasks = [ROOT.glob(f"roles/*/tasks/{name}.yml") for name in _BAKED]
    data = [ROOT.glob(f"roles/*/{name}/*") for name in ("defaults", "files", "vars")]
    inputs = [ROOT / "playbooks" / "image.yml", *sorted(path for paths in tasks + data for path in paths)]
    inputs += [HERE / "build-node", base() / "repo" / "Packages"]
    inputs += [Path(value["src"]) for value in artifacts().values() if isinstance(value, dict)]
    return cache.entry(cache_directory(), "hosts-node", inputs, HERE / "build-node") / "up"


def layers(name: str) -> list[Path]:
    """Read-only directories of an overlay, topmost first.

    Args:
        name: base, node, or the path of a disk that was taken from a host on ``base``.

    Raises:
        LabError: it is none of these.
    """
    if name.startswith("/") and Path(name).is_dir():
        return [Path(name), base() / "base"]
    found = {"base": lambda: [base() / "base"], "node": lambda: [node(), base() / "base"]}.get(name)
    if found is None:
        raise LabError(f"found layer {name!r}; allowed: base, node, or the path of a disk that was taken")
    return found()


def artifacts(number: int = 1) -> dict[str, Any]:
    """The lab's artifacts, built if need be: extra variables for playbooks/image.yml.

    Args:
        number: 2 and so on are later versions of the same programs, to upgrade to.
    """
    directory = cache_directory() / "hosts-artifacts"
    directory.mkdir(parents=True, exist_ok=True)
    mesos, marathon = ROOT / "lab" / "mesos" / "build", ROOT / "lab" / "standins" / "marathon" / "build"
    return {
        "mesos_artifact": _built(f"1.11.0-{number}", mesos, "--revision", str(number), directory),
        "marathon_artifact": _built(f"1.11.{23 + number}", marathon, "--build", str(number), directory),
        "marathon_packages": ["python3-kazoo"],  # the stand-in is a Python program
        "marathon_java_package": JAVA,
        "marathon_java_versions": [17],
    }


def _built(version: str, *command: str | os.PathLike[str]) -> dict[str, str]:
    words = run(*command).split()
    digest = next(word for word in words if len(word) == 64 and not word.strip("0123456789abcdef"))
    path = next(word for word in words if word.startswith("/"))
    return {"version": version, "src": path, "sha256": digest}
