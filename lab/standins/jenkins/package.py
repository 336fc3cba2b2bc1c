"""Make the stand-in's jenkins.war and plugin files, the same bytes from the same inputs.

    build war [--version 2.319.3] OUTDIR          OUTDIR/jenkins-VERSION.war
    build plugins {0.x|1.x|2.x} OUTDIR            OUTDIR/mesos-0.16.hpi and all that it needs, the Mesos plugin first
    build java OUTDIR                             OUTDIR/openjdk-11.0.13.tar.gz, a real one, for masters

Kept under ${CLUSTERCTL_CACHE:-/var/cache/clusterctl}/jenkins-standin/<digest of the inputs>/ and copied to OUTDIR.
Prints path and sha256 of each file, one a line.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from . import java11
from .jenkins_standin.buildinfo import DEFAULT_VERSION, banner, numbers
from .manifests import PLUGINS, manifest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
_RELEASE = "11"  # of Java: what javac's output runs on at least
_NEWER = (2, 479)  # from this core on build agents need Java 17
_TIME = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip can have
_PROGRAM = "WEB-INF/standin/jenkins_standin"


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return an archive in the order given; no times, owner or host, so that only ``files`` decide the bytes."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, _TIME)
            info.external_attr = 0o644 << 16
            info.create_system = 3
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, 9)
    return raw.getvalue()


def sources() -> dict[str, bytes]:
    """Return what goes into a war but for its version: path in this directory, or of the project's script -> bytes."""
    found = {}
    for pattern in ("java/*/standin/*.java", "jenkins_standin/*.py", "README.md", "package.py", "manifests.py"):
        for path in sorted(HERE.glob(pattern)):
            found[str(path.relative_to(HERE))] = path.read_bytes()
    if script := known_script():
        content = script.read_bytes()
        if any(mark in content for mark in (b"{{", b"{%", b"{#")):
            sys.exit(f"{script}: the stand-in knows this script by its text, so it must not be a template")
        found["known.groovy"] = content
    return found


def known_script() -> Path | None:
    """Return the project's own init.groovy.d script, the one that the stand-in knows; None in a tree without it."""
    return next(iter(sorted((ROOT / "roles" / "jenkins").glob("**/clusterctl.groovy*"))), None)


def digest(version: str, files: Mapping[str, bytes]) -> str:
    """Return what names a war. The Debian release stands for the compiler, which is not asked for a cached war."""
    release = re.search(r'^VERSION_ID="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE)
    total = hashlib.sha256(f"{version} {_RELEASE} {release[1] if release else ''}\n".encode())
    for path, content in files.items():
        total.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def compiled(source: Path, release: str = _RELEASE) -> dict[str, bytes]:
    """Compile one directory of Java sources; path of each class file -> bytes, in order."""
    _need_javac()
    with tempfile.TemporaryDirectory() as directory:
        files = sorted(str(path) for path in source.glob("**/*.java"))
        command = ["javac", "--release", release, "-g:none", "-encoding", "UTF-8", "-d", directory, *files]
        subprocess.run(command, check=True)
        out = Path(directory)
        return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("**/*.class"))}


def _need_javac() -> None:
    if shutil.which("javac"):
        return
    packages = (HERE / "build-depends.txt").read_text().split()
    if os.geteuid() != 0:
        sys.exit(f"lab/standins/jenkins/build: only root can install what is missing: {' '.join(packages)}")
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=900", "-qq"]
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        subprocess.run([*apt, "update"], check=True, stdout=sys.stderr)
    install = [*apt, "install", "-y", "--no-install-recommends", *packages]
    subprocess.run(install, check=True, env=quiet, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def agent_jar(version: str) -> bytes:
    release = "17" if numbers(version) >= _NEWER else _RELEASE
    entries = {
        "Manifest-Version": "1.0",
        "Main-Class": "standin.Agent",
        "Application-Name": "build agent of the Jenkins stand-in (not Jenkins)",
        "Version": f"{version}-standin",
    }
    return zipped({"META-INF/MANIFEST.MF": manifest(entries), **compiled(HERE / "java" / "agent", release)})


def war(version: str, files: Mapping[str, bytes]) -> bytes:
    entries = {
        "Manifest-Version": "1.0",
        "Main-Class": "standin.Main",
        "Implementation-Title": "Jenkins stand-in (not Jenkins)",
        "Implementation-Version": version,
        "Jenkins-Version": version,
        "Hudson-Version": "1.395",
    }
    members = {
        "META-INF/MANIFEST.MF": manifest(entries),
        "README.md": files["README.md"],
        "VERSION": f"{banner(version)}\n".encode(),
        **compiled(HERE / "java" / "war"),
        "WEB-INF/agent.jar": agent_jar(version),
        f"{_PROGRAM}/BUILD.json": json.dumps({"version": version}).encode() + b"\n",
    }
    for path, content in files.items():
        if path.startswith("jenkins_standin/"):
            members[f"WEB-INF/standin/{path}"] = content
    if "known.groovy" in files:
        members[f"{_PROGRAM}/known.groovy"] = files["known.groovy"]
    return zipped(members)


def _cached(name: str, key: str, make: Callable[[], bytes]) -> Path:
    """Return the cached file, made if need be; one build at a time, a second one finds the first one's file."""
    directory = Path(os.environ.get("CLUSTERCTL_CACHE", "/var/cache/clusterctl")) / "jenkins-standin" / key
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = path.with_name(path.name + ".part")
            part.write_bytes(make())
            part.rename(path)
    return path


def _version(text: str) -> str:
    if not re.fullmatch(r"2\.\d+(\.\d+)?", text):
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed: a version of Jenkins 2, such as 2.319.3")
    return text


def main() -> int:
    parser = argparse.ArgumentParser(prog="build", description="Build files of the Jenkins stand-in.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    of_war = kinds.add_parser("war", help="jenkins.war")
    of_war.add_argument("--version", type=_version, default=DEFAULT_VERSION, metavar="V", help="Jenkins' version")
    of_war.add_argument("outdir", type=Path, metavar="OUTDIR")
    of_java = kinds.add_parser("java", help="a real Java 11, which Debian 12 has not")
    of_java.add_argument("outdir", type=Path, metavar="OUTDIR")
    of_plugins = kinds.add_parser("plugins", help="the Mesos plugin and all that it needs")
    of_plugins.add_argument("generation", choices=sorted(PLUGINS))
    of_plugins.add_argument("outdir", type=Path, metavar="OUTDIR")
    args = parser.parse_args()
    args.outdir.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    if args.kind == "war":
        files = sources()
        made.append(
            _cached(f"jenkins-{args.version}.war", digest(args.version, files), lambda: war(args.version, files))
        )
    elif args.kind == "java":
        made.append(_cached(java11.FILE_NAME, java11.key(), java11.tarball))
    else:
        for plugin in PLUGINS[args.generation]:
            content = zipped({"META-INF/MANIFEST.MF": plugin.manifest()})
            key = hashlib.sha256(content).hexdigest()[:16]
            made.append(_cached(plugin.file_name, key, lambda content=content: content))  # type: ignore[misc]
    for path in made:
        target = args.outdir / path.name
        shutil.copyfile(path, target)
        print(target.resolve(), hashlib.sha256(target.read_bytes()).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
