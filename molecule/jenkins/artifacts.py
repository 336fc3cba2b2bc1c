"""A war and plugins that hold a manifest and nothing else: `artifacts.py DIRECTORY` writes and describes them."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from pathlib import Path

MANIFESTS = {
    "jenkins.war": "Manifest-Version: 1.0\nJenkins-Version: 2.319.3\n",
    "mesos.hpi": "Short-Name: mesos\nPlugin-Version: 0.16\nJenkins-Version: 2.7.3\n",
    "credentials.hpi": "Short-Name: credentials\nPlugin-Version: 2.6.1\nJenkins-Version: 2.7.3\n",
}
VERSIONS = {"jenkins.war": "2.319.3", "mesos.hpi": "0.16", "credentials.hpi": "2.6.1"}


def artifact(path: Path, manifest: str) -> dict[str, str]:
    """Writes one; always the same bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF", (2021, 12, 1, 0, 0, 0)), manifest)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"src": str(path), "sha256": digest, "version": VERSIONS[path.name]}


def main() -> None:
    """See the module."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    made = {name: artifact(directory / name, manifest) for name, manifest in MANIFESTS.items()}
    plugins = [{"name": Path(name).stem, **each} for name, each in made.items() if name.endswith(".hpi")]
    print(json.dumps({"war": made["jenkins.war"], "plugins": plugins}))


if __name__ == "__main__":
    main()
