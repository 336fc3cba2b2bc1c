"""`artifacts.py DIRECTORY`: builds war and plugins 0.x of the Jenkins stand-in, brings Java 11, describes all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

BUILD = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "lab" / "standins" / "jenkins" / "build"
NAME = re.compile(r"(.+)-(\d[\d.]*)\.(?:war|hpi|tar\.gz)")


def built(*what: str) -> list[dict[str, str]]:
    """Name, version, path and digest of each file."""
    done = subprocess.run([BUILD, *what], check=True, stdout=subprocess.PIPE, text=True)
    found = []
    for line in done.stdout.splitlines():
        path, digest = line.split()
        match = NAME.fullmatch(Path(path).name)
        assert match, path
        found.append({"name": match[1], "version": match[2], "src": path, "sha256": digest})
    return found


def main() -> None:
    """See the module."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    (war,), (java,) = built("war", str(directory)), built("java", str(directory))
    for each in (war, java):
        del each["name"]
    print(json.dumps({"war": war, "java": java, "plugins": built("plugins", "0.x", str(directory))}))


if __name__ == "__main__":
    main()
