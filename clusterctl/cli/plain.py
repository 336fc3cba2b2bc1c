"""What others wrote, made safe for the operator's terminal and logs.

Consoles, names of servers and tasks, answers of services and output of nodes may hold anything, also sequences that
move the cursor, change the window's title, or answer as if they had been typed. All that ``cli`` prints passes through
here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

# Everything but these is printable: C0 and C1 controls are not, nor are format characters that reorder or hide text
# (Unicode categories Cc, Cf, Cs, Co, Cn, Zl, Zp, and spaces other than the usual one)
_KEPT = frozenset("\n\t")
_PLAIN = re.compile(r"[\n\t -~]*")


def plain(text: str) -> str:
    """``text`` with every character that is not printable written out as ``\\x1b``; newlines and tabs stay."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(char if char in _KEPT or char.isprintable() else _written_out(char) for char in text)


def plain_line(text: str) -> str:
    """The same in one line: a name with a newline must not look like a line of ours."""
    return plain(text).replace("\n", "\\n")


def _written_out(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Plain:
    """A renderable of rich's whose text is made safe; its own styles stay."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """See rich's console protocol."""
        from rich.segment import Segment

        for segment in console.render(self._inner, options):
            # links of a style become a sequence with the address in it
            style = segment.style.update_link(None) if segment.style and segment.style.link else segment.style
            yield segment if segment.control else Segment(plain(segment.text), style)
