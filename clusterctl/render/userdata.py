"""Pure: services and variables of a node -> its user-data, a ``#cloud-config`` document.

Nothing in it is individual to an agent (D4): host name and keys come from Nova's metadata. The nonce, by which the
operator knows the lines on the console for the node's own, is not a secret between the agents of a request: each writes
to a console of its own.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from clusterctl.errors import ClusterctlError
from clusterctl.paths import cloud_init_dir, roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import RenderedFile, manifest, render_files, units
from clusterctl.services import Service
from clusterctl.spec.model import Fetch

# Nova's limit of the base64 text (api-ref "user_data": maximum 65535 bytes).
MAX_BASE64 = 65535

BOOT_DIR = "/usr/lib/clusterctl/boot"
MANIFEST = "/var/lib/clusterctl/files.sha256"
NODE = "/var/lib/clusterctl/node.json"
NONCE = "/var/lib/clusterctl/console"  # read by cloud-init/lib.sh


def user_data(
    services: Sequence[Service], variables: Mapping[str, Any], mode: Literal["embedded"] | Fetch, nonce: str
) -> bytes:
    """The user-data of a node, gzip-compressed only if it would not fit otherwise; the same input gives the same bytes.

    Args:
        services: what the node runs.
        variables: of ``clusterctl.variables``; with ``common_volume_serial`` the node waits for that disk.
        mode: all files embedded, or a bundle that the node fetches from a git host.
        nonce: what the node's lines on its console carry, 32 hex digits; only root may read it there.

    Raises:
        RenderError: a template and the variables do not fit.
        ClusterctlError: the document is over Nova's limit; the message names the largest files.
    """
    if mode == "embedded":
        files, command = _embedded(services, variables)
    else:
        files, command = _fetch(services, variables, mode)
    files.append(RenderedFile(path=NONCE, content=f"{nonce}\n", mode="0600"))
    document = {
        "write_files": [_write_files_entry(file) for file in files],
        "runcmd": [command],
    }
    return _capped(b"#cloud-config\n" + _dump(document), files)


def _embedded(services: Sequence[Service], variables: Mapping[str, Any]) -> tuple[list[RenderedFile], list[str]]:
    roles = roles_of(services)
    files = render_files(roles_dir(), roles, variables)
    digests = RenderedFile(path=MANIFEST, content=manifest(files), mode="0644")
    command = [f"{BOOT_DIR}/post-install", *units(roles_dir(), roles, variables)]
    return [*files, digests, _boot_script("lib.sh"), _boot_script("post-install")], command


def _fetch(
    services: Sequence[Service], variables: Mapping[str, Any], fetch: Fetch
) -> tuple[list[RenderedFile], list[str]]:
    node = json.dumps({"services": list(services), "variables": variables}, indent=1, sort_keys=True) + "\n"
    files = [RenderedFile(path=NODE, content=node, mode="0644"), _boot_script("lib.sh"), _boot_script("fetch")]
    return files, [f"{BOOT_DIR}/fetch", fetch.url, fetch.commit, fetch.sha256]


def _boot_script(name: str) -> RenderedFile:
    content = (cloud_init_dir() / name).read_text(encoding="utf-8")
    return RenderedFile(path=f"{BOOT_DIR}/{name}", content=content, mode="0755")


def _write_files_entry(file: RenderedFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "owner": f"{file.owner}:{file.group}",
        "permissions": file.mode,
        # A block of text stays readable on the node. YAML can't hold other control characters than tab and newline.
        "content": LiteralScalarString(file.content),
    }


def _dump(document: Mapping[str, Any]) -> bytes:
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096
    stream = io.BytesIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _capped(document: bytes, files: Sequence[RenderedFile]) -> bytes:
    if _base64_length(document) <= MAX_BASE64:
        return document
    packed = gzip.compress(document, mtime=0)
    if (length := _base64_length(packed)) <= MAX_BASE64:
        return packed
    largest = sorted(files, key=lambda file: len(file.content), reverse=True)[:3]
    named = ", ".join(f"{file.path} ({len(file.content)} characters)" for file in largest)
    raise ClusterctlError(
        f"the user-data would be {length} characters long, and Nova takes {MAX_BASE64}; its largest files: {named}",
        hint="shorten what they hold, or let the nodes fetch them (user_data: {url, commit, sha256})",
    )


def _base64_length(data: bytes) -> int:
    return len(base64.b64encode(data))
