"""Requests and answers as plain values, and the router: knows nothing of sockets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from .deployment import Deployment
from .errors import ApiError, no_json


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
        """Return a boolean query parameter: the first one, "true" in any case; whatever else is false, as in JAX-RS."""
        values = self.query(name)
        return values[0].lower() == "true" if values else default

    def first(self, name: str) -> str | None:
        """Return a text parameter: the first one, None if it is not there."""
        values = self.query(name)
        return values[0] if values else None

    def json(self) -> Any:
        """Return the body as JSON. Raises ApiError 400."""
        try:
            return json.loads(self.body)
        except ValueError as exc:
            raise no_json(str(exc)) from exc


@dataclass(frozen=True)
class Response:
    """``stream``, if given, is the body instead of ``body``: sent as it comes, until it ends or the client goes."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Stream | None = None


class Stream(Protocol):
    def __iter__(self) -> Iterator[bytes]:
        """Give the parts of the body."""

    def close(self) -> None:
        """Called once when no more is read."""


def as_json(status: int, value: Any, **headers: str) -> Response:
    """Return ``value`` as JSON; header names are given with _ for -."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(status, json.dumps(value).encode(), headers=named)


def changed(deployment: Deployment, status: int = 200, **headers: str) -> Response:
    """Return the answer to a change (deploymentResult.raml)."""
    body = {"version": deployment.version, "deploymentId": deployment.id}
    return as_json(status, body, Marathon_Deployment_Id=deployment.id, **headers)


def text(status: int, value: str) -> Response:
    return Response(status, value.encode(), "text/plain; charset=utf-8")


Handler = Callable[..., Response]
_JSON = "application/json"


class Router:
    """Routes in order; ``{name}`` in a pattern takes one path segment, ``{name+}`` one or more, ``{name*}`` also a *.

    ``lacking`` are addresses, and what is below them, that Marathon serves and this does not.
    """

    def __init__(self, lacking: Sequence[str] = ()) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self._lacking = lacking

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        expression = re.sub(r"\{(\w+)[+*]\}", r"(?P<\1>.+?)", expression)
        self._routes.append((method, re.compile(expression), handler))

    def answer(self, request: Request) -> Response:
        """Return the answer, the errors of the API among them."""
        path = request.path.rstrip("/") or "/"
        allowed = []
        for method, pattern, handler in self._routes:
            found = pattern.fullmatch(path)
            if found and method == request.method:
                kind = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
                if request.body and kind not in (_JSON, "*/*"):
                    return as_json(415, {"message": "Unsupported Media Type"})
                try:
                    return handler(request, **found.groupdict())
                except ApiError as exc:
                    exc.log()
                    return as_json(exc.status, exc.body)
            if found:
                allowed.append(method)
        if allowed:
            return as_json(405, {"message": "Method Not Allowed"}, Allow=", ".join(sorted(set(allowed))))
        if any(path == each or path.startswith(each + "/") for each in self._lacking):
            return as_json(501, {"message": f"the stand-in lacks it: {path}"})
        # 500 and not 404: so does Marathon's exception mapper
        return as_json(500, {"message": "URI not found"})
