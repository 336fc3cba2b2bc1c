"""A standby's answer: what the leader says (Marathon's LeaderProxyFilter: headers, status codes, loop check)."""

from __future__ import annotations

import http.client
import logging

from .config import Config
from .messages import Request, Response, as_json

# Marathon's own logger, by whose name operators look for these lines
log = logging.getLogger("mesosphere.marathon.api.forwarder.AsyncUrlConnectionRequestForwarder")

LEADER_HEADER = "X-Marathon-Leader"
VIA_HEADER = "X-Marathon-Via"
_REFUSED = "Connection to leader refused."
_BROKEN = "Failed to successfully establish a connection to the leader."
_HOP_BY_HOP = frozenset(["connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"])


def forward(request: Request, leader: str, config: Config) -> Response:
    """Return the answer of ``leader`` (host:port).

    502: not connected, or a loop; 500: connected, but no answer (AsyncUrlConnectionRequestForwarder tells only failures
    to connect from the rest). Each is a line of level ERROR, as in Marathon.
    """
    via = f"1.1 {config.host_port}"
    if via in request.headers.get(VIA_HEADER.lower(), ""):
        log.error("Prevent proxy cycle, rejecting request")
        return as_json(502, {"message": "Detected proxying loop."})
    host, _, port = leader.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=config.leader_proxy_connection_timeout / 1000)
    headers = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
    headers[VIA_HEADER] = ", ".join(filter(None, [headers.pop(VIA_HEADER.lower(), ""), via]))
    headers["X-Forwarded-For"] = ",".join(filter(None, [headers.pop("x-forwarded-for", ""), request.client]))
    try:
        connection.connect()
    except OSError as exc:
        log.error("%s %s", _REFUSED, exc)  # noqa: TRY400 (the stack says nothing here)
        return as_json(502, {"message": _REFUSED})
    try:
        connection.sock.settimeout(config.leader_proxy_read_timeout / 1000)
        connection.request(request.method, request.target, request.body or None, headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as exc:
        log.error("%s %r", _BROKEN, exc)  # noqa: TRY400
        return as_json(500, {"message": "Request failed."})
    finally:
        connection.close()
    passed = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
    content_type = passed.pop("Content-Type", "application/json")
    return Response(response.status, body, content_type, passed | {VIA_HEADER: via})
