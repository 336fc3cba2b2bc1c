"""Runs on a node with ``user_data: fetch``: renders the templates of the checked bundle and writes the files.

``python3 -m clusterctl.render.node --node NODE.json --manifest FILE`` in the bundle's directory. NODE.json is
``{"services": [...], "variables": {...}}``. Prints the node's units, one a line. Standard library, jinja2 and PyYAML
only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from clusterctl.errors import ClusterctlError
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import RenderedFile, manifest, render_files, units


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="clusterctl.render.node")
    parser.add_argument("--node", type=Path, required=True, help="JSON of services and variables")
    parser.add_argument("--manifest", type=Path, required=True, help="file of digests to write")
    parser.add_argument("--roles", type=Path, default=Path("roles"), help="directory of the roles")
    parser.add_argument("--root", type=Path, default=Path("/"), help="directory that the paths are below")
    options = parser.parse_args(arguments)
    try:
        node = json.loads(options.node.read_text(encoding="utf-8"))
        roles = roles_of(node["services"])
        files = render_files(options.roles, roles, node["variables"])
        write(files, options.root)
        options.manifest.write_text(manifest(files), encoding="utf-8")
        print("\n".join(units(options.roles, roles, node["variables"])))
    except (ClusterctlError, OSError, LookupError, ValueError) as error:
        print(f"{type(error).__name__}: {error}".replace("\n", " "), file=sys.stderr)
        return 1
    return 0


def write(files: Iterable[RenderedFile], root: Path) -> None:
    """Writes ``files`` below ``root``, each complete or not at all, with owner and mode.

    Raises:
        OSError, LookupError: a file can't be written, or its owner is unknown.
    """
    for file in files:
        target = root / file.path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.clusterctl")
        temporary.write_text(file.content, encoding="utf-8")
        temporary.chmod(int(file.mode, 8))
        if os.geteuid() == 0:
            shutil.chown(temporary, file.owner, file.group)
        temporary.replace(target)


if __name__ == "__main__":
    sys.exit(main())
