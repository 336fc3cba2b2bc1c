"""The port of libprocess: opened when the first driver is made, never closed (0.x and 1.x)."""

from __future__ import annotations

import logging
import socketserver
import threading

from .errors import Fatal

log = logging.getLogger("libprocess")
_ANSWER = (
    b"HTTP/1.1 404 Not Found\r\nX-Stand-In: Jenkins stand-in, in the place of libprocess\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


class _Handler(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        try:
            if self.rfile.readline(8192):
                self.wfile.write(_ANSWER)
        except OSError as exc:
            log.debug("%s: %s", self.client_address, exc)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Libprocess:
    """Masters call a real framework back here; the stand-in's use HTTP of their own, so this only is open."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        self._server: _Server | None = None

    def open(self) -> None:
        """Listen, if not yet. Raises Fatal: libprocess ends the process when it cannot bind."""
        if self._server is not None:
            return
        try:
            self._server = _Server((self._address, self._port), _Handler)
        except OSError as exc:
            raise Fatal(f"Failed to initialize, bind: {self._address}:{self._port}: {exc}") from exc
        log.info("libprocess is initialized on %s:%d", *self._server.server_address[:2])
        threading.Thread(target=self._server.serve_forever, name="libprocess", daemon=True).start()
