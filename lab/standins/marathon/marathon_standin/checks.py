"""Checks of JSON values, to be put together: numbers, texts, lists, records.

A check takes a JSON value and returns the canonical one; it raises WrongType or BadValue (both 422 in the end).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Check = Callable[[Any], Any]


class FieldError(Exception):
    """``path`` is relative to the field ("" or "/0/port")."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class WrongType(FieldError):
    """The JSON value is of another type than the field's; messages are Marathon's (play-json's) codes."""


class BadValue(FieldError):
    """The value breaks a rule, or asks for what the stand-in does not do."""


def number(minimum: float) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise WrongType("error.expected.jsnumber")
        if not minimum <= value < float("inf"):
            raise BadValue(f"got {value}, expected {minimum} or more")
        return value

    return check


def whole(minimum: int, maximum: int = 2**31 - 1) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongType("error.expected.jsnumber")
        if not minimum <= value <= maximum:
            raise BadValue(f"got {value}, expected {minimum} to {maximum}")
        return value

    return check


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongType("error.expected.jsstring")
    if not value:
        raise BadValue("must not be empty")
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongType("error.expected.jsboolean")
    return value


def one_of(*allowed: str) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise WrongType("error.expected.jsstring")
        if value not in allowed:
            raise BadValue(f"the stand-in allows {', '.join(map(repr, allowed))}; got {value!r}")
        return value

    return check


def text_map(value: Any) -> dict[str, str]:
    """env and labels: strings only (Marathon's secret references are not supported)."""
    if not isinstance(value, dict):
        raise WrongType("error.expected.jsobject")
    for key, item in value.items():
        if not isinstance(item, str):
            raise WrongType("error.expected.jsstring", f"/{key}")
    return value


def list_of(check: Check) -> Check:
    def check_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise WrongType("error.expected.jsarray")
        return [_at(f"/{index}", check, item) for index, item in enumerate(value)]

    return check_list


def _at(path: str, check: Check, value: Any) -> Any:
    try:
        return check(value)
    except FieldError as exc:
        raise type(exc)(str(exc), path + exc.path) from None


def record(fields: dict[str, tuple[Check, Any]]) -> Check:
    """An object with these fields and defaults; a default of ``...`` means that the field is left out."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise WrongType("error.expected.jsobject")
        for key in value:
            if key not in fields:
                raise BadValue(f"the stand-in lacks it; it has {', '.join(fields)}", f"/{key}")
        result = {}
        for key, (check_field, default) in fields.items():
            if value.get(key) is not None:
                result[key] = _at(f"/{key}", check_field, value[key])
            elif default is not ...:
                result[key] = default
        return result

    return check
