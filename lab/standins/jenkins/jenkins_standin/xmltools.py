"""XML as XStream writes and reads it."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

log = logging.getLogger("hudson.util.XStream2")
_PROLOG = re.compile(r"^\s*<\?xml[^>]*\?>")


def parse(text: str) -> ET.Element:
    """Return the root. Jenkins' prolog says XML 1.1, which expat does not know. Raises ValueError."""
    try:
        return ET.fromstring(_PROLOG.sub("", text, count=1))
    except ET.ParseError as exc:
        raise ValueError(str(exc)) from exc


def parse_file(path: Path) -> ET.Element:
    """Return the root of a file. Raises ValueError, OSError."""
    return parse(path.read_text(encoding="utf-8"))


def document(body: str) -> str:
    """Return a document with the prolog of Jenkins 2.107 and later."""
    return f"<?xml version='1.1' encoding='UTF-8'?>\n{body}\n"


def element(name: str, text: object) -> str:
    """Return ``<name>text</name>``, escaped; booleans as Java prints them."""
    shown = str(text).lower() if isinstance(text, bool) else str(text)
    return f"<{name}>{escape(shown)}</{name}>"


def text_of(parent: ET.Element, name: str) -> str | None:
    """Return the text of a child, "" if it is empty, None if there is no such child."""
    child = parent.find(name)
    return None if child is None else (child.text or "")


def boolean_of(parent: ET.Element, name: str, default: bool = False) -> bool:
    text = text_of(parent, name)
    return default if text is None else text.strip() == "true"


def integer_of(parent: ET.Element, name: str, default: int = 0) -> int:
    """Return a field of type int; one that can't be read keeps its default, as XStream's robust converter does."""
    text = text_of(parent, name)
    try:
        return default if text is None else int(text)
    except ValueError:
        log.warning("Failed to read <%s>%s</%s>: not a whole number; the field is skipped", name, text, name)
        return default


def double_of(parent: ET.Element, name: str, default: float = 0.0) -> float:
    """Return a field of type double; one that can't be read keeps its default."""
    text = text_of(parent, name)
    try:
        return default if text is None else float(text)
    except ValueError:
        log.warning("Failed to read <%s>%s</%s>: not a number; the field is skipped", name, text, name)
        return default
