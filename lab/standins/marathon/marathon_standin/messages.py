"""Requests and answers as plain values, and the router: knows nothing of sockets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .errors import ApiError, invalid_json


@dataclass(frozen=True)
class Request:
    """``target`` is the request line's path with query; ``headers`` have lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = ""

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    def query(self, name: str) -> list[str]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True).get(name, [])

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean query parameter. Raises ApiError 400 when it is none."""
        values = self.query(name)
        if not values:
            return default
        if values[-1] not in ("true", "false"):
            raise ApiError(400, {"message": f"the query parameter {name} must be true or false, got {values[-1]!r}"})
        return values[-1] == "true"

    def json(self) -> Any:
        """Return the body as JSON. Raises ApiError 400."""
        try:
            return json.loads(self.body)
        except ValueError as exc:
            raise invalid_json([("", str(exc))]) from exc


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(status: int, value: Any, **headers: str) -> Response:
    """Return ``value`` as JSON; header names are given with _ for -."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(status, json.dumps(value).encode(), headers=named)


def text(status: int, value: str) -> Response:
    return Response(status, value.encode(), "text/plain; charset=utf-8")


Handler = Callable[..., Response]


class Router:
    """Routes in order; ``{name}`` in a pattern takes one path segment, ``{name+}`` one or more."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        expression = re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+?)", expression)
        self._routes.append((method, re.compile(expression), handler))

    def answer(self, request: Request) -> Response:
        """Return the answer, the errors of the API among them."""
        path = request.path.rstrip("/") or "/"
        allowed = []
        for method, pattern, handler in self._routes:
            found = pattern.fullmatch(path)
            if found and method == request.method:
                try:
                    return handler(request, **found.groupdict())
                except ApiError as exc:
                    return as_json(exc.status, exc.body)
            if found:
                allowed.append(method)
        if allowed:
            return as_json(405, {"message": "Method Not Allowed"}, Allow=", ".join(sorted(set(allowed))))
        return as_json(404, {"message": f"URI not found: {path} (the stand-in serves part of Marathon's API)"})
