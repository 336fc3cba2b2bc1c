"""A text that nobody should see by accident."""

from __future__ import annotations

import hmac
from typing import NoReturn

_HIDDEN = "Secret(...)"


class Secret:
    """A secret text. It shows itself to nobody (``repr``, ``str``, ``format``, ``vars``) and can't be pickled or copied
    into JSON; ``reveal`` is the one way out, easy to search for.
    """

    __slots__ = ("_text",)
    _text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """The text itself, for the file or the standard input that needs it."""
        return self._text

    def __repr__(self) -> str:
        return _HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    __hash__ = None  # type: ignore[assignment]  # nothing keyed by a secret

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret doesn't change")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret can't be pickled or copied")
