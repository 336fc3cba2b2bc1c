"""What the demo, the tests and the benchmarks share: the lab's artifacts, cluster files for a zone, the environment."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PROGRAM = ROOT / ".venv" / "bin" / "clusterctl"

# zone -> (image family, stock image, flavor of the builder, flavors of the examples -> flavors of the zone)
ZONES: dict[str, dict[str, Any]] = {
    "container": {
        "family": "clusterctl-base-ct",
        "source": "debian-12-ct",
        "builder": "ct.builder",
        "flavors": {"m1.tiny": "ct.small", "m1.small": "ct.small", "m1.medium": "ct.medium", "m1.large": "ct.large"},
    },
    "vm": {
        "family": "clusterctl-base",
        "source": "debian-12",
        "builder": "m1.builder",
        "flavors": {"ct.small": "m1.small", "ct.medium": "m1.medium", "ct.large": "m1.large"},
    },
}


class Phases:
    """Measures named phases; ``seconds`` in the order in which they ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Runs the body as the phase ``name`` and prints its seconds."""
        start = time.monotonic()
        print(f"== {name}", flush=True)
        yield
        self.seconds[name] = round(time.monotonic() - start, 1)
        print(f"== {name}: {self.seconds[name]} s", flush=True)


def lab_up() -> dict[str, str]:
    """Starts the lab if needed and puts its environment into ours; returns it."""
    subprocess.run([ROOT / "lab" / "lab", "up"], check=True, stdin=subprocess.DEVNULL)
    return use_lab()


def use_lab() -> dict[str, str]:
    """Puts the running lab's environment into ours; returns it."""
    text = subprocess.run([ROOT / "lab" / "lab", "env"], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        found[name] = shlex.split(value)[0] if value else ""
    os.environ.update(found)
    return found


def build_artifacts(number: int = 1) -> dict[str, Any]:
    """Builds (or takes from the cache) the Mesos package and the stand-ins for Marathon, Jenkins and its plugins.

    Name -> version, path, digest; ``jenkins_plugins`` is a list of such, each with its name.

    Args:
        number: 2 and so on are later versions of the same programs, to upgrade to.
    """
    directory = BUILD / "artifacts"
    directory.mkdir(parents=True, exist_ok=True)
    mesos, marathon = ROOT / "lab" / "mesos" / "build", ROOT / "lab" / "standins" / "marathon" / "build"
    return {
        "mesos": _built(mesos, directory, f"1.11.0-{number}", "--revision", str(number)),
        # the stand-in runs no JVM for long: any Java does
        "marathon": {**_built(marathon, directory, f"1.11.{23 + number}", "--build", str(number)), "java": [17]},
        **build_jenkins(),
    }


def build_jenkins(version: str = "2.319.3", plugin: str = "0.x") -> dict[str, Any]:
    """The stand-in's war, the plugin files of a generation and a real Java 11, as ``artifacts.yml`` names them."""
    directory = BUILD / "artifacts" / f"jenkins-{plugin}"
    script = ROOT / "lab" / "standins" / "jenkins" / "build"
    [war] = _lines(script, "war", "--version", version, directory)
    [java] = _lines(script, "java", directory)
    plugins = []
    for path, digest in _lines(script, "plugins", plugin, directory):
        name, _, release = Path(path).stem.rpartition("-")
        plugins.append({"name": name, "version": release, "src": path, "sha256": digest})
    return {
        "jenkins": {"version": version, "src": war[0], "sha256": war[1]},
        "jenkins_plugins": plugins,
        "jenkins_java": {"version": _release(java[0]), "src": java[0], "sha256": java[1]},
    }


def _release(path: str) -> str:
    """Of ``NAME-VERSION.tar.gz``."""
    return Path(path).name.removesuffix(".tar.gz").rpartition("-")[2]


def _lines(script: Path, *arguments: str | Path) -> list[tuple[str, str]]:
    """Path and digest of each file that a build script of the stand-in made."""
    done = subprocess.run([script, *arguments], check=True, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    return [(words[0], words[1]) for words in map(str.split, done.stdout.splitlines())]


def _built(script: Path, directory: Path, version: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [script, *arguments, directory], check=True, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    words = done.stdout.split()
    digest = next(word for word in words if len(word) == 64 and all(c in "0123456789abcdef" for c in word))
    path = next(word for word in words if word.startswith("/"))
    return {"version": version, "src": path, "sha256": digest}


def artifacts_file(zone: str, artifacts: Mapping[str, Any], *, family: str | None = None) -> Path:
    """Writes ``build/artifacts-ZONE.yml`` for ``clusterctl image build``.

    Args:
        family: of images that no other test starts from, and the name of the file instead of the zone's.
    """
    facts = ZONES[zone]
    content = {
        "family": family or facts["family"],
        "source_image": facts["source"],
        "build": {
            "cloud": "lab",
            "flavor": facts["builder"],
            "network": "lab",
            "availability_zone": zone,
            "keypair": "ops",
            "access": {"ssh_from": "10.51.0.1"},  # this machine, as servers see it
        },
        "artifacts": artifacts,
        "marathon_packages": ["python3-kazoo"],  # the stand-in is a Python program
    }
    path = BUILD / f"artifacts-{family or zone}.yml"
    path.write_text(json.dumps(content, indent=2) + "\n")  # JSON is YAML
    return path


def cluster_file(example: str, zone: str, *, name: str | None = None, family: str | None = None) -> Path:
    """Writes ``build/EXAMPLE-ZONE.yml``: ``examples/EXAMPLE.yml`` with the zone, its image and its flavors.

    Args:
        name: the cluster's, instead of the example's; the file's, too.
        family: of the image, instead of the zone's.
    """
    facts = ZONES[zone]
    lines = []
    for line in (ROOT / "examples" / f"{example}.yml").read_text().splitlines():
        key, _, value = line.strip().partition(": ")
        indent = line[: len(line) - len(line.lstrip())]
        new = {
            "cluster": name or value,
            "availability_zone": zone,
            "image": family or facts["family"],
            "flavor": facts["flavors"].get(value, value),
        }.get(key)
        lines.append(f"{indent}{key}: {new}" if new is not None else line)
    path = BUILD / f"{name or example}-{zone}.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def write_env(environment: Mapping[str, str]) -> Path:
    """Writes ``build/env.sh``: what a shell sources to have clusterctl, Ansible and the lab's clouds.yaml at hand."""
    path = BUILD / "env.sh"
    exports = {**environment, "OS_CLOUD": "lab", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    lines.append(f"export PATH={shlex.quote(str(PROGRAM.parent))}:$PATH")
    path.write_text("\n".join(lines) + "\n")
    return path


def clusterctl(*arguments: str | Path, check: bool = True) -> dict[str, Any]:
    """Runs clusterctl with ``--json``; its progress goes to our standard error.

    Raises:
        subprocess.CalledProcessError: it failed and ``check`` is set.
    """
    done = subprocess.run(
        [PROGRAM, *arguments, "--json"], check=check, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
