"""Tables that a program writes into a document, each between two comments that name it."""

from __future__ import annotations

import re
from pathlib import Path

RELIABILITY = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def put(name: str, table: str, path: Path = RELIABILITY) -> None:
    """Replaces what stands between ``<!-- table NAME -->`` and ``<!-- end NAME -->``.

    Raises:
        ValueError: the document has no such place.
    """
    begin, end = f"<!-- table {name} -->", f"<!-- end {name} -->"
    text, count = re.subn(
        f"{begin}.*?{end}", lambda _: f"{begin}\n{table}\n{end}", path.read_text(), count=1, flags=re.DOTALL
    )
    if not count:
        raise ValueError(f"{path} has no {begin}")
    path.write_text(text)
