"""Who may ask at all: HTTP's basic authentication in front of every address (Marathon's HttpModule)."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging

from .config import Config
from .messages import Request, Response

log = logging.getLogger("mesosphere.marathon.api.HttpModule")


class Gate:
    """Knows one user. Credentials without ':' in them let everybody in, and are an error in the log, as in Marathon."""

    def __init__(self, config: Config) -> None:
        self._realm = config.http_realm
        given = config.http_credentials
        user, colon, password = (given or "").rpartition(":")
        self._wanted = given.encode() if given and user and colon and password else None
        if given is not None and self._wanted is None:
            log.error("The HTTP credentials must be specified in the form of 'user:password'.")

    def refuse(self, request: Request) -> Response | None:
        """Return the answer to who doesn't prove to be the user; None if the request may go on."""
        if self._wanted is None or hmac.compare_digest(_given(request), self._wanted):
            return None
        return Response(401, b"", "text/html", {"WWW-Authenticate": f'basic realm="{self._realm}"'})


def _given(request: Request) -> bytes:
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return b""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        return b""
