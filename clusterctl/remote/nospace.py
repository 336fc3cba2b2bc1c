"""Pure: failures of our own scripts on nodes, where a full disk is the reason."""

from __future__ import annotations

import re

_WORDS = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_PATH = re.compile(r"'(/[^']+)'|(?:^|\s)(/[^\s:]+):")


def no_space(node: str, text: str, path: str = "") -> str:
    """``no space on NODE:PATH: TEXT`` if that is what a text means, else the text as it is.

    Args:
        text: a script's own words: of an OSError with or without its file.
        path: where it writes, in case that the text does not tell.
    """
    if not _WORDS.search(text):
        return text
    found = _PATH.search(text)
    at = (found[1] or found[2]) if found else path
    return f"no space on {node}{':' if at else ''}{at}: {text}"
