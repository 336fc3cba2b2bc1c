"""Make the stand-in's tarball, laid out as Marathon's universal one, the same bytes from the same inputs.

    marathon-1.11.24/bin/marathon  lib/marathon_standin/*.py  README.md  VERSION

Kept under ${CLUSTERCTL_CACHE:-/var/cache/clusterctl}/marathon-standin/<digest of the inputs>/ and copied to OUTDIR.
Prints the path and the sha256.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path

from .marathon_standin.buildinfo import NEWEST, RELEASES, BuildInfo, for_build

HERE = Path(__file__).parent


def members(build: BuildInfo) -> dict[str, tuple[int, bytes]]:
    """Return the tarball's files: path -> (mode, content), in order."""
    top = f"marathon-{build.version}"
    files = {
        f"{top}/README.md": (0o644, (HERE / "README.md").read_bytes()),
        f"{top}/VERSION": (0o644, f"{build.banner}\n".encode()),
        f"{top}/bin/marathon": (0o755, (HERE / "dist" / "marathon").read_bytes()),
        f"{top}/lib/marathon_standin/BUILD.json": (
            0o644,
            json.dumps({"release": build.release, "build": build.build}).encode() + b"\n",
        ),
    }
    for source in sorted((HERE / "marathon_standin").glob("*.py")):
        files[f"{top}/lib/marathon_standin/{source.name}"] = (0o644, source.read_bytes())
    return dict(sorted(files.items()))


def digest(files: dict[str, tuple[int, bytes]]) -> str:
    """Return what names these files: any change of path, mode or content changes it."""
    total = hashlib.sha256()
    for path, (mode, content) in files.items():
        total.update(f"{path}\0{mode:o}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def packed(files: dict[str, tuple[int, bytes]]) -> bytes:
    """Return the .tgz: owner root, no times, so that only ``files`` decide the bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        directories = sorted({str(parent) for path in files for parent in Path(path).parents} - {"."})
        for directory in directories:
            info = tarfile.TarInfo(directory)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        for path, (mode, content) in files.items():
            info = tarfile.TarInfo(path)
            info.mode, info.size = mode, len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="build", description="Build the Marathon stand-in's tarball.")
    parser.add_argument("--build", type=int, default=1, metavar="N", help="build number; 1 is 1.11.24, 2 is 1.11.25")
    parser.add_argument(
        "--release", default=NEWEST, choices=RELEASES, help="the release whose state it reads and writes"
    )
    parser.add_argument("outdir", type=Path, metavar="OUTDIR")
    args = parser.parse_args()
    if args.build < 1:
        parser.error(f"--build counts from 1, got {args.build}")
    build = for_build(args.build, args.release)
    files = members(build)
    cache = Path(os.environ.get("CLUSTERCTL_CACHE", "/var/cache/clusterctl")) / "marathon-standin" / digest(files)
    cached = cache / f"marathon-{build.version}.tgz"
    if not cached.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = cached.with_suffix(f".part{os.getpid()}")
        part.write_bytes(packed(files))
        part.rename(cached)
    args.outdir.mkdir(parents=True, exist_ok=True)
    target = args.outdir / cached.name
    shutil.copyfile(cached, target)
    print(target.resolve(), hashlib.sha256(target.read_bytes()).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
