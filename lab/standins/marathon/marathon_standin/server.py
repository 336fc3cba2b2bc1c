"""The HTTP listener: sockets on one side, ``answer(Request) -> Response`` on the other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .config import Config
from .exits import Crash, Exit
from .messages import Request, Response, Stream, as_json

log = logging.getLogger(__name__)
_MAX_BODY_BYTES = 16 * 1024 * 1024
_IDLE_S = 30  # as Marathon's Jetty


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


def start(config: Config, answer: Callable[[Request], Response]) -> None:
    """Listen in threads of its own. Raises Crash when the address cannot be bound."""
    try:
        server = Server((config.http_address or "", config.http_port), _handler(answer))
    except OSError as exc:
        where = f"{config.http_address or '*'}:{config.http_port}"
        raise Crash(Exit.BINDING_ERROR, f"cannot listen on {where}: {exc}") from exc
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    log.info("Listening on %s:%s", config.http_address or "*", config.http_port)


def _handler(answer: Callable[[Request], Response]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_S

        def version_string(self) -> str:
            return "marathon-standin"

        def log_message(self, format: str, *args: Any) -> None:
            log.debug("%s %s", self.client_address[0], format % args)

        def _respond(self) -> None:
            body = self._body()
            if body is None:
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body, self.client_address[0])
            try:
                response = answer(request)
            except TimeoutError:
                response = as_json(504, {"message": "The operation takes longer than it may"})
            except Exception as exc:
                log.exception("%s %s failed", self.command, self.path)
                response = as_json(500, {"message": f"internal error: {exc!r}"})
            self._send(response)

        def _body(self) -> bytes | None:
            """Return the request's body; None when it was answered with an error already."""
            length = self.headers.get("Content-Length", "0")
            if self.headers.get("Transfer-Encoding") or not length.isdigit():
                self._refuse(411, "a request with a body needs a Content-Length")
                return None
            if int(length) > _MAX_BODY_BYTES:
                self._refuse(413, f"the body is larger than {_MAX_BODY_BYTES} bytes")
                return None
            return self.rfile.read(int(length))

        def _refuse(self, status: int, message: str) -> None:
            self.close_connection = True
            self._send(as_json(status, {"message": message}))

        def _send(self, response: Response) -> None:
            self.send_response(response.status)
            if response.stream is not None:
                self.close_connection = True
                self.send_header("Content-Type", response.content_type)
                self.send_header("Connection", "close")
            elif response.status != 204:
                self.send_header("Content-Type", response.content_type)
                self.send_header("Content-Length", str(len(response.body)))
            self.send_header("Cache-Control", "no-cache, no-store, must-revalidate")
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if response.stream is None:
                if self.command != "HEAD":
                    self.wfile.write(response.body)
            else:
                self._pour(response.stream)

        def _pour(self, stream: Stream) -> None:
            try:
                for part in stream:
                    self.wfile.write(part)
                    self.wfile.flush()
            except OSError as exc:
                log.info("%s has left its event stream: %s", self.client_address[0], exc)
            finally:
                stream.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _respond

    return Handler
