"""Requests and answers as plain values, the router, and the listener."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .errors import Refused

log = logging.getLogger("winstone.Logger")
_MAX_BODY_BYTES = 16 * 1024 * 1024
_IDLE_S = 30


@dataclass(frozen=True)
class Request:
    """``target`` is the path with query, without the prefix; ``headers`` have lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def is_form(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")

    def parameters(self) -> dict[str, str]:
        """Return the parameters of query and form, the last value of each."""
        found = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        if self.is_form:
            found |= parse_qs(self.body.decode(errors="replace"), keep_blank_values=True)
        return {name: values[-1] for name, values in found.items()}

    def parameter(self, name: str, default: str = "") -> str:
        return self.parameters().get(name, default)

    def cookie(self, name: str) -> str | None:
        try:
            found = SimpleCookie(self.headers.get("cookie", "")).get(name)
        except CookieError:
            return None
        return found.value if found else None


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    content_type: str = "text/html;charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def page(status: int, title: str, text: str, **headers: str) -> Response:
    """Return a small page; header names are given with _ for -."""
    body = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{text}</body></html>\n"
    return Response(status, body.encode(), headers={name.replace("_", "-"): value for name, value in headers.items()})


def plain(status: int, text: str, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, text.encode(), "text/plain;charset=utf-8", named)


Handler = Callable[..., Response]


class Router:
    """Routes in order; ``{name}`` in a pattern takes one path segment. HEAD is answered as GET."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, methods: str, pattern: str, handler: Handler) -> None:
        """Add a route for methods such as "GET" or "GET POST"."""
        expression = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern))
        for method in methods.split():
            self._routes.append((method, expression, handler))

    def answer(self, request: Request) -> Response:
        """Return the answer. Raises Refused 404, 405 and what the handler raises."""
        path = request.path.rstrip("/") or "/"
        method = "GET" if request.method == "HEAD" else request.method
        allowed = False
        for wanted, pattern, handler in self._routes:
            if found := pattern.fullmatch(path):
                if wanted == method:
                    return handler(request, **found.groupdict())
                allowed = True
        if allowed:
            raise Refused(405, "This URL requires POST" if method == "GET" else f"{method} is not allowed here")
        raise Refused(404, f"Not Found: {path} (the stand-in serves a part of Jenkins only)")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


def listen(address: str, port: int, answer: Callable[[Request], Response]) -> None:
    """Listen in threads of its own. Raises OSError when the address cannot be bound."""
    server = _Server((address, port), _handler(answer))
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    log.info("Winstone's place is taken by a stand-in, serving HTTP on port %d", port)


def _handler(answer: Callable[[Request], Response]) -> type[BaseHTTPRequestHandler]:
    class Listener(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_S

        def version_string(self) -> str:
            return "jenkins-standin"

        def log_message(self, format: str, *args: Any) -> None:
            log.debug("%s %s", self.client_address[0], format % args)

        def _respond(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if self.headers.get("Transfer-Encoding") or not length.isdigit() or int(length) > _MAX_BODY_BYTES:
                self.close_connection = True
                self._send(plain(411, f"a body needs a Content-Length of at most {_MAX_BODY_BYTES} bytes"))
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(int(length)))
            try:
                response = answer(request)
            except Exception as exc:
                log.exception("%s %s failed", self.command, self.path)
                response = plain(500, f"internal error of the stand-in: {exc!r}")
            self._send(response)

        def _send(self, response: Response) -> None:
            self.send_response(response.status)
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _respond

    return Listener
