"""The list of digests by which a node checks that its files arrived whole.

Imported on nodes too (``user_data: fetch``), so: standard library only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from clusterctl.render.templates import RenderedFile


def manifest(files: Iterable[RenderedFile]) -> str:
    """Lines as ``sha256sum --check`` reads them, in the order of ``files``."""
    return "".join(f"{hashlib.sha256(file.content.encode()).hexdigest()}  {file.path}\n" for file in files)
